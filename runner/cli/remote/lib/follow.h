/* output.h - what a job wrote, from reclaimd to a descriptor. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "patience.h"

struct follow {
    uint64_t id;
    const char *stream; /* "stdout", "stderr" */
    int fd;             /* where it goes */
    int64_t lines;      /* only the last so many; below 0: all */
    bool follow;        /* until the job has ended */
};

/* Where it is followed and the daemon is gone meanwhile, it goes on from where it was when that is back, and says where
 * the job's output has begun anew. 0, or the exit code after it has said what is wrong. */
int follow_copy(struct patience *patience, const struct follow *output);

/* Both streams, each over a connection of its own where they are followed. */
int follow_copy_both(struct patience *patience, const struct follow *output);

/* Says, on standard error, that some of what a job that has ended wrote was dropped, where it was. */
void follow_say_dropped(struct remote *remote, uint64_t id);

#endif
