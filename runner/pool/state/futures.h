/* futures.h - what threads wait for: settled jobs. Each thread that waits for jobs has a waiter, and a watch on every
 * one of them; jobs that were submitted with .collect come out of pool_next.
 *
 * The pool's lock guards it, and the caller of each function holds it where nothing else is said. */
#ifndef FUTURES_H
#define FUTURES_H

#include "backlog.h"
#include "moment.h"

#include <pthread.h>
#include <reclaim/pool.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/queue.h>

struct futures {
    struct pool_jobs collected; /* settled, for pool_next: the oldest first */
    size_t outstanding;         /* collect jobs that are not settled yet */
    int fd;                     /* eventfd, readable while collected is not empty; -1: it could not be made */
    bool is_driven;             /* a thread in pool_next runs the loop: it hears of a change by drive_wake */
    pthread_cond_t changed;     /* collected, or outstanding */
};

/* A thread that waits for jobs of any number of pools. */
struct futures_waiter {
    pthread_mutex_t lock;
    pthread_cond_t woken_up;
    bool is_woken;
};

/* Its interest in one job. */
struct futures_watch {
    LIST_ENTRY(futures_watch) link;
    struct futures_waiter *waiter; /* NULL: not watching */
};

LIST_HEAD(futures_watches, futures_watch);

/* Zero-initialised memory becomes an empty set, and its eventfd. */
static inline void futures_init(struct futures *futures)
{
    TAILQ_INIT(&futures->collected);
    moment_cond_init(&futures->changed);
    futures->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Watches a job: false when it is settled already, and then is not watched. Takes the lock. */
bool futures_watch(struct futures_watch *watch, struct futures_waiter *waiter, pool_job_t *job);
void futures_unwatch(struct futures_watch *watch, pool_job_t *job);

/* A job that is to be collected was submitted. */
void futures_expect(struct futures *futures);

/* The job is settled: wakes those that watch it, and puts it where pool_next finds it. */
void futures_settle(pool_job_t *job);

/* Takes the oldest collected job, with its reference; NULL: there is none. */
pool_job_t *futures_take(pool_t *pool);

/* Nobody waits any more: drops the collected jobs that nobody has taken. Without the lock. */
void futures_close(struct futures *futures);

/* Whether a thread in pool_next runs the loop now. */
void futures_set_driven(struct futures *futures, bool is_driven);

#endif
