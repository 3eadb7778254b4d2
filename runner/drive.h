/* drive.h - who runs the pool's loop: its own thread, or in its place a thread that waits for a job.
 *
 * A wake-up costs more than all that the host does for a short job. So a thread that waits runs the loop itself, and
 * the pool's own thread sleeps on meanwhile; a thread that submits hands the job to an idle worker itself. Whoever does
 * either holds the turn: everything that belongs to the loop, libuv's handles included, belongs to who has it.
 *
 * Callbacks are promised to run on the pool's thread: while there is a job that has any (drive_claim), or a log hook,
 * nobody else runs the loop.
 *
 *     the pool's thread   sleeps without the turn, on an epoll descriptor that has the loop's (uv_backend_fd) in it;
 * what is to be done at some time is its concern, whoever runs the loop: setting the machine's timer for each job would
 * cost as much as the rest of it who waits           takes the loop's descriptor out of there, and sleeps in uv_run
 * with the turn who submits         takes the turn if nobody has it, for a moment; else the loop is woken
 *
 * The turn comes before the pool's lock: who has the lock does not ask for it. */
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
