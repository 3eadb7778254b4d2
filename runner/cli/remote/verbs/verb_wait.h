/* verb_wait.h - waits for jobs, and makes an exit code of how they ended. */
#ifndef VERB_WAIT_H
#define VERB_WAIT_H

#include "jobrefs.h"
#include "patience.h"

/* "job 7 is", "the 3 jobs are": for patience_begin. Returns text. */
const char *wait_left(const struct jobrefs *refs, char text[160]);

/* Waits until all jobs have ended (any: one of them), but not longer than patience->until_ms. Prints a line for each
 * job that failed (JSON: for each that ended). Returns the exit code of the job that failed first, 0 if none failed,
 * the code of patience_renew, or -1 after a message. */
int wait_for_jobs(struct patience *patience, const struct jobrefs *refs, bool any);

#endif
