#include "task.h"

#include "area.h"
#include "bell.h"
#include "descriptor.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The descriptors that go down with a task, and what says which they are. */
struct freight {
    int fds[DESCRIPTOR_MAX];
    size_t count;
    uint64_t streams;
    int ours[2]; /* writing ends of captures, closed after the send */
};

static void freight_add(struct freight *freight, int fd, uint64_t bit)
{
    freight->fds[freight->count++] = fd;
    freight->streams |= bit;
}

/* The host's own descriptor, or /dev/null where it has none. */
static int inherited(const pool_t *pool, int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? pool->devnull : fd;
}

static int add_output(struct peer *peer, struct freight *freight, int which, pool_stream_t mode)
{
    const pool_job_t *job = peer->job;
    const uint64_t bit = which == 0 ? TASK_STDOUT : TASK_STDERR;
    int rc = 0;
    switch (mode) {
    case POOL_STREAM_CAPTURE:
        rc = peer_capture(peer, which, &freight->ours[which]);
        if (rc == 0)
            freight_add(freight, freight->ours[which], bit);
        break;
    case POOL_STREAM_DISCARD:
        freight_add(freight, peer->pool->devnull, bit);
        break;
    case POOL_STREAM_FD:
        freight_add(freight, job->files->streams[which + 1], bit);
        break;
    case POOL_STREAM_CLOSED:
        freight->streams |= bit << TASK_CLOSED_SHIFT;
        break;
    case POOL_STREAM_INHERIT:
        if (job->kind->is_command) /* a function has what the fork server had */
            freight_add(freight, inherited(peer->pool, which + 1), bit);
        break;
    }
    return rc;
}

static int load_freight(struct peer *peer, struct freight *freight)
{
    const pool_job_t *job = peer->job;
    if (job->payload.kind == PAYLOAD_MEMFD)
        freight_add(freight, job->payload.memfd, 0);
    if (job->kind->in == POOL_STDIN_BYTES)
        lseek(job->files->streams[0], 0, SEEK_SET); /* an earlier attempt may have read it */
    if (job->kind->in == POOL_STDIN_INHERIT)
        freight_add(freight, inherited(peer->pool, STDIN_FILENO), TASK_STDIN);
    else if (job->kind->in == POOL_STDIN_CLOSED)
        freight->streams |= TASK_STDIN << TASK_CLOSED_SHIFT;
    else if (job->kind->in != POOL_STDIN_NULL)
        freight_add(freight, job->files->streams[0], TASK_STDIN);
    int rc = add_output(peer, freight, 0, job->kind->out);
    if (rc == 0)
        rc = add_output(peer, freight, 1, job->kind->err);
    if (rc == 0 && job->files != NULL && job->files->cwd >= 0)
        freight_add(freight, job->files->cwd, TASK_CWD);
    for (size_t i = 0; rc == 0 && job->files != NULL && i < job->files->count; i++)
        freight_add(freight, job->files->given[i], 0);
    return rc;
}

/* The descriptors go first: when the worker takes the task they are there. */
static int send_freight(const struct peer *peer, const struct freight *freight)
{
    if (freight->count == 0)
        return 0;
    const ssize_t sent = descriptor_send(peer->socket, "d", 1, freight->fds, freight->count);
    return sent == 1 ? 0 : sent == -ECONNRESET ? -EPIPE : (int)sent;
}

/* Leaves the task in the worker's area, and rings. */
static void give(struct peer *peer, const struct freight *freight)
{
    const pool_job_t *job = peer->job;
    const struct area *area = &peer->pool->area;
    struct area_task *task = area_task(area, peer->slot);
    struct area_page *page = area_page(area, peer->slot);
    const size_t inside = job->payload.kind == PAYLOAD_INLINE ? job->payload.size : 0;
    task->message = (struct message_task){
        .function = job->kind->function,
        .attempt = job_attempt(job) + 1,
        .payload = job->payload.kind,
        .size = job->payload.size,
        .streams = freight->streams,
        .descriptors = freight->count,
        .memory_limit = job->record->memory_limit,
        .options = *job_options(job),
    };
    if (inside > 0)
        memcpy(task->payload, job->payload.data, inside);
    peer->task_size = offsetof(struct area_task, payload) + inside;
    bell_ring(&page->bell, AREA_TAKE);
}

int task_send(struct peer *peer)
{
    struct freight freight;
    freight.count = 0;
    freight.streams = 0;
    freight.ours[0] = freight.ours[1] = -1;
    int rc = load_freight(peer, &freight);
    if (rc == 0)
        rc = send_freight(peer, &freight);
    if (rc == 0)
        give(peer, &freight);
    descriptor_close(&freight.ours[0]);
    descriptor_close(&freight.ours[1]);
    return rc;
}
