#include "stream.h"

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

/* connect(2) that a signal interrupts goes on by itself; its end is told by poll(2). */
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

/* Never a standard stream's number, also where one is closed: what the host prints would be taken for requests. */
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

int stream_connect(struct stream *stream, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *stream = (struct stream){.fd = -1};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    stream->fd = open_socket();
    if (stream->fd < 0)
        return stream->fd;
    int rc = connect(stream->fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    if (rc == -EINTR)
        rc = finish_connect(stream->fd);
    if (rc < 0)
        stream_close(stream);
    return rc;
}

void stream_close(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    free(stream->data);
    *stream = (struct stream){.fd = -1};
}

/* What is before `at` is not needed any more: it goes when its room is wanted, and a good part of the buffer. */
static int make_room(struct stream *stream)
{
    if (stream->size < stream->capacity)
        return 0;
    if (stream->at > stream->capacity / 2) {
        stream->size -= stream->at;
        memmove(stream->data, stream->data + stream->at, stream->size);
        stream->at = 0;
        return 0;
    }
    if (stream->capacity >= STREAM_MESSAGE_MAX)
        return -EBADMSG;
    const size_t capacity = stream->capacity == 0 ? FIRST_CAPACITY : 2 * stream->capacity;
    char *data = realloc(stream->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    stream->data = data;
    stream->capacity = capacity;
    return 0;
}

/* What is there, without waiting. -EAGAIN: nothing. */
static int receive(struct stream *stream)
{
    const int rc = make_room(stream);
    if (rc < 0)
        return rc;
    for (;;) {
        const ssize_t got =
            recv(stream->fd, stream->data + stream->size, stream->capacity - stream->size, MSG_DONTWAIT);
        if (got > 0) {
            stream->size += (size_t)got;
            return 0;
        }
        if (got == 0)
            return -EPIPE;
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
}

/* 0: something happened, or a signal came. */
static int wait_for(const struct stream *stream, short events, int64_t timeout_ms, short *happened)
{
    struct pollfd ready = {.fd = stream->fd, .events = events};
    const int slice = timeout_ms < 0 ? -1 : timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
    if (poll(&ready, 1, slice) < 0 && errno != EINTR)
        return -errno;
    *happened = ready.revents;
    return 0;
}

int stream_send(struct stream *stream, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        const ssize_t sent = send(stream->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += sent;
            size -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        short happened = 0;
        int rc = wait_for(stream, POLLIN | POLLOUT, -1, &happened);
        if (rc == 0 && (happened & POLLIN) != 0)
            rc = receive(stream);
        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    return 0;
}

int stream_next(struct stream *stream, int64_t timeout_ms, const void **message, size_t *size)
{
    const int64_t end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
    struct scan scan;
    stream->at += stream->taken;
    stream->taken = 0;
    scan_begin(&scan, STREAM_MESSAGE_MAX);
    for (;;) {
        int rc = stream->size > stream->at ? scan_step(&scan, stream->data + stream->at, stream->size - stream->at) : 0;
        if (rc == 1) {
            *message = stream->data + stream->at;
            *size = stream->taken = (size_t)scan.at;
            return 0;
        }
        if (rc == 0)
            rc = receive(stream);
        if (rc == 0)
            continue;
        if (rc != -EAGAIN)
            return rc == -E2BIG ? -EBADMSG : rc;
        const int64_t left = timeout_ms < 0 ? -1 : end - now_ms();
        if (timeout_ms >= 0 && left <= 0)
            return -ETIMEDOUT;
        short happened;
        rc = wait_for(stream, POLLIN, left, &happened);
        if (rc < 0)
            return rc;
    }
}
