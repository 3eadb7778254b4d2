#include "notify.h"

#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A variable as a whole number from 0 to most; -1: it is not there, -2: it is none. */
static int64_t number_of(const char *name, int64_t most)
{
    const char *text = getenv(name);
    char *end;
    if (text == NULL)
        return -1;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    return end == text || *end != '\0' || errno != 0 || value < 0 || value > most ? -2 : value;
}

static int64_t read_watchdog_ms(void)
{
    const int64_t usec = number_of("WATCHDOG_USEC", INT64_MAX);
    const int64_t pid = number_of("WATCHDOG_PID", INT_MAX);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (usec <= 0 || (pid != -1 && pid != getpid()))
        return 0;
    return usec < 2000 ? 1 : usec / 2000;
}

/* "/run/x" or "@x", which is abstract. */
static int set_address(struct notify *notify, const char *text)
{
    const size_t size = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || size < 2)
        return -EAFNOSUPPORT;
    if (size >= sizeof notify->address.sun_path)
        return -ENAMETOOLONG;
    notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->address.sun_path, text, size);
    if (text[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (text[0] == '/'));
    return 0;
}

static int open_socket(struct notify *notify, const char *text, char message[512])
{
    const int rc = set_address(notify, text);
    if (rc == 0)
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd >= 0)
        return 0;
    const int error = rc < 0 ? rc : -errno;
    return explain(message, error, "NOTIFY_SOCKET cannot be used: %s", strerror(-error));
}

int notify_open(struct notify *notify, char message[512])
{
    *notify = (struct notify){.fd = -1, .watchdog_ms = read_watchdog_ms()};
    const char *text = getenv("NOTIFY_SOCKET");
    const int rc = text == NULL ? 0 : open_socket(notify, text, message);
    unsetenv("NOTIFY_SOCKET");
    if (notify->fd < 0)
        notify->watchdog_ms = 0;
    return rc;
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

int notify_tell(const struct notify *notify, const char *text)
{
    if (notify->fd < 0)
        return 0;
    const ssize_t sent = sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
                                (const struct sockaddr *)(const void *)&notify->address, notify->address_size);
    return sent < 0 ? -errno : 0;
}

/* The time lets systemd know which READY=1 belongs to it (Type=notify-reload). */
int notify_reloading(const struct notify *notify)
{
    char text[96];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    return notify_tell(notify, text);
}

int notify_status(const struct notify *notify, const char *format, ...)
{
    static const char name[] = "STATUS=";
    char text[sizeof name + 500];
    va_list arguments;
    memcpy(text, name, sizeof name);
    va_start(arguments, format);
    vsnprintf(text + strlen(name), sizeof text - strlen(name), format, arguments);
    va_end(arguments);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return notify_tell(notify, text);
}

int notify_listeners(char message[512])
{
    const int64_t pid = number_of("LISTEN_PID", INT_MAX);
    const int64_t count = number_of("LISTEN_FDS", INT_MAX - NOTIFY_LISTEN_FIRST);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (pid < 0 && count < 0)
        return 0;
    if (pid == -2 || count == -2)
        return explain(message, -EINVAL, "LISTEN_PID and LISTEN_FDS must be whole numbers");
    if (pid != getpid() || count <= 0)
        return 0;
    for (int fd = NOTIFY_LISTEN_FIRST; fd < NOTIFY_LISTEN_FIRST + (int)count; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return explain(message, -EBADF, "LISTEN_FDS says %d, but descriptor %d is not open", (int)count, fd);
    return (int)count;
}
