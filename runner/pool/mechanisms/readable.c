#include "readable.h"

#include "descriptor.h"

#include <errno.h>

static void handle_batch(uv_poll_t *poll, int status, int events)
{
    struct readable_set *set = poll->data;
    (void)status;
    (void)events;
    set->count = epoll_wait(set->epoll, set->batch, READABLE_BATCH, 0);
    while (set->count > 0) {
        struct readable *readable = set->batch[--set->count].data.ptr;
        if (readable != NULL)
            readable->on_ready(readable->owner);
    }
    drive_step(set->drive);
}

int readable_set_open(struct readable_set *set, struct drive *drive)
{
    *set = (struct readable_set){.drive = drive};
    set->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll < 0)
        return -errno;
    const int rc = uv_poll_init(&drive->uv, &set->poll, set->epoll);
    if (rc < 0) {
        descriptor_close(&set->epoll);
        return rc;
    }
    set->poll.data = set;
    return uv_poll_start(&set->poll, UV_READABLE, handle_batch);
}

static void on_closed(uv_handle_t *handle)
{
    struct readable_set *set = handle->data;
    descriptor_close(&set->epoll);
}

void readable_set_close(struct readable_set *set)
{
    if (set->epoll >= 0 && !uv_is_closing((uv_handle_t *)&set->poll))
        uv_close((uv_handle_t *)&set->poll, on_closed);
}

int readable_add(struct readable_set *set, struct readable *readable, int fd, void (*on_ready)(void *owner),
                 void *owner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = readable};
    if (epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    *readable = (struct readable){.fd = fd, .on_ready = on_ready, .owner = owner};
    return 0;
}

/* Events of it in this batch are not handled any more. */
void readable_remove(struct readable_set *set, struct readable *readable)
{
    if (readable->fd < 0)
        return;
    epoll_ctl(set->epoll, EPOLL_CTL_DEL, readable->fd, NULL);
    readable->fd = -1;
    for (int i = 0; i < set->count; i++)
        if (set->batch[i].data.ptr == readable)
            set->batch[i].data.ptr = NULL;
}
