/* pressure.h - whether tasks of this machine stall for want of memory: a PSI trigger, on the pool's thread.
 *
 * Source: Documentation/accounting/psi.rst. Without privilege the window has to be a multiple of 2 s, and the kernel
 * tells at most once a window: so it is over when a whole window, and a little more, has passed without an event. */
#ifndef PRESSURE_H
#define PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define PRESSURE_TRIGGER  "some 150000 2000000" /* µs of stalls, in a window of so many µs */
#define PRESSURE_QUIET_MS 2500

typedef void (*pressure_fn)(void *data);

struct pressure {
    uv_poll_t poll;
    int fd;
    bool is_open;
    _Atomic int64_t last; /* ms, of the last event */
    pressure_fn on_event;
    void *data;
};

#define PRESSURE_INITIAL                     \
    {                                        \
        .fd = -1, .last = -PRESSURE_QUIET_MS \
    }

/* Listens: pressure is PRESSURE_INITIAL until then; on_event runs after each event. A negative errno: this machine does
 * not tell. */
int pressure_open(struct pressure *pressure, uv_loop_t *uv, pressure_fn on_event, void *data);
void pressure_close(struct pressure *pressure);

/* Any thread. */
bool pressure_is_on(const struct pressure *pressure, int64_t now);

#endif
