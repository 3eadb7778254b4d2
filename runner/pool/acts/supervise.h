/* supervise.h - the host's side of keeper and fork server: messages and ends. On the thread that owns the loop. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <reclaim/pool.h>
#include <stdint.h>
#include <sys/types.h>

/* Listens to the keeper; socket and pidfd are *taken*. Before there is a pool thread. Negative errno. */
int supervise_start(pool_t *pool, int socket, pid_t pid, int pidfd);

/* Asks the keeper to end everything; its end follows. */
void supervise_end(pool_t *pool);

/* Forces an end that is due. */
void supervise_step(pool_t *pool, int64_t now);

/* Keeper and fork server are gone. */
bool supervise_is_over(const pool_t *pool);

/* Both are gone, one without the other's help: ends the processes that carry the tag of one of this pool's workers. */
void supervise_sweep(pool_t *pool);

#endif
