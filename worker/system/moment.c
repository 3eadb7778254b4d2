#include "moment.h"

#include "process.h"

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

double moment_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
