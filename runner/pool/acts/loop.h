/* loop.h - the pool's loop: the order of a step's parts, and the thread that keeps the loop going. */
#ifndef LOOP_H
#define LOOP_H

#include <reclaim/pool.h>
#include <sys/types.h>

/* Does all that is due now; pool is a pool_t. On the thread that owns the loop. */
void loop_step(void *pool);

/* Opens the loop and starts the pool thread. The keeper's socket and pidfd are *taken*, always. Negative errno. */
int loop_start(pool_t *pool, int socket, pid_t keeper, int pidfd);

/* Waits until every process of the pool and its thread are gone. The first caller joins the thread, which saves a
 * wake-up. The caller holds the lock, and has had the pool closed. */
void loop_await_end(pool_t *pool);

#endif
