/* channel.h - the worker's own ends: the task socket down, the result pipe up.
 *
 * The job may close or reuse any descriptor number. So before each write the number is checked to be ours still: no
 * frame lands in a file of the job's. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "descriptor.h"
#include "message.h"
#include "page.h"

#include <stdbool.h>

struct channel {
    int task, result;
    struct descriptor_identity task_identity, result_identity;
    struct page *page;
};

/* *borrows* page. Negative errno: a number is no open descriptor. */
int channel_init(struct channel *channel, int task, int result, struct page *page);

/* Sends a whole frame up the result pipe, blocking. -EBADF: the job closed or reused the number; a last frame (the
 * result) is then left in the page if it fits. */
int channel_send(struct channel *channel, const void *frame, size_t size, bool last);

/* The same for a message of at most some hundred bytes. */
int channel_send_small(struct channel *channel, enum message_type type, const void *message, bool last);

/* Hands a descriptor (*borrowed*) to the host on the task socket, blocking. */
int channel_send_descriptor(struct channel *channel, int fd);

#endif
