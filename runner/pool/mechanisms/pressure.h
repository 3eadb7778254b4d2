/* pressure.h - whether tasks of this machine stall for want of memory: a PSI trigger.
 *
 * Source: Documentation/accounting/psi.rst. Without privilege the window has to be a multiple of 2 s, and the kernel
 * tells at most once a window: so it is over when a whole window, and a little more, has passed without an event. */
#ifndef PRESSURE_H
#define PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PRESSURE_TRIGGER  "some 150000 2000000" /* µs of stalls, in a window of so many µs */
#define PRESSURE_QUIET_MS 2500

struct pressure {
    int fd;               /* has EPOLLPRI once for each event, however many poll it; -1: closed */
    _Atomic int64_t last; /* ms, of the last event */
};

#define PRESSURE_INITIAL                     \
    {                                        \
        .fd = -1, .last = -PRESSURE_QUIET_MS \
    }

/* Makes the trigger: pressure is PRESSURE_INITIAL until then. A negative errno: this machine does not tell. */
int pressure_open(struct pressure *pressure);
void pressure_close(struct pressure *pressure);

/* There was an event. Any thread. */
void pressure_hear(struct pressure *pressure, int64_t now);

/* Any thread. */
bool pressure_is_on(const struct pressure *pressure, int64_t now);

#endif
