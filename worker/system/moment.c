#include "moment.h"

#include "process.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t moment_in(int64_t timeout_ms)
{
    if (timeout_ms < 0 || timeout_ms > MOMENT_NEVER / 2)
        return MOMENT_NEVER;
    return process_now_ms() + timeout_ms + 1; /* now is rounded down */
}

void moment_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

int moment_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until)
{
    const struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    return until == MOMENT_NEVER ? pthread_cond_wait(cond, lock) : pthread_cond_timedwait(cond, lock, &at);
}

int moment_let_in(const struct moment_wait *wait)
{
    static const struct timespec at_once;
    return wait->by_signals && ppoll(NULL, 0, &at_once, wait->mask) < 0 ? -errno : 0;
}

int moment_poll(int fd, const struct moment_wait *wait)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    const int64_t left = moment_later(wait->until - process_now_ms(), 0);
    const struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    const int got = ppoll(&polled, 1, wait->until == MOMENT_NEVER ? NULL : &time, wait->mask);
    if (got < 0)
        return -errno;
    return got == 0 ? -ETIMEDOUT : moment_let_in(wait);
}

double moment_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
