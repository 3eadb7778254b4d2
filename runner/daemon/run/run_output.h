/* run_output.h - one stream of a run's output: from a pipe into a file of output_files.h, up to a limit.
 *
 * The file is made with the first byte. Output beyond the limit is read and dropped: a job never waits for its output
 * to be read. No locks and no loop: both are the caller's. */
#ifndef RUN_OUTPUT_H
#define RUN_OUTPUT_H

#include "output_files.h"

#include <stdbool.h>

struct run_output {
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
int run_output_open(struct run_output *output, struct outputs *outputs, uint64_t id, enum output_kind kind,
                    uint64_t most);
/* The job has the writing end: lets go of ours. */
void run_output_handed_over(struct run_output *output);
/* Takes what is there, some 256 KiB at most, so that one job does not hold up others. */
void run_output_read(struct run_output *output);
/* The job is gone: takes the rest. */
void run_output_finish(struct run_output *output);
/* The run begins anew: empties pipe and file. */
void run_output_forget(struct run_output *output);
void run_output_close(struct run_output *output);

#endif
