/* drive.h - which thread runs the pool's libuv loop: the pool's own, or a thread that waits for a job.
 *
 * Waking a thread up costs more than all that the host does for a short job. So a thread that waits runs the loop
 * itself while the pool's own thread sleeps on, and a thread that submits hands its job to an idle worker itself. The
 * thread that does either *owns* the loop: libuv's handles, and all that is used in the loop's steps, belong to it.
 *
 *     pool thread          sleeps without owning the loop, on an outer epoll that contains the loop's descriptor
 *                          (uv_backend_fd). It alone keeps time, also for other owners, so that no timer is armed per
 *                          job
 *     thread that waits    takes the loop's descriptor out of the outer epoll, and sleeps in uv_run as the owner; or, as
 *                          uv_run sleeps on when a signal comes, in ppoll(2) on the loop's descriptor
 *     thread that submits  owns the loop for a moment if no other thread does; otherwise it wakes the loop
 *
 * Callbacks are promised to run on the pool thread: while a job has one (drive_claim), or there is a log hook, no other
 * thread owns the loop.
 *
 * Lock order: the ownership, then the lock. A thread that holds the lock does not ask for the ownership.
 *
 * Source: docs.libuv.org, "Design overview" and uv_backend_fd; epoll(7) on epoll descriptors inside of others. */
#ifndef DRIVE_H
#define DRIVE_H

#include "moment.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef void (*drive_fn)(void *user);

struct drive {
    uv_loop_t uv;
    drive_fn step; /* does all that is due now, and says when it is to run again: drive_set_next */
    void *user;
    drive_fn urgent; /* see drive_listen */
    void *urgent_user;

    pthread_mutex_t *lock; /* *borrowed*: guards is_over */
    bool is_over;          /* the loop is closed */
    uv_async_t async;
    bool handles_changed;         /* the owner has started or closed a handle: libuv learns of it in its next uv_run */
    atomic_int_least64_t next_at; /* ms; when a step is due without an event */

    pthread_mutex_t ownership;
    int outer;                         /* the pool thread sleeps on it; -1: it has ended */
    int kick;                          /* eventfd in it: next_at is earlier now, or the loop has ended */
    atomic_int_least64_t sleeps_until; /* ms; the pool thread looks by itself then */
    atomic_bool is_stirred;            /* others have run the loop since the pool thread last looked */
    atomic_bool is_driven;             /* a thread waits in the loop */
    uv_timer_t limit;                  /* of the thread that waits */
    bool is_late;                      /* the timer has fired */
    atomic_size_t claims;              /* reasons why only the pool thread may own the loop */
};

/* claims: as many drive_claim that were made before there is a loop. lock is *borrowed*. */
void drive_init(struct drive *drive, pthread_mutex_t *lock, drive_fn step, void *user, size_t claims);
void drive_deinit(struct drive *drive);

/* Makes the loop, before there is a pool thread. Negative errno: nothing is left open. */
int drive_open(struct drive *drive);

/* Closes a loop that never got a thread, and all handles in it. */
void drive_abandon(struct drive *drive);

/* The pool thread: runs the loop until its handles are closed, of which drive_finish closes drive's own; closes it. */
void drive_main(struct drive *drive);
void drive_finish(struct drive *drive);
void drive_close(struct drive *drive);

/* The owner of the loop, at the end of a step: when the next is due, in ms of process_now_ms. */
void drive_set_next(struct drive *drive, int64_t at);

/* Runs a step. The caller owns the loop. */
void drive_step(struct drive *drive);

/* Has a step run soon. Any thread; the caller holds the lock. Nothing, when the loop is closed. */
void drive_wake(struct drive *drive);

/* Runs a step now where no other thread owns the loop, else has one run soon. The caller does not hold the lock. */
void drive_tell(struct drive *drive);

/* Has the pool thread listen for priority events (EPOLLPRI) of fd (*borrowed*): urgent runs on that thread without the
 * loop's ownership, then a step does. libuv cannot: each event is there for one epoll that looks, and the loop's epoll
 * is inside of another. Negative errno. */
int drive_listen(struct drive *drive, int fd, drive_fn urgent, void *user);
void drive_unlisten(struct drive *drive, int fd);

/* Makes the loop the pool thread's alone, until as many claims have been dropped. The caller does not hold the lock. */
void drive_claim(struct drive *drive);
void drive_unclaim(struct drive *drive);

/* Owns the loop for work that neither calls libuv nor a callback; waits while another thread owns it. Not in a
 * callback; the caller holds neither the lock nor a lock that a callback takes. */
void drive_take(struct drive *drive);
void drive_give(struct drive *drive);

/* Owns the loop to wait in it. False: another thread owns it, wait otherwise. Between the two the
 * thread cannot be cancelled (pthreads(7)). */
bool drive_enter(struct drive *drive, const struct moment_wait *wait, int *cancel_state);
void drive_leave(struct drive *drive, int cancel_state);

enum drive_answer {
    DRIVE_AGAIN = 0,  /* something may have happened */
    DRIVE_LATE,       /* the moment has come */
    DRIVE_CLAIMED,    /* the loop is the pool thread's now */
    DRIVE_INTERRUPTED /* by a signal; nothing was handled */
};

/* Waits for events and handles them, between drive_enter, which was given the same `wait`, and drive_leave. */
enum drive_answer drive_wait(struct drive *drive, const struct moment_wait *wait);

/* Around each call of the caller's code; they do not nest. Inside, nothing may block, because the pool thread would
 * wait for itself. drive_is_in_callback: whether this thread is inside. */
void drive_begin_callback(void);
void drive_end_callback(void);
bool drive_is_in_callback(void);

#endif
