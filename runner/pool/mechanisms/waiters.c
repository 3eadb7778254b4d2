#include "waiters.h"

#include "descriptor.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- one that sleeps --------------------------------------------------------------------------------------------- */

int waiter_init(struct waiter *waiter, const struct moment_wait *wait)
{
    *waiter = (struct waiter){.fd = -1};
    if (!wait->by_signals) {
        pthread_mutex_init(&waiter->lock, NULL);
        moment_cond_init(&waiter->woken_up);
        return 0;
    }
    waiter->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return waiter->fd < 0 ? -errno : 0;
}

void waiter_deinit(struct waiter *waiter)
{
    if (waiter->fd >= 0) {
        descriptor_close(&waiter->fd);
        return;
    }
    pthread_cond_destroy(&waiter->woken_up);
    pthread_mutex_destroy(&waiter->lock);
}

static int sleep_unmasked(struct waiter *waiter, int64_t until)
{
    int rc = 0;
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->is_woken && rc == 0)
        rc = moment_cond_wait(&waiter->woken_up, &waiter->lock, until);
    pthread_mutex_unlock(&waiter->lock);
    return -rc;
}

/* A thread that was cancelled here (pthreads(7)) would leave its watches behind. */
int waiter_sleep(struct waiter *waiter, const struct moment_wait *wait)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    const int rc = waiter->fd >= 0 ? moment_poll(waiter->fd, wait) : sleep_unmasked(waiter, wait->until);
    pthread_setcancelstate(cancel_state, NULL);
    return rc;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

void waiters_add(struct waiters *waiters, struct watch *watch, struct waiter *waiter)
{
    watch->waiter = waiter;
    watch->fd = waiter->fd;
    LIST_INSERT_HEAD(waiters, watch, link);
}

void waiters_remove(struct watch *watch)
{
    if (watch->waiter != NULL)
        LIST_REMOVE(watch, link);
    watch->waiter = NULL;
}

static void ring(int fd)
{
    const uint64_t one = 1;
    const ssize_t wrote = write(fd, &one, sizeof one);
    (void)wrote; /* it fails only at an eventfd that is readable already */
}

void waiters_wake(struct waiters *waiters)
{
    struct watch *watch;
    LIST_FOREACH(watch, waiters, link) {
        if (watch->fd >= 0) {
            ring(watch->fd);
            continue;
        }
        pthread_mutex_lock(&watch->waiter->lock);
        watch->waiter->is_woken = true;
        pthread_cond_signal(&watch->waiter->woken_up);
        pthread_mutex_unlock(&watch->waiter->lock);
    }
}

/* ---- the descriptor ---------------------------------------------------------------------------------------------- */

static struct watch *find_polled(const struct waiters *waiters)
{
    struct watch *watch;
    LIST_FOREACH(watch, waiters, link) {
        if (watch->waiter == NULL)
            return watch;
    }
    return NULL;
}

int waiters_fd(struct waiters *waiters, bool happened)
{
    struct watch *watch = find_polled(waiters);
    if (watch != NULL)
        return watch->fd;
    watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return -ENOMEM;
    watch->fd = eventfd(happened, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->fd < 0) {
        const int rc = -errno;
        free(watch);
        return rc;
    }
    LIST_INSERT_HEAD(waiters, watch, link);
    return watch->fd;
}

void waiters_deinit(struct waiters *waiters)
{
    struct watch *watch = find_polled(waiters);
    if (watch == NULL)
        return;
    LIST_REMOVE(watch, link);
    descriptor_close(&watch->fd);
    free(watch);
}
