/* attempt.h - one attempt at a job, from the moment that a worker gets it until all that the worker left is gone. On the
 * thread that owns the loop. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "peer.h"

/* Gives a job to an idle worker; the job is the peer's from now on. A negative errno: the worker did not take it, and
 * the job is still the caller's. -EPIPE: the worker is dead; anything else: try again later. */
int attempt_begin(struct peer *peer, pool_job_t *job);

/* Does for jobs that have run for some milliseconds what short jobs are spared: listens to the worker's pipe, which is
 * otherwise read when the worker is gone, and has the fork server watch its memory. */
void attempt_step(pool_t *pool, int64_t now);

/* The fork server tells what a worker's job uses. */
void attempt_used(struct peer *peer, const struct message_memory *memory);

/* Whether a job runs, and its end is not on its way already. */
bool attempt_can_be_ended(const pool_job_t *job);

/* The worker is reaped, with all that it left. Settles its job, or has it run again. Frees the peer. */
void attempt_end(struct peer *peer, const struct message_gone *gone);

/* The same for every worker after the fork server has died, and all that it had was swept. */
void attempt_lose_all(pool_t *pool);

#endif
