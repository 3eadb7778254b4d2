/* waiters.h - who waits for one thing to happen: threads that sleep, and whoever polls its descriptor.
 *
 * A thread may wait for several things at once: it makes one waiter, and a watch in each thing's list. A list is its
 * user's to guard by a lock. Sources: eventfd(2), ppoll(2). */
#ifndef WAITERS_H
#define WAITERS_H

#include "moment.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

/* A thread that sleeps until one of the things has happened. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t woken_up;
    bool is_woken;
    int fd; /* an eventfd instead of these three, if a signal may end the sleep; else -1 */
};

/* Its interest in one thing. */
struct watch {
    LIST_ENTRY(watch) link;
    struct waiter *waiter; /* NULL: it is in no list, or nobody sleeps and fd is polled */
    int fd;                /* written to instead of waking the waiter; -1 */
};

/* All who wait for it. */
LIST_HEAD(waiters, watch);

/* A waiter in the caller's storage, for a sleep of this kind. -EMFILE, ... */
int waiter_init(struct waiter *waiter, const struct moment_wait *wait);
void waiter_deinit(struct waiter *waiter);

/* Sleeps until it is woken, also if that was before: 0, -ETIMEDOUT, or -EINTR. */
int waiter_sleep(struct waiter *waiter, const struct moment_wait *wait);

/* Both *borrow*. The caller holds the list's lock. Removing a watch that is in no list (waiter NULL) does nothing. */
void waiters_add(struct waiters *waiters, struct watch *watch, struct waiter *waiter);
void waiters_remove(struct watch *watch);

/* It has happened: wakes all, and makes the descriptor readable. The caller holds the list's lock. */
void waiters_wake(struct waiters *waiters);

/* The descriptor of the list, made at the first call; readable from waiters_wake on. It belongs to the list. The caller
 * holds the list's lock. happened: it has happened before. -EMFILE, -ENOMEM, ... */
int waiters_fd(struct waiters *waiters, bool happened);

/* Closes the descriptor, if there is one. No thread is in the list any more. */
void waiters_deinit(struct waiters *waiters);

#endif
