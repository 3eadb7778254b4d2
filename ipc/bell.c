#include "bell.h"

#include "raw.h"

#include <limits.h>
#include <linux/futex.h>
#include <time.h>

enum { BELL_SILENT = 0, BELL_AWAITED };

#define LOOK_AGAIN_NS 1000000

/* A filter (seccomp(2)) of the program's may refuse the call: then the word is looked at now and again. */
static void sleep_on(_Atomic uint32_t *bell)
{
    const struct timespec again = {.tv_nsec = LOOK_AGAIN_NS};
    const long rc = raw_call(SYS_futex, raw_pointer((const void *)bell), FUTEX_WAIT, BELL_AWAITED, 0);
    if (rc < 0 && rc != -EAGAIN && rc != -EINTR)
        raw_call(SYS_nanosleep, raw_pointer(&again), 0, 0, 0);
}

uint32_t bell_await(_Atomic uint32_t *bell)
{
    uint32_t value = BELL_SILENT;
    atomic_compare_exchange_strong(bell, &value, BELL_AWAITED);
    while ((value = atomic_load(bell)) < BELL_FIRST)
        sleep_on(bell);
    return value;
}

void bell_ring(_Atomic uint32_t *bell, uint32_t value)
{
    if (atomic_exchange(bell, value) == BELL_AWAITED)
        raw_call(SYS_futex, raw_pointer((const void *)bell), FUTEX_WAKE, INT_MAX, 0);
}
