/* drive.h - which thread runs the pool's libuv loop: the pool's own, or a thread that waits for a job.
 *
 * Waking a thread up costs more than all that the host does for a short job. So a thread that waits runs the loop
 * itself while the pool's own thread sleeps on, and a thread that submits hands its job to an idle worker itself. The
 * thread that does either holds the *turn*: the loop, with all of libuv's handles, belongs to that thread.
 *
 *     pool thread         sleeps without the turn, on an outer epoll that contains the loop's backend descriptor
 *                         (uv_backend_fd). It alone keeps time, whoever runs the loop, so that no timer is armed per job
 *     thread that waits   takes the loop's descriptor out of the outer epoll, and sleeps in uv_run with the turn
 *     thread that submits takes the turn if nobody has it, for a moment; otherwise it wakes the loop
 *
 * Callbacks are promised to run on the pool thread: while a job has one (drive_claim), or there is a log hook, no other
 * thread runs the loop.
 *
 * Lock order: the turn, then the pool's lock. A thread that holds the lock does not ask for the turn. */
#ifndef DRIVE_H
#define DRIVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;

struct drive {
    pthread_mutex_t turn;
    int outer;                         /* what the pool's thread sleeps on; -1: it has ended */
    int kick;                          /* eventfd in it: the loop's time has changed, or it has ended */
    atomic_int_least64_t sleeps_until; /* ms; the pool's thread looks by itself then */
    atomic_bool is_stirred;            /* others have run the loop since it last looked */
    atomic_bool is_driven;             /* somebody waits in the loop */
    uv_timer_t limit;                  /* of who waits */
    bool is_late;
    atomic_size_t claims; /* why only the pool's thread may run the loop */
};

void drive_init(struct drive *drive);
void drive_deinit(struct drive *drive);

/* Once there is a loop, before there is a thread. Negative errno, and then there may be something to close. */
int drive_open(struct loop *loop);

/* Closes it, and the loop, all of whose handles are closed. */
void drive_close(struct loop *loop);

/* The pool's thread: runs the loop until all its handles are closed. */
void drive_main(struct loop *loop);

/* Has the pool's thread listen to the kernel's news of memory pressure (fd is *borrowed*), and see to it that what
 * follows is done. Not libuv, for the news are there for the first epoll that looks, and the loop's is inside of
 * another. Negative errno. */
int drive_listen(struct loop *loop, int fd);
void drive_unlisten(struct loop *loop, int fd);

/* Makes the loop the pool's thread's alone, until as many claims have been dropped. Not by who holds the pool's lock.
 */
void drive_claim(struct loop *loop);
void drive_unclaim(struct loop *loop);

/* Takes the turn for a moment, to do what is due (loop_step). False: somebody else has it, wake the loop. */
bool drive_begin(struct loop *loop);
void drive_end(struct loop *loop);

/* Takes the turn, whoever has it. For what is of the loop but neither libuv's nor calls back. Not in a callback, not by
 * who holds a lock that a callback takes, or the pool's. */
void drive_take(struct loop *loop);
void drive_give(struct loop *loop);

/* Takes the loop over to wait. False: it is not to be had, wait otherwise. Between the two the thread cannot be
 * cancelled (pthreads(7)). timeout_ms -1: for ever. */
bool drive_enter(struct loop *loop, int64_t timeout_ms, int *cancel_state);
void drive_leave(struct loop *loop, int cancel_state);

enum drive_answer {
    DRIVE_AGAIN = 0, /* something may have happened */
    DRIVE_LATE,      /* timeout_ms have passed */
    DRIVE_CLAIMED    /* the loop is the pool's thread's now */
};

/* Waits for events and handles them. */
enum drive_answer drive_turn(struct loop *loop);

#endif
