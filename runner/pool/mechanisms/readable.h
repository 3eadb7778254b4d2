/* readable.h - the descriptors of workers that the loop reads from: one epoll set, which libuv watches as one.
 *
 * A descriptor joins with one system call, where a uv_poll_t takes five and has to be closed later, and it is listened
 * to at once, also when the thread that adds it does not run the loop. Belongs to the thread that owns the loop. */
#ifndef READABLE_H
#define READABLE_H

#include "drive.h"

#include <sys/epoll.h>
#include <uv.h>

#define READABLE_BATCH 64

/* Embedded in what reads. */
struct readable {
    int fd;                        /* *borrowed*; -1: in no set */
    void (*on_ready)(void *owner); /* may remove any; level-triggered */
    void *owner;
};

struct readable_set {
    int epoll; /* -1: closed */
    uv_poll_t poll;
    struct drive *drive; /* runs a step after each batch */
    struct epoll_event batch[READABLE_BATCH];
    int count; /* in the batch, not handled yet */
};

/* Negative errno. */
int readable_set_open(struct readable_set *set, struct drive *drive);

/* Closes the set; libuv closes its handle when the loop has run once more. Nothing, when it is closed. */
void readable_set_close(struct readable_set *set);

/* on_ready(owner) runs whenever there is something to read. -ENOMEM, -ENOSPC (epoll(7)'s max_user_watches). */
int readable_add(struct readable_set *set, struct readable *readable, int fd, void (*on_ready)(void *owner),
                 void *owner);

/* Before the descriptor is closed. Harmless when it is in no set. */
void readable_remove(struct readable_set *set, struct readable *readable);

#endif
