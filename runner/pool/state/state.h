/* state.h - the struct behind pool_t: its parts, and what they share.
 *
 * The fields below `lock` are guarded by it, any thread. The parts below `drive` belong to the thread that owns the
 * loop (drive.h), which alone talks to keeper, fork server and workers. Each part is written by the file that is named
 * at it, and read by all. */
#ifndef STATE_H
#define STATE_H

#include "area.h"
#include "backlog.h"
#include "births.h"
#include "cgroup.h"
#include "crew.h"
#include "drive.h"
#include "failure.h"
#include "forkserver.h"
#include "futures.h"
#include "kind.h"
#include "links.h"
#include "readable.h"
#include "room.h"
#include "symbol.h"

#include <pthread.h>
#include <reclaim/pool.h>
#include <stdatomic.h>
#include <sys/queue.h>

TAILQ_HEAD(pool_reservations, pool_reservation);

enum state_phase {
    STATE_OPENING = 0,
    STATE_OPEN,
    STATE_CLOSING, /* no new work; the jobs end as close_how says */
    STATE_ENDED    /* the pool thread has left, nothing of the pool runs */
};

/* Of keeper and fork server: acts/supervise.c. */
struct supervision {
    struct forkserver_config config;
    char sampled_why[CGROUP_WHY_MAX]; /* why there are no cgroups; empty: there are, or the caller wants none */
    bool keeper_gone;
    bool end_asked;              /* the keeper was asked to end everything */
    bool nothing_left;           /* the keeper has said so, and is gone */
    unsigned failed_generations; /* fork servers in a row that never got ready */
    int64_t bound_at;            /* ms; when an end that does not come is forced; loop.c, too */
};

/* Of workers that are to come: acts/spawn.c. */
struct spawn {
    size_t asked;   /* births that the fork server was asked for and has not answered */
    size_t leaving; /* idle workers that were told to leave, and are not gone yet */
    unsigned full;  /* so many plain jobs more get full workers */
    struct births_failures failures;
};

struct pool {
    /* set by pool_open; does not change */
    pid_t owner; /* the process that opened it */
    uid_t uid, euid;
    gid_t gid, egid;
    pool_options_t options; /* defaults filled in */
    struct log_hook log;
    struct symbol_table *symbols;
    int devnull;

    /* any thread, without the lock */
    atomic_uint references; /* the handle, and one a job; state.c */
    struct kind_cache kinds;
    _Atomic pool_memory_method_t method; /* how jobs are measured and limited; supervise.c */
    atomic_bool has_cpu_weight;          /* supervise.c */
    atomic_ullong held; /* bytes of arguments not yet dropped and results not yet released; job.c and settle.c */

    pthread_mutex_t lock;
    enum state_phase phase; /* from here to callers: state.c */
    pool_close_t close_how;
    pool_error_t error; /* why it never opened, or failed; code 0: it has not */
    pthread_cond_t phase_changed;
    size_t running;     /* jobs that hold a worker until it is reaped, admitted jobs, and reservations */
    size_t callers;     /* threads that are blocked inside a call */
    size_t unsettled;   /* jobs that are not settled: submit.c adds, settle.c takes away */
    pool_stats_t stats; /* each figure by the file that counts it */
    struct backlog backlog;
    struct futures futures;
    struct pool_jobs asked;                /* to be cancelled or sent a signal: cancel.c adds, loop.c takes */
    struct pool_reservations reservations; /* those that hold something, and freed ones that did: reservation.c */

    struct drive drive;
    struct readable_set readables;
    struct link keeper, server;
    struct supervision supervision;
    struct area area; /* of the present fork server; supervise.c */
    struct crew crew;
    struct spawn spawn;
    struct room room;
    int64_t retry_at;        /* ms; when a job is tried again for which there was no descriptor: dispatch.c */
    pool_close_t close_seen; /* the hardest close that was acted on: loop.c */

    pthread_t thread; /* loop.c */
    bool thread_started, thread_joined;
};

/* A pool with one reference, nothing of it open; step is the step of its loop. NULL: no memory. */
pool_t *state_new(const pool_options_t *full, drive_fn step);

/* References to the struct itself. */
pool_t *state_retain(pool_t *pool);
void state_release(pool_t *pool);

/* Whether this process is a fork of the one that opened the pool. */
bool state_is_foreign(const pool_t *pool);

/* -EINVAL: pool is NULL; -EPERM: this process did not open it. With a message. */
int state_check_owner(const pool_t *pool);

/* Whether the pool takes work. The caller holds the lock. -EIO: it has failed; -ESHUTDOWN. With a message. */
int state_check_phase(const pool_t *pool);

/* A job's options with defaults filled in, as options_job, by what this pool has. With a message. */
int state_check_options(const pool_t *pool, const pool_job_options_t *given, bool is_command, pool_job_options_t *full);

/* The pool is open; it cannot go on, because of a negative errno; its thread ends. Each takes the lock. */
void state_set_open(pool_t *pool);
void state_set_failed(pool_t *pool, int code, const char *message);
void state_set_ended(pool_t *pool);

/* The pool takes no more work. The caller holds the lock. */
void state_refuse_work(pool_t *pool);

/* Whether it has not opened yet, and has not failed. Takes the lock. */
bool state_is_opening(pool_t *pool);

/* Adds one to a counter of pool->stats; sets a pid in it. Takes the lock. */
void state_count(pool_t *pool, uint64_t *counter);
void state_set_pid(pool_t *pool, int32_t *field, int32_t pid);

/* A job, or a reservation, is not among pool->running any more. The caller holds the lock. */
void state_leave_place(pool_t *pool);

/* A thread of pool->callers leaves the call that blocked it: pool_free waits for that. The caller holds the lock. */
void state_end_call(pool_t *pool);

#endif
