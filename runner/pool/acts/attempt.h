/* attempt.h - one attempt at a job, until all that its worker left is gone. On the thread that owns the loop. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "peer.h"

/* Gives a job to an idle worker. A negative errno: the worker did not take it, and the job is still the caller's.
 * -EPIPE: the worker is dead; anything else: try again later. */
int attempt_begin(struct peer *peer, pool_job_t *job);

/* Starts listening to the pipe, and has the fork server watch memory, of jobs that are not recent any more. Short jobs
 * never pay for either: their pipe is read when the worker is gone. */
void attempt_step(pool_t *pool, int64_t now);

/* Notes how much memory a worker's job uses, as the fork server reports. Nothing, if it has none; peer NULL: gone. */
void attempt_used(struct peer *peer, const struct message_memory *memory);

/* Whether the job runs, and its end is not under way yet. */
bool attempt_can_be_ended(const pool_job_t *job);

/* The worker is reaped, with all that it left. Settles its job, or has it run again. Frees the peer. */
void attempt_end(struct peer *peer, const struct message_gone *gone);

/* The fork server has died, and its processes are swept: the same for all of its workers. */
void attempt_lose_all(pool_t *pool);

#endif
