/* closing.h - how a pool ends: what a close ends, and when nothing is left. On the thread that owns the loop. */
#ifndef CLOSING_H
#define CLOSING_H

#include <reclaim/pool.h>
#include <stdint.h>

/* Marks the jobs that a close, harder than the last one, cancels. */
void closing_begin(pool_t *pool, int64_t now);

/* Settles what can run no more because keeper and fork server are gone. When all is settled and reaped, the keeper may
 * go, and after it the loop. */
void closing_end(pool_t *pool);

#endif
