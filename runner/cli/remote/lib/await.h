/* await.h - waiting for jobs, and what it comes to as an exit code. */
#ifndef AWAIT_H
#define AWAIT_H

#include "jobrefs.h"
#include "patience.h"

#define AWAIT_TIMED_OUT 124 /* as timeout(1) has it */

/* "job 7 is", "the 3 jobs are": for patience_begin. Returns text. */
const char *await_left(const struct jobrefs *refs, char text[160]);

/* Until all have ended, or any, and no longer than patience->until_ms. Complains of those that did not succeed (JSON:
 * prints all that ended). Returns the exit code: of the job that failed first, 0 where none did, or patience_renew's
 * after it has said what is wrong. */
int await_jobs(struct patience *patience, const struct jobrefs *refs, bool any);

#endif
