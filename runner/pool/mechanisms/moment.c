#include "moment.h"

struct timespec moment_in(int64_t timeout_ms)
{
    struct timespec at;
    const int64_t wait_ms = timeout_ms > 0 ? timeout_ms : 0;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += wait_ms % 1000 * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

int64_t moment_left_ms(const struct timespec *until)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t ns = (until->tv_sec - now.tv_sec) * 1000000000L + until->tv_nsec - now.tv_nsec;
    return ns > 0 ? (ns + 999999) / 1000000 : 0;
}

void moment_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

int moment_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms, const struct timespec *until)
{
    return timeout_ms < 0 ? pthread_cond_wait(cond, lock) : pthread_cond_timedwait(cond, lock, until);
}

double moment_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
