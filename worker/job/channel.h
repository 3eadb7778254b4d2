/* channel.h - the worker's own ends: the task socket down, the result pipe up.
 *
 * The job may close or reuse any descriptor number, so what is behind a number is looked at before each write: nothing
 * of ours lands in a file of the job's, nothing of the job's in a frame. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "descriptor.h"
#include "frame.h"
#include "page.h"

struct channel {
    int task, result;
    struct descriptor_identity task_identity, result_identity;
    struct page *page;
};

int channel_init(struct channel *channel, int task, int result, struct page *page);

/* Sends a whole frame up the result pipe, blocking. -EBADF: the job closed or reused the number; a last frame (the
 * result) is then left in the page if it fits. */
int channel_send(struct channel *channel, const struct frame_buffer *frame, int last);

/* Hands a descriptor (*borrowed*) to the host on the task socket, blocking. */
int channel_send_descriptor(struct channel *channel, int fd);

#endif
