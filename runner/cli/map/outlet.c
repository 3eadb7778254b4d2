#include "outlet.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK     ((size_t)64 << 10)
#define PIPE_PART 4096 /* PIPE_BUF: a pipe that poll(2) calls writable takes as much without blocking */

/* Whether to go on. */
static bool wait_until_writable(const struct outlet *outlet)
{
    struct pollfd fds[] = {{.fd = outlet->fd, .events = POLLOUT}, {.fd = outlet->wakes, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno != EINTR)
                return true;
            continue;
        }
        if (fds[1].revents != 0 && !outlet->on_wake(outlet->user))
            return false;
        if (fds[0].revents != 0)
            return true;
    }
}

int outlet_flush(struct outlet *outlet)
{
    struct stat status;
    const bool waits = outlet->wakes >= 0 && !(fstat(outlet->fd, &status) == 0 && S_ISREG(status.st_mode));
    size_t at = 0;
    if (outlet->waiting.size == 0)
        return 0;
    while (outlet->error == 0 && at < outlet->waiting.size) {
        size_t size = outlet->waiting.size - at;
        if (waits && !wait_until_writable(outlet)) {
            outlet->error = -EINTR;
            break;
        }
        if (waits && size > PIPE_PART)
            size = PIPE_PART;
        const ssize_t wrote = write(outlet->fd, outlet->waiting.data + at, size);
        if (wrote >= 0)
            at += (size_t)wrote;
        else if (errno != EINTR && errno != EAGAIN)
            outlet->error = -errno;
    }
    text_clear(&outlet->waiting);
    return outlet->error;
}

int outlet_put(struct outlet *outlet, const char *data, size_t size)
{
    text_put(&outlet->waiting, data, size);
    if (outlet->waiting.failed && outlet->error == 0)
        outlet->error = -ENOMEM;
    return outlet->waiting.size >= CHUNK || (outlet->error != 0 && size > 0) ? outlet_flush(outlet) : 0;
}

int outlet_put_tagged(struct outlet *outlet, const char *tag, bool *in_line, const char *data, size_t size)
{
    if (tag == NULL)
        return outlet_put(outlet, data, size);
    int rc = 0;
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        const size_t line = newline == NULL ? size : (size_t)(newline - data) + 1;
        if (!*in_line) {
            outlet_put(outlet, tag, strlen(tag));
            outlet_put(outlet, "\t", 1);
        }
        rc = outlet_put(outlet, data, line);
        *in_line = newline == NULL;
        data += line;
        size -= line;
    }
    return rc;
}

void outlet_deinit(struct outlet *outlet)
{
    text_deinit(&outlet->waiting);
}
