/* runs_output.h - one stream of a run's output: from a pipe into a file of outputs.h, as far as it may be kept.
 *
 * The file is made with the first byte. What cannot be kept is read all the same: a job never waits for its output to
 * be taken. No locks, no loop: whoever has it sees to both. */
#ifndef RUNS_OUTPUT_H
#define RUNS_OUTPUT_H

#include "output_files.h"

#include <stdbool.h>

struct runs_output {
    struct outputs *outputs; /* *borrowed* */
    uint64_t id;
    enum output_kind kind;
    int from;    /* reading end, non-blocking */
    int for_job; /* writing end, until the job has it; -1 */
    int file;    /* -1: nothing came yet */
    uint64_t most, size;
    bool ended; /* nobody has the writing end any more */
    bool over;  /* there was more than `most` */
    int error;  /* negative errno: there was more than could be written */
};

/* Negative errno, and then there is nothing to close. */
int runs_output_open(struct runs_output *output, struct outputs *outputs, uint64_t id, enum output_kind kind,
                     uint64_t most);
/* The job has the writing end: lets go of ours. */
void runs_output_handed_over(struct runs_output *output);
/* Takes what is there, some 256 KiB at most, so that one job does not hold up others. */
void runs_output_read(struct runs_output *output);
/* The job is gone: takes the rest. */
void runs_output_finish(struct runs_output *output);
/* The run begins anew: drops what came, in pipe and file. */
void runs_output_forget(struct runs_output *output);
void runs_output_close(struct runs_output *output);

#endif
