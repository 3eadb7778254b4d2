/* moment.h - moments in milliseconds of process_now_ms (CLOCK_MONOTONIC), and waiting until them. Sources:
 * clock_gettime(2), pthread_cond_timedwait(3), ppoll(2). */
#ifndef MOMENT_H
#define MOMENT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define MOMENT_NEVER INT64_MAX

/* The moment when timeout_ms have passed; a negative timeout_ms is never over. */
int64_t moment_in(int64_t timeout_ms);

/* The earlier and the later of two; the shorter and the longer of two times. */
static inline int64_t moment_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t moment_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A condition variable on CLOCK_MONOTONIC, and waiting for it until a moment: 0 or ETIMEDOUT. */
void moment_cond_init(pthread_cond_t *cond);
int moment_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until);

/* How long a thread waits, and whether a signal may end that. */
struct moment_wait {
    int64_t until;
    bool by_signals;      /* a signal that a handler has handled ends it */
    const sigset_t *mask; /* *borrowed*: the thread's mask meanwhile; NULL: as it is */
};

/* Lets signals in that have come before: -EINTR, or 0. */
int moment_let_in(const struct moment_wait *wait);

/* Waits until fd is readable, where a signal may end it: 0, -ETIMEDOUT, or -EINTR, also if fd is readable: events that
 * never cease do not keep signals out. */
int moment_poll(int fd, const struct moment_wait *wait);

/* Now, in seconds since the epoch. */
double moment_realtime(void);

#endif
