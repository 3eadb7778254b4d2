#include "backlog.h"

#include "failure.h"
#include "job.h"
#include "process.h"
#include "state.h"

#include <errno.h>
#include <stddef.h>

#define RETRY_MS 10

/* ---- coming ------------------------------------------------------------------------------------------------------ */

static struct queue *queue_of(struct backlog *backlog, const pool_job_t *job)
{
    return job->is_admitted ? &backlog->admitted : &backlog->queue;
}

/* Places in the queue, all or none. */
static int queue_all(struct backlog *backlog, pool_job_t **jobs, size_t count)
{
    struct queue *queue = queue_of(backlog, jobs[0]);
    size_t queued = 0;
    int rc = 0;
    while (queued < count && rc == 0) {
        rc = queue_add(queue, &jobs[queued]->queued, job_options(jobs[queued])->priority, false);
        queued += rc == 0;
    }
    while (rc < 0 && queued > 0)
        queue_remove(queue, &jobs[--queued]->queued);
    return rc < 0 ? failure(rc, "no memory for the queue") : 0;
}

int backlog_add(struct backlog *backlog, pool_job_t **jobs, size_t count)
{
    /* one that dispatch has looked at may have to wait for a retry */
    const bool timed = jobs[0]->deadline_at != MOMENT_NEVER || jobs[0]->is_admitted;
    if (timed && timetable_reserve(&backlog->times, count) < 0)
        return failure(-ENOMEM, "no memory for the deadlines of %zu jobs", count);
    const int rc = queue_all(backlog, jobs, count);
    if (rc < 0 && timed)
        timetable_unreserve(&backlog->times, count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        jobs[i]->has_time = timed;
        if (jobs[i]->deadline_at != MOMENT_NEVER)
            timetable_add(&backlog->times, &jobs[i]->timed, jobs[i]->deadline_at);
        job_move(jobs[i], JOB_WAITING);
    }
    return rc;
}

/* ---- going and coming back --------------------------------------------------------------------------------------- */

void backlog_take(pool_job_t *job)
{
    struct backlog *backlog = &job->pool->backlog;
    if (job->queued.level != NULL)
        queue_remove(queue_of(backlog, job), &job->queued);
    timetable_remove(&backlog->times, &job->timed);
    backlog->delayed_count -= job->is_delayed;
    job->is_delayed = false;
    if (job->list == JOB_WAITING)
        job_move(job, JOB_UNLISTED);
    pthread_cond_broadcast(&backlog->space);
}

static void wait_again(pool_job_t *job)
{
    atomic_store(&job->state, POOL_STATE_QUEUED);
    if (job->list == JOB_UNLISTED)
        job_move(job, JOB_WAITING);
}

void backlog_delay(pool_job_t *job, int64_t not_before)
{
    struct backlog *backlog = &job->pool->backlog;
    wait_again(job);
    job->is_delayed = true;
    backlog->delayed_count++;
    timetable_add(&backlog->times, &job->timed, moment_earlier(job->deadline_at, not_before));
}

void backlog_return(pool_job_t *job)
{
    struct backlog *backlog = &job->pool->backlog;
    if (queue_add(&backlog->queue, &job->queued, job_options(job)->priority, true) < 0) {
        backlog_delay(job, process_now_ms() + RETRY_MS); /* no memory for its place in the queue now */
        return;
    }
    wait_again(job);
    if (job->deadline_at != MOMENT_NEVER)
        timetable_add(&backlog->times, &job->timed, job->deadline_at);
}

int backlog_prepare(pool_job_t *job)
{
    if (!job->has_time && timetable_reserve(&job->pool->backlog.times, 1) < 0)
        return -ENOMEM;
    job->has_time = true;
    if (job->record != NULL)
        return 0;
    job->record = job_record_new(NULL, job_options(job)->memory_limit);
    if (job->record == NULL)
        return -ENOMEM;
    job->record->job = job;
    return 0;
}

void backlog_forget(pool_job_t *job)
{
    if (job->has_time)
        timetable_unreserve(&job->pool->backlog.times, 1);
    job->has_time = false;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static pool_job_t *job_queued(const struct queue_entry *entry)
{
    return entry == NULL ? NULL : (pool_job_t *)(uintptr_t)((const char *)entry - offsetof(pool_job_t, queued));
}

pool_job_t *backlog_first(const struct backlog *backlog)
{
    return job_queued(queue_first(&backlog->queue));
}

pool_job_t *backlog_after(const pool_job_t *job)
{
    return job_queued(queue_next(&job->queued));
}

pool_job_t *backlog_first_admitted(const struct backlog *backlog)
{
    return job_queued(queue_first(&backlog->admitted));
}

pool_job_t *backlog_due(const struct backlog *backlog, int64_t now)
{
    struct timetable_entry *first = timetable_first(&backlog->times);
    if (first == NULL || first->at > now)
        return NULL;
    return (pool_job_t *)(void *)((char *)first - offsetof(pool_job_t, timed));
}

int64_t backlog_next_at(const struct backlog *backlog)
{
    const struct timetable_entry *first = timetable_first(&backlog->times);
    return first == NULL ? MOMENT_NEVER : first->at;
}

size_t backlog_startable(const struct backlog *backlog)
{
    return backlog->queue.count + backlog->admitted.count;
}
