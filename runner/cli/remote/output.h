/* output.h - what a job wrote, from reclaimd to a descriptor. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "remote.h"

struct output {
    uint64_t id;
    const char *stream; /* "stdout", "stderr" */
    int fd;             /* where it goes */
    int64_t lines;      /* only the last so many; below 0: all */
    bool follow;        /* until the job has ended */
};

/* 0, or -1 after it has said what is wrong. */
int output_copy(struct remote *remote, const struct output *output);

/* Both streams, each over a connection of its own where they are followed. */
int output_copy_both(struct remote *remote, const struct output *output);

/* Says, on standard error, that some of what a job that has ended wrote was dropped, where it was. */
void output_say_dropped(struct remote *remote, uint64_t id);

#endif
