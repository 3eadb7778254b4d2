#include "channel.h"

#include "payload.h"
#include "raw.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#define PIPE_WIDTH   ((size_t)64 * 1024) /* of a new pipe: pipe(7) */
#define PIECE_HEAD   (FRAME_HEADER_SIZE + 6)
#define CHANNEL_REST ((size_t)8 * 1024) /* for the result; a page of the pipe holds what one write has left in it */

int channel_init(struct channel *channel, int pipe, int socket, struct page *page)
{
    *channel = (struct channel){.pipe = pipe, .socket = socket, .page = page};
    int rc = descriptor_identify(pipe, &channel->pipe_identity);
    if (rc == 0 && socket >= 0)
        rc = descriptor_identify(socket, &channel->socket_identity);
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
    if (descriptor_verify(channel->pipe, &channel->pipe_identity) < 0)
        return last ? leave_in_page(channel, frame, size) : -EBADF;
    return size <= PIPE_BUF ? write_small(channel->pipe, frame, size) : payload_write(channel->pipe, frame, size);
}

int channel_send_small(struct channel *channel, enum message_type type, const void *message, bool last)
{
    uint8_t frame[1024];
    const ssize_t size = message_pack(frame, sizeof frame, type, message);
    return size < 0 ? (int)size : channel_send(channel, frame, (size_t)size, last);
}

void channel_widen(struct channel *channel, size_t size)
{
    size_t width = PIPE_WIDTH;
    while (width < size && width < CHANNEL_WIDEST)
        width *= 2;
    if (width <= PIPE_WIDTH || width <= channel->width)
        return;
    channel->width = width;
    if (descriptor_verify(channel->pipe, &channel->pipe_identity) == 0)
        fcntl(channel->pipe, F_SETPIPE_SZ, (int)width); /* beyond the user's pipe pages it is refused */
}

/* The head of a piece's frame: as message_pack would make it, but the data need not be copied behind it. */
static size_t pack_piece(uint8_t head[PIECE_HEAD], size_t size)
{
    const uint32_t length = htobe32((uint32_t)size);
    frame_header_write(head, MESSAGE_PIECE, (uint32_t)(PIECE_HEAD - FRAME_HEADER_SIZE + size));
    head[FRAME_HEADER_SIZE] = 0x91;     /* an array of one */
    head[FRAME_HEADER_SIZE + 1] = 0xc6; /* bin 32 */
    memcpy(head + FRAME_HEADER_SIZE + 2, &length, sizeof length);
    return PIECE_HEAD;
}

int channel_send_pieces(struct channel *channel, const void *data, size_t size)
{
    const uint8_t *at = data;
    channel_widen(channel, size + size / FRAME_INLINE_MAX * PIECE_HEAD + CHANNEL_REST);
    while (size > 0) {
        uint8_t head[PIECE_HEAD];
        const size_t part = size < FRAME_INLINE_MAX ? size : FRAME_INLINE_MAX;
        const pool_bytes_t parts[] = {{head, pack_piece(head, part)}, {at, part}};
        if (descriptor_verify(channel->pipe, &channel->pipe_identity) < 0)
            return -EBADF;
        const int rc = payload_write_parts(channel->pipe, parts, 2);
        if (rc < 0)
            return rc;
        at += part;
        size -= part;
    }
    return 0;
}

int channel_send_descriptor(struct channel *channel, int fd)
{
    for (;;) {
        if (descriptor_verify(channel->socket, &channel->socket_identity) < 0)
            return -EBADF;
        const ssize_t sent = descriptor_send(channel->socket, "d", 1, &fd, 1);
        if (sent == 1)
            return 0;
        if (sent == -ETOOMANYREFS) { /* of the user, in all his processes: no event reports the end of that */
            poll(NULL, 0, 10);
            continue;
        }
        if (sent != -EAGAIN)
            return (int)sent;
        struct pollfd room = {.fd = channel->socket, .events = POLLOUT};
        poll(&room, 1, -1);
    }
}
