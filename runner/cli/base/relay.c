#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int relay_open(struct relay *relay, int64_t limit, relay_sink_fn sink, void *context)
{
    int ends[2];
    *relay = (struct relay){.from = -1, .for_command = -1, .left = limit, .sink = sink, .context = context};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    relay->from = ends[0];
    relay->for_command = ends[1];
    return 0;
}

void relay_handed_over(struct relay *relay)
{
    drop(&relay->for_command);
}

static void put(struct relay *relay, const char *data, int64_t size)
{
    if (size > relay->left) {
        size = relay->left;
        relay->over = true;
    }
    relay->left -= size;
    relay->passed += size;
    if (size > 0 && relay->sink(relay->context, data, (size_t)size) < 0)
        drop(&relay->from); /* the reader is gone: the command gets its SIGPIPE */
}

void relay_pass(struct relay *relay)
{
    static char data[65536]; /* not on the stack, where room for it alone would be touched */
    while (relay->from >= 0) {
        const ssize_t got = read(relay->from, data, sizeof data);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            drop(&relay->from);
            return;
        }
        put(relay, data, got);
        if (relay->over)
            return;
    }
}

void relay_finish(struct relay *relay)
{
    drop(&relay->for_command);
    relay_pass(relay);
    relay_close(relay);
}

void relay_close(struct relay *relay)
{
    drop(&relay->from);
    drop(&relay->for_command);
}
