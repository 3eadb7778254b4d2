#include "transport.h"

#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_CAPACITY 16384

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A connect(2) that a signal interrupts goes on by itself; poll(2) reports its end. */
static int finish_connect(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    while (poll(&ready, 1, -1) < 0)
        if (errno != EINTR)
            return -errno;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

/* Never the number of a standard stream that is closed: the daemon would take the host's output for requests. */
static int open_socket(void)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd > STDERR_FILENO)
        return fd < 0 ? -errno : fd;
    const int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int rc = higher < 0 ? -errno : higher;
    close(fd);
    return rc;
}

int transport_connect(struct transport *transport, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *transport = (struct transport){.fd = -1};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    transport->fd = open_socket();
    if (transport->fd < 0)
        return transport->fd;
    int rc = connect(transport->fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    if (rc == -EINTR)
        rc = finish_connect(transport->fd);
    if (rc < 0)
        transport_close(transport);
    return rc;
}

void transport_close(struct transport *transport)
{
    if (transport->fd >= 0)
        close(transport->fd);
    free(transport->data);
    *transport = (struct transport){.fd = -1};
}

/* For more bytes behind those in a full buffer: drops the bytes that are used up if they fill half of it, else grows
 * it. */
static int make_room(struct transport *transport)
{
    if (transport->size < transport->capacity)
        return 0;
    if (transport->at > transport->capacity / 2) {
        transport->size -= transport->at;
        memmove(transport->data, transport->data + transport->at, transport->size);
        transport->at = 0;
        return 0;
    }
    if (transport->capacity >= TRANSPORT_MESSAGE_MAX)
        return -EBADMSG;
    const size_t capacity = transport->capacity == 0 ? FIRST_CAPACITY : 2 * transport->capacity;
    char *data = realloc(transport->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    transport->data = data;
    transport->capacity = capacity;
    return 0;
}

/* Takes in the bytes that have arrived, without waiting. -EAGAIN: none. */
static int receive(struct transport *transport)
{
    const int rc = make_room(transport);
    if (rc < 0)
        return rc;
    for (;;) {
        const ssize_t got =
            recv(transport->fd, transport->data + transport->size, transport->capacity - transport->size, MSG_DONTWAIT);
        if (got > 0) {
            transport->size += (size_t)got;
            return 0;
        }
        if (got == 0)
            return -EPIPE;
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
}

/* 0: poll(2) reports an event, or a signal came. */
static int wait_for(const struct transport *transport, short events, int64_t timeout_ms, short *happened)
{
    struct pollfd ready = {.fd = transport->fd, .events = events};
    const int slice = timeout_ms < 0 ? -1 : timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
    if (poll(&ready, 1, slice) < 0 && errno != EINTR)
        return -errno;
    *happened = ready.revents;
    return 0;
}

int transport_send(struct transport *transport, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        const ssize_t sent = send(transport->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += sent;
            size -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        short happened = 0;
        int rc = wait_for(transport, POLLIN | POLLOUT, -1, &happened);
        if (rc == 0 && (happened & POLLIN) != 0)
            rc = receive(transport);
        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    return 0;
}

int transport_next(struct transport *transport, int64_t timeout_ms, const void **message, size_t *size)
{
    const int64_t end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
    struct scan scan;
    transport->at += transport->taken;
    transport->taken = 0;
    scan_begin(&scan, TRANSPORT_MESSAGE_MAX);
    for (;;) {
        int rc = transport->size > transport->at
                     ? scan_step(&scan, transport->data + transport->at, transport->size - transport->at)
                     : 0;
        if (rc == 1) {
            *message = transport->data + transport->at;
            *size = transport->taken = (size_t)scan.at;
            return 0;
        }
        if (rc == 0)
            rc = receive(transport);
        if (rc == 0)
            continue;
        if (rc != -EAGAIN)
            return rc == -E2BIG ? -EBADMSG : rc;
        const int64_t left = timeout_ms < 0 ? -1 : end - now_ms();
        if (timeout_ms >= 0 && left <= 0)
            return -ETIMEDOUT;
        short happened;
        rc = wait_for(transport, POLLIN, left, &happened);
        if (rc < 0)
            return rc;
    }
}
