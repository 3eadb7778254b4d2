#include "job.h"

#include "descriptor.h"
#include "failure.h"
#include "payload.h"
#include "pool_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int copy_fds(pool_job_t *job, const int *fds, size_t count)
{
    job->options.fd_count = 0;
    if (count == 0)
        return 0;
    job->fds = calloc(count, sizeof *job->fds);
    if (job->fds == NULL)
        return failure(-ENOMEM, "no memory for a job's descriptors");
    for (size_t i = 0; i < count; i++) {
        job->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (job->fds[i] < 0)
            return failure(-errno, "fds[%zu] is %d and cannot be duplicated: %s", i, fds[i], strerror(errno));
        job->options.fd_count++;
    }
    return 0;
}

int job_new(pool_t *pool, const pool_job_options_t *options, const char *name, pool_job_t **out)
{
    pool_job_t *job = calloc(1, sizeof *job);
    if (job == NULL)
        return failure(-ENOMEM, "no memory for a job");
    job->pool = pool_retain(pool);
    atomic_init(&job->references, 1);
    atomic_init(&job->state, POOL_STATE_QUEUED);
    job->options = *options;
    job->has_callbacks = options->on_settled != NULL || options->on_event != NULL || options->on_release != NULL;
    job->payload.memfd = -1;
    job->streams.fds[0] = job->streams.fds[1] = job->streams.fds[2] = -1;
    job->deadline_at = INT64_MAX;
    LIST_INIT(&job->watches);
    job->name = strdup(name);
    int rc = job->name == NULL ? failure(-ENOMEM, "no memory for a job's name") : 0;
    job->options.name = job->name;
    if (rc == 0)
        rc = copy_fds(job, options->fds, options->fd_count);
    if (rc < 0) {
        job_discard(job);
        return rc;
    }
    *out = job;
    return 0;
}

int job_set_payload(pool_job_t *job, const void *data, size_t size)
{
    struct job_payload *payload = &job->payload;
    if (size == 0)
        return 0;
    if (size > FRAME_INLINE_MAX) {
        const int fd = payload_copy("reclaim-argument", data, size);
        if (fd < 0)
            return failure(fd, "the argument of %zu bytes cannot be copied: %s", size, strerror(-fd));
        payload->memfd = fd;
        payload->kind = PAYLOAD_MEMFD;
    } else {
        payload->data = malloc(size);
        if (payload->data == NULL)
            return failure(-ENOMEM, "no memory for an argument of %zu bytes", size);
        memcpy(payload->data, data, size);
        payload->kind = PAYLOAD_INLINE;
    }
    payload->size = size;
    atomic_fetch_add(&job->pool->held, size);
    return 0;
}

void job_drop_inputs(pool_job_t *job)
{
    atomic_fetch_sub(&job->pool->held, job->payload.size);
    free(job->payload.data);
    descriptor_close(&job->payload.memfd);
    job->payload = (struct job_payload){.memfd = -1};
    for (size_t i = 0; i < job->options.fd_count; i++)
        descriptor_close(&job->fds[i]);
    free(job->fds);
    job->fds = NULL;
    job->options.fd_count = 0;
    for (int i = 0; i < 3; i++)
        descriptor_close(&job->streams.fds[i]);
}

void job_drop_value(pool_job_t *job)
{
    if (job->value_mapped > 0)
        payload_unmap(job->value_data, job->value_mapped);
    else
        free(job->value_data);
    job->value_data = NULL;
    job->value_mapped = 0;
    job->result.data = NULL;
    job->result.size = 0;
}

uint32_t job_attempt(const pool_job_t *job)
{
    return job->attempt - job->evictions;
}

uint64_t job_held(const pool_job_t *job)
{
    return job->result.size + job->captured[0].size + job->captured[1].size;
}

void job_discard(pool_job_t *job)
{
    job_drop_inputs(job);
    atomic_fetch_sub(&job->pool->held, job_held(job));
    job_drop_value(job);
    for (int i = 0; i < 2; i++)
        capture_bytes_free(&job->captured[i]);
    free(job->name);
    free(job->message);
    free(job->crash);
    pool_release(job->pool);
    free(job);
}

pool_job_t *pool_job_retain(pool_job_t *job)
{
    if (job != NULL)
        atomic_fetch_add(&job->references, 1);
    return job;
}

void pool_job_release(pool_job_t *job)
{
    if (job == NULL || pool_is_foreign(job->pool))
        return;
    if (atomic_fetch_sub(&job->references, 1) != 1)
        return;
    const pool_release_fn on_release = job->options.on_release;
    void *user = job->options.user;
    job_discard(job);
    if (on_release != NULL)
        on_release(user);
}

const pool_result_t *pool_job_result(const pool_job_t *job)
{
    return job != NULL && pool_job_state(job) == POOL_STATE_SETTLED ? &job->result : NULL;
}

pool_state_t pool_job_state(const pool_job_t *job)
{
    return atomic_load(&job->state);
}

void *pool_job_user(const pool_job_t *job)
{
    return job == NULL ? NULL : job->options.user;
}

const char *pool_job_name(const pool_job_t *job)
{
    return job == NULL ? NULL : job->name;
}
