#include "channel.h"

#include "payload.h"
#include "raw.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#define PIPE_WIDTH     ((size_t)64 * 1024) /* of a new pipe: pipe(7) */
#define PIECE_HEAD     (FRAME_HEADER_SIZE + 16)
#define PIECE_MAX      ((size_t)16 * 1024) /* small, for the reader's cache */
#define PIECES_AT_ONCE 16

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
static pool_bytes_t pack_head(uint8_t head[PIECE_HEAD], bool value, size_t size, size_t left)
{
    uint8_t *at = head + FRAME_HEADER_SIZE;
    const uint64_t follows = htobe64(left);
    const uint32_t length = htobe32((uint32_t)size);
    frame_header_write(head, MESSAGE_PIECE, (uint32_t)(PIECE_HEAD - FRAME_HEADER_SIZE + size));
    *at++ = 0x93; /* an array of three */
    *at++ = value;
    *at++ = 0xcf; /* unsigned, 64 bits */
    memcpy(at, &follows, sizeof follows);
    at += sizeof follows;
    *at++ = 0xc6; /* bytes, their number in 32 bits */
    memcpy(at, &length, sizeof length);
    return (pool_bytes_t){head, PIECE_HEAD};
}

int channel_send_pieces(struct channel *channel, bool value, const pool_bytes_t *part, size_t left)
{
    uint8_t heads[PIECES_AT_ONCE][PIECE_HEAD];
    pool_bytes_t parts[2 * PIECES_AT_ONCE];
    const uint8_t *at = part->data;
    channel_widen(channel, (part->size + left) / PIECE_MAX * (PIECE_MAX + PIECE_HEAD) + PIECE_MAX);
    for (size_t rest = part->size; rest > 0;) {
        size_t count = 0;
        for (; rest > 0 && count < PIECES_AT_ONCE; count++) {
            const size_t size = rest < PIECE_MAX ? rest : PIECE_MAX;
            rest -= size;
            parts[2 * count] = pack_head(heads[count], value, size, rest + left);
            parts[2 * count + 1] = (pool_bytes_t){at, size};
            at += size;
        }
        if (descriptor_verify(channel->pipe, &channel->pipe_identity) < 0)
            return -EBADF;
        const int rc = payload_write_parts(channel->pipe, parts, 2 * count);
        if (rc < 0)
            return rc;
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
