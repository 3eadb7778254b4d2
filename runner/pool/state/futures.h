/* futures.h - what threads wait for: settled jobs. A thread in pool_wait_any watches each of its jobs; a job that was
 * submitted with .collect comes out of pool_next. */
#ifndef FUTURES_H
#define FUTURES_H

#include "backlog.h"
#include "waiters.h"

#include <reclaim/pool.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* Guarded by the pool's lock. */
struct futures {
    struct pool_jobs collected; /* settled, for pool_next: the oldest first */
    size_t outstanding;         /* collect jobs that are not settled yet; submit.c adds */
    int fd;                     /* eventfd, readable while collected is not empty; -1: it could not be made */
    bool is_driven;             /* a thread in pool_next runs the loop: drive_wake wakes it */
    struct waiters changed;     /* collected, or outstanding */
};

/* The job is settled: wakes the threads that watch it, and gives it to pool_next. The caller holds the lock. */
void futures_settle(pool_job_t *job);

/* No thread waits any more: drops the collected jobs that pool_next has not returned. */
void futures_close(struct futures *futures);

#endif
