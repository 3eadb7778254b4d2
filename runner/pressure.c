#include "pressure.h"

#include "descriptor.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct pressure *pressure = poll->data;
    if (status < 0 || (events & UV_PRIORITIZED) == 0) {
        uv_poll_stop(poll); /* the trigger is gone: it would only spin */
        return;
    }
    atomic_store(&pressure->last, process_now_ms());
    pressure->on_event(pressure->data);
}

static int listen_to(struct pressure *pressure, uv_loop_t *uv)
{
    if (write(pressure->fd, PRESSURE_TRIGGER, sizeof PRESSURE_TRIGGER) < 0) /* with its NUL */
        return -errno;
    const int rc = uv_poll_init(uv, &pressure->poll, pressure->fd);
    if (rc < 0)
        return rc;
    pressure->is_open = true;
    pressure->poll.data = pressure;
    return uv_poll_start(&pressure->poll, UV_PRIORITIZED, on_event);
}

int pressure_open(struct pressure *pressure, uv_loop_t *uv, pressure_fn callback, void *data)
{
    pressure->on_event = callback;
    pressure->data = data;
    pressure->fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (pressure->fd < 0)
        return -errno;
    const int rc = listen_to(pressure, uv);
    if (rc < 0)
        pressure_close(pressure);
    return rc;
}

void pressure_close(struct pressure *pressure)
{
    if (pressure->is_open)
        uv_close((uv_handle_t *)&pressure->poll, NULL);
    pressure->is_open = false;
    descriptor_close(&pressure->fd);
}

bool pressure_is_on(const struct pressure *pressure, int64_t now)
{
    return now - atomic_load(&pressure->last) < PRESSURE_QUIET_MS;
}
