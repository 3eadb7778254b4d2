/* await.h - waiting for jobs, and what it comes to as an exit code. */
#ifndef AWAIT_H
#define AWAIT_H

#include "refs.h"
#include "remote.h"

#define AWAIT_TIMED_OUT 124 /* as timeout(1) has it */

/* Until all have ended, or any; timeout in seconds, below 0: for ever. Complains of those that did not succeed (JSON:
 * prints all that ended). Returns the exit code: of the job that failed first, 0 where none did, AWAIT_TIMED_OUT, or
 * OUTCOME_OWN_FAILURE after it has said what is wrong. */
int await_jobs(struct remote *remote, const struct refs *refs, bool any, double timeout);

#endif
