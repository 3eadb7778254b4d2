/* clock.h - the time of day. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

/* Seconds since 1970. */
static inline double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
