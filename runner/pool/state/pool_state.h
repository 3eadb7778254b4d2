/* pool_state.h - what is behind pool_t.
 *
 * Two owners: what stands under `lock` belongs to whoever holds it; `loop` and what hangs on it belong to whoever has
 * the turn (drive.h), who alone runs the libuv loop and talks to keeper, fork server and workers. */
#ifndef POOL_STATE_H
#define POOL_STATE_H

#include "births.h"
#include "job.h"
#include "keeper.h"
#include "kind.h"
#include "queue.h"
#include "symbol.h"
#include "timetable.h"

#include <pthread.h>
#include <reclaim/pool.h>
#include <stdatomic.h>
#include <sys/queue.h>

TAILQ_HEAD(pool_jobs, pool_job);
TAILQ_HEAD(pool_reservations, pool_reservation);

enum pool_phase {
    POOL_OPENING = 0,
    POOL_OPEN,
    POOL_CLOSING, /* no new work; what there is ends as close_how says */
    POOL_ENDED    /* the thread has left, nothing of the pool runs */
};

struct pool {
    atomic_uint references; /* the handle, and one a job */
    pid_t owner;            /* the process that opened it */
    uid_t uid, euid;
    gid_t gid, egid;
    pool_options_t options; /* defaults filled in */
    struct symbol_table *symbols;
    struct kind_cache kinds;
    pthread_t thread;
    bool thread_started, thread_joined;
    struct loop *loop;

    pthread_mutex_t lock;
    enum pool_phase phase;
    pool_close_t close_how;
    pool_error_t error;    /* why it never opened, or failed: code is not 0 */
    struct queue queue;    /* jobs that may start now */
    struct queue admitted; /* jobs that start now: what they need is reserved */
    size_t running;        /* jobs that hold a worker, until that is reaped; admitted ones, and reservations */
    struct pool_reservations reservations; /* that hold something, and freed ones that did */
    size_t unsettled_count;                /* every job not settled */
    struct pool_jobs waiting;              /* those without a worker, but for the ones in asked */
    struct timetable times;                /* of these: a deadline, the end of a retry delay */
    size_t delayed_count;                  /* that are not in the queue, because of a retry delay */
    struct pool_jobs asked;                /* to be cancelled or sent a signal, for the loop */
    struct pool_jobs collected;            /* settled, for pool_next */
    size_t collect_outstanding;            /* collect jobs not settled yet */
    size_t callers;                        /* threads blocked inside a call */
    bool is_driven;                        /* by one of those in pool_next: it hears what is new by loop_wake */
    int collect_fd;                        /* eventfd: readable while collected is not empty */
    pthread_cond_t phase_changed, room, collect_changed;
    pool_stats_t stats;
    _Atomic pool_memory_method_t method; /* how jobs are measured and limited */
    atomic_bool has_cpu_weight;
    atomic_ullong held; /* bytes of arguments not yet dropped and results not yet released */
};

/* References to the struct itself. */
pool_t *pool_retain(pool_t *pool);
void pool_release(pool_t *pool);

/* Whether this process is one that the pool's host forked. */
bool pool_is_foreign(const pool_t *pool);

/* A condition variable on CLOCK_MONOTONIC. */
void pool_cond_init(pthread_cond_t *cond);

/* True on a pool's thread while it runs a callback: nothing may block there. */
bool pool_in_callback(void);

#endif
