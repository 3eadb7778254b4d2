/* output_reply.h - the answer to `output`: what a job has printed, from an offset on. */
#ifndef OUTPUT_REPLY_H
#define OUTPUT_REPLY_H

#include "daemon.h"

struct output_wanted {
    uint64_t id;
    enum output_kind kind;
    uint64_t offset, limit; /* bytes */
    uint32_t attempt;       /* the run that offset is of; 0: not given */
};

/* Whether there is output beyond offset or of another run, or the job has ended (or is gone). */
bool output_reply_is_due(struct daemon *daemon, const struct output_wanted *wanted);
/* Packs the whole response, or its error. */
void output_reply_pack(struct daemon *daemon, const struct output_wanted *wanted, uint32_t request,
                       msgpack_packer *packer);

#endif
