/* channel.h - the worker's own ends: its pipe up and, of a full worker, its socket, for descriptors both ways.
 *
 * The job may close or reuse any descriptor number. So before each write the number is checked to be ours still: no
 * frame lands in a file of the job's. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "descriptor.h"
#include "message.h"
#include "page.h"

#include <stdbool.h>

#define CHANNEL_WIDEST ((size_t)1 << 20)

struct channel {
    int pipe, socket; /* -1: a plain worker */
    struct descriptor_identity pipe_identity, socket_identity;
    size_t width; /* bytes that the pipe was made to hold; 0: as it came */
    struct page *page;
};

/* *borrows* page. Negative errno: a number is no open descriptor. */
int channel_init(struct channel *channel, int pipe, int socket, struct page *page);

/* Sends a whole frame up the pipe, blocking. -EBADF: the job closed or reused the number; a last frame (the
 * result) is then left in the page if it fits. */
int channel_send(struct channel *channel, const void *frame, size_t size, bool last);

/* The same for a message of at most some hundred bytes. */
int channel_send_small(struct channel *channel, enum message_type type, const void *message, bool last);

/* Lets the pipe hold as many bytes at once, at most CHANNEL_WIDEST, where that is allowed. */
void channel_widen(struct channel *channel, size_t size);

static inline bool channel_is_plain(const struct channel *channel)
{
    return channel->socket < 0;
}

/* Sends a part of a value, or of a partial result, in pieces up the pipe: a plain worker has no other way for a large
 * one. left: bytes that follow after this part. */
int channel_send_pieces(struct channel *channel, bool value, const pool_bytes_t *part, size_t left);

/* Hands a descriptor (*borrowed*) to the host on the socket of a full worker, blocking. */
int channel_send_descriptor(struct channel *channel, int fd);

#endif
