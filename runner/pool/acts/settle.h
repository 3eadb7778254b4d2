/* settle.h - the end of a job: its one outcome, and who is told. */
#ifndef SETTLE_H
#define SETTLE_H

#include "job.h"
#include "verdict.h"

/* Settles a job whose value, captured output and usage are in place: wakes waiters, collects it, runs on_settled. The
 * reference that keeps it from being freed while it is the pool's stays: settle_release drops it. */
void settle_job(pool_job_t *job, const struct verdict *verdict);
void settle_release(pool_job_t *job);

/* The same for a job that never ran, or will not run again, and has no worker: settles it as CANCELLED, TIMED_OUT or
 * LOST, and releases. why NULL: the outcome says it all; such a job needs no memory for its end. */
void settle_unstarted(pool_job_t *job, pool_outcome_t outcome, const char *why);

/* Runs on_event, if there is one. */
void settle_event(pool_job_t *job, pool_event_t *event);

#endif
