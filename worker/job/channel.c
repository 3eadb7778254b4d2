#include "channel.h"

#include "payload.h"
#include "raw.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

int channel_init(struct channel *channel, int task, int result, struct page *page)
{
    *channel = (struct channel){.task = task, .result = result, .page = page};
    int rc = descriptor_identify(task, &channel->task_identity);
    if (rc == 0)
        rc = descriptor_identify(result, &channel->result_identity);
    return rc;
}

static int leave_in_page(struct channel *channel, const void *frame, size_t size)
{
    if (size > PAGE_FRAME_MAX)
        return -EBADF;
    memcpy(channel->page->frame, frame, size);
    atomic_store(&channel->page->frame_size, (uint32_t)size);
    return 0;
}

/* A pipe takes up to PIPE_BUF bytes at once or, if a signal comes first, none: pipe(7). */
static int write_small(int pipe, const void *frame, size_t size)
{
    long wrote;
    do {
        wrote = raw_call(SYS_write, pipe, raw_pointer(frame), (long)size, 0);
    } while (wrote == -EINTR);
    return wrote < 0 ? (int)wrote : 0;
}

int channel_send(struct channel *channel, const void *frame, size_t size, bool last)
{
    if (descriptor_verify(channel->result, &channel->result_identity) < 0)
        return last ? leave_in_page(channel, frame, size) : -EBADF;
    return size <= PIPE_BUF ? write_small(channel->result, frame, size) : payload_write(channel->result, frame, size);
}

int channel_send_small(struct channel *channel, enum message_type type, const void *message, bool last)
{
    uint8_t frame[1024];
    const ssize_t size = message_pack(frame, sizeof frame, type, message);
    return size < 0 ? (int)size : channel_send(channel, frame, (size_t)size, last);
}

int channel_send_descriptor(struct channel *channel, int fd)
{
    for (;;) {
        if (descriptor_verify(channel->task, &channel->task_identity) < 0)
            return -EBADF;
        const ssize_t sent = descriptor_send(channel->task, "d", 1, &fd, 1);
        if (sent == 1)
            return 0;
        if (sent == -ETOOMANYREFS) { /* of the user, in all his processes: no event reports the end of that */
            poll(NULL, 0, 10);
            continue;
        }
        if (sent != -EAGAIN)
            return (int)sent;
        struct pollfd room = {.fd = channel->task, .events = POLLOUT};
        poll(&room, 1, -1);
    }
}
