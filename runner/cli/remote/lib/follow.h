/* follow.h - copies a job's output from reclaimd to a descriptor. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "patience.h"

struct follow {
    uint64_t id;
    const char *stream; /* "stdout", "stderr" */
    int fd;             /* the output is written here */
    int64_t lines;      /* only the last lines, this many; below 0: all */
    bool follow;        /* goes on until the job has ended */
};

/* Copies one stream. With `follow` it survives a restart of the daemon: it goes on at the same place, and prints a line
 * if the job started again and its output with it. 0; else the exit code, or -1, after a message. */
int follow_copy(struct patience *patience, const struct follow *output);

/* Copies both streams; with `follow` each over a connection of its own. */
int follow_copy_both(struct patience *patience, const struct follow *output);

/* Prints a line on standard error if output of an ended job was dropped. */
void follow_say_dropped(struct remote *remote, uint64_t id);

#endif
