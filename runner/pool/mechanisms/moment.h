/* moment.h - moments on CLOCK_MONOTONIC, and waiting until them; clock_gettime(2), pthread_cond_timedwait(3). */
#ifndef MOMENT_H
#define MOMENT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* The moment timeout_ms from now; a negative timeout_ms counts as 0. */
struct timespec moment_in(int64_t timeout_ms);

/* Milliseconds until a moment, rounded up; 0 when it has passed. */
int64_t moment_left_ms(const struct timespec *until);

/* A condition variable on CLOCK_MONOTONIC. */
void moment_cond_init(pthread_cond_t *cond);

/* Waits on it: until the moment, or for ever with timeout_ms < 0. 0 or ETIMEDOUT. */
int moment_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms, const struct timespec *until);

/* Now, in seconds since the epoch. */
double moment_realtime(void);

#endif
