#include "job.h"

#include "descriptor.h"
#include "failure.h"
#include "payload.h"
#include "process.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(pool_job_t, inside) <= 160, "a million of them may wait");

/* Duplicates of the descriptors for the job. The submit of a command fills in its streams. */
static int copy_files(pool_job_t *job, const pool_job_options_t *given)
{
    const size_t count = given == NULL ? 0 : given->fd_count;
    if (count == 0 && !job->kind->is_command)
        return 0;
    struct job_files *files = malloc(sizeof *files + count * sizeof files->given[0]);
    if (files == NULL)
        return failure(-ENOMEM, "no memory for a job's descriptors");
    *files = (struct job_files){.streams = {-1, -1, -1}, .cwd = -1};
    job->files = files;
    for (; files->count < count; files->count++) {
        const int fd = given->fds[files->count];
        const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
            return failure(-errno, "fds[%zu] is %d and cannot be duplicated: %s", files->count, fd, strerror(errno));
        files->given[files->count] = copy;
    }
    return 0;
}

int job_new(pool_t *pool, struct kind *kind, const pool_job_options_t *given, size_t size, pool_job_t **out)
{
    const size_t least = offsetof(pool_job_t, inside) + (size <= JOB_INSIDE_MAX ? size : 0);
    pool_job_t *job = malloc(least > sizeof *job ? least : sizeof *job);
    if (job == NULL) {
        kind_release(kind);
        return failure(-ENOMEM, "no memory for a job");
    }
    memset(job, 0, sizeof *job); /* the argument comes later */
    job->pool = state_retain(pool);
    job->kind = kind;
    atomic_init(&job->references, 1);
    atomic_init(&job->state, POOL_STATE_QUEUED);
    job->payload.memfd = -1;
    job->payload.data = size > 0 && size <= JOB_INSIDE_MAX ? job->inside : NULL;
    const int64_t deadline_ms = kind->options.deadline_ms;
    job->deadline_at = deadline_ms >= 0 ? process_now_ms() + deadline_ms : MOMENT_NEVER;
    LIST_INIT(&job->waiters);
    if (given != NULL)
        job->user = given->user;
    const int rc = copy_files(job, given);
    if (rc < 0) {
        job_discard(job);
        return rc;
    }
    *out = job;
    return 0;
}

int job_set_payload(pool_job_t *job, const pool_bytes_t *parts, size_t count, size_t size)
{
    struct job_payload *payload = &job->payload;
    if (size == 0)
        return 0;
    if (size > FRAME_INLINE_MAX) {
        const int fd = payload_copy_parts("reclaim-argument", parts, count);
        if (fd < 0)
            return failure(fd, "the argument of %zu bytes cannot be copied: %s", size, strerror(-fd));
        payload->memfd = fd;
        payload->kind = PAYLOAD_MEMFD;
    } else {
        if (payload->data == NULL)
            payload->data = malloc(size);
        if (payload->data == NULL)
            return failure(-ENOMEM, "no memory for an argument of %zu bytes", size);
        payload_gather(payload->data, parts, count);
        payload->kind = PAYLOAD_INLINE;
    }
    payload->size = size;
    atomic_fetch_add(&job->pool->held, size);
    return 0;
}

struct job_record *job_record_new(const char *name, int64_t memory_limit)
{
    const size_t size = name == NULL ? 0 : strlen(name) + 1;
    struct job_record *record = calloc(1, sizeof *record + size);
    if (record == NULL)
        return NULL;
    if (name != NULL)
        memcpy(record->name, name, size);
    record->memory_limit = memory_limit;
    job_value_init(&record->value);
    return record;
}

struct admission_ticket *job_fill_ticket(pool_job_t *job)
{
    const struct job_record *record = job->record;
    struct admission_ticket *ticket = &job->record->ticket;
    ticket->name = job->kind->name;
    ticket->said = job_options(job)->memory_expected;
    ticket->limit = record->memory_limit > 0 ? (uint64_t)record->memory_limit : 0;
    if (record->expected_floor > ticket->least)
        ticket->least = record->expected_floor;
    ticket->rerunnable = job_options(job)->rerunnable;
    return ticket;
}

pool_job_t *job_of_ticket(struct admission_ticket *ticket)
{
    return ((struct job_record *)(void *)((char *)ticket - offsetof(struct job_record, ticket)))->job;
}

void job_event(pool_job_t *job, pool_event_t *event)
{
    if (job_options(job)->on_event == NULL)
        return;
    event->time = moment_realtime();
    event->attempt = job_attempt(job);
    drive_begin_callback();
    job_options(job)->on_event(job, event, job->user);
    drive_end_callback();
}

static struct pool_jobs *list_of(pool_t *pool, enum job_list list)
{
    struct pool_jobs *const lists[] = {NULL, &pool->backlog.waiting, &pool->asked, &pool->futures.collected};
    return lists[list];
}

bool job_needs_full(const pool_job_t *job)
{
    const struct kind *kind = job->kind;
    return kind->is_command || job->files != NULL || job->payload.kind == PAYLOAD_MEMFD ||
           kind->out != POOL_STREAM_INHERIT || kind->err != POOL_STREAM_INHERIT ||
           atomic_load_explicit(&kind->has_large_values, memory_order_relaxed);
}

void job_move(pool_job_t *job, enum job_list list)
{
    struct pool_jobs *from = list_of(job->pool, job->list), *to = list_of(job->pool, list);
    if (from != NULL)
        TAILQ_REMOVE(from, job, link);
    if (to != NULL)
        TAILQ_INSERT_TAIL(to, job, link);
    job->list = (uint8_t)list;
}

static void drop_files(pool_job_t *job)
{
    struct job_files *files = job->files;
    if (files == NULL)
        return;
    for (size_t i = 0; i < files->count; i++)
        descriptor_close(&files->given[i]);
    for (int i = 0; i < 3; i++)
        descriptor_close(&files->streams[i]);
    descriptor_close(&files->cwd);
    free(files);
    job->files = NULL;
}

void job_drop_inputs(pool_job_t *job)
{
    if (job->payload.size > 0)
        atomic_fetch_sub(&job->pool->held, job->payload.size);
    if (job->payload.data != job->inside)
        free(job->payload.data);
    descriptor_close(&job->payload.memfd);
    job->payload = (struct job_payload){.memfd = -1};
    drop_files(job);
}

void job_drop_value(pool_job_t *job)
{
    struct job_record *record = job->record;
    job_value_drop(&record->value);
    record->result.data = NULL;
    record->result.size = 0;
}

uint64_t job_held(const pool_job_t *job)
{
    const struct job_record *record = job->record;
    return record == NULL ? 0 : record->result.size + record->captured[0].size + record->captured[1].size;
}

static void drop_record(pool_job_t *job)
{
    struct job_record *record = job->record;
    if (record == NULL)
        return;
    atomic_fetch_sub(&job->pool->held, job_held(job));
    job_drop_value(job);
    for (int i = 0; i < 2; i++)
        capture_bytes_free(&record->captured[i]);
    free(record->message);
    free(record->crash);
    free(record);
}

void job_discard(pool_job_t *job)
{
    job_drop_inputs(job);
    drop_record(job);
    waiters_deinit(&job->waiters);
    kind_release(job->kind);
    state_release(job->pool);
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
    if (job == NULL || state_is_foreign(job->pool))
        return;
    if (atomic_fetch_sub(&job->references, 1) != 1)
        return;
    const pool_release_fn on_release = job_options(job)->on_release;
    void *user = job->user;
    job_discard(job);
    if (on_release != NULL)
        on_release(user);
}

pool_state_t pool_job_state(const pool_job_t *job)
{
    return atomic_load(&job->state);
}

void *pool_job_user(const pool_job_t *job)
{
    return job == NULL ? NULL : job->user;
}

const char *pool_job_name(const pool_job_t *job)
{
    return job == NULL ? NULL : job->kind->name;
}
