#include "pressure.h"

#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int pressure_open(struct pressure *pressure)
{
    pressure->fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (pressure->fd < 0)
        return -errno;
    if (write(pressure->fd, PRESSURE_TRIGGER, sizeof PRESSURE_TRIGGER) >= 0) /* with its NUL */
        return 0;
    const int error = errno;
    pressure_close(pressure);
    return -error;
}

void pressure_close(struct pressure *pressure)
{
    descriptor_close(&pressure->fd);
}

void pressure_hear(struct pressure *pressure, int64_t now)
{
    atomic_store(&pressure->last, now);
}

bool pressure_is_on(const struct pressure *pressure, int64_t now)
{
    return now - atomic_load(&pressure->last) < PRESSURE_QUIET_MS;
}
