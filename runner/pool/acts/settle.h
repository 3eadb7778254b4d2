/* settle.h - the end of a job: its one outcome, and who gets it. On the thread that owns the loop. */
#ifndef SETTLE_H
#define SETTLE_H

#include "job.h"
#include "verdict.h"

/* Settles a job whose value, captured output and usage are in place: wakes the threads that wait for it, collects it,
 * runs on_settled. The pool's own reference to the job stays: settle_release drops it. */
void settle_job(pool_job_t *job, const struct verdict *verdict);
void settle_release(pool_job_t *job);

/* The same for a job that never ran, or will not run again, and has no worker: settles it as CANCELLED, TIMED_OUT or
 * LOST, and releases it. why NULL: the outcome says it all; such a job needs no memory for its end. */
void settle_unstarted(pool_job_t *job, pool_outcome_t outcome, const char *why);

/* Takes a job out of wherever it waits, and gives back its reservation. Under the lock; settle_unstarted follows. */
void settle_withdraw(pool_job_t *job);

/* Settles every job that waits now as LOST. Jobs that callbacks submit meanwhile are not among them. */
void settle_lose_waiting(pool_t *pool, const char *why);

#endif
