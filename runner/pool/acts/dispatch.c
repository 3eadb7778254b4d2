#include "dispatch.h"

#include "attempt.h"
#include "job.h"
#include "spawn.h"
#include "state.h"

#include <errno.h>
#include <string.h>

#define RETRY_MS 10

int dispatch_scan(pool_t *pool, struct admission_scan *scan, pool_job_t **found)
{
    enum admission_answer answer = ADMISSION_PASS;
    *found = NULL;
    for (pool_job_t *job = backlog_first(&pool->backlog); job != NULL && answer == ADMISSION_PASS;
         job = backlog_after(job)) {
        if (backlog_prepare(job) < 0)
            return -ENOMEM;
        answer = room_try(&pool->room, scan, job_fill_ticket(job));
        if (answer == ADMISSION_START)
            *found = job;
    }
    return (int)answer;
}

/* Whether an idle worker can do it; if not, one that can is on its way, and the next job that starts is this one. */
static bool has_worker(pool_t *pool, const pool_job_t *job)
{
    const bool needs_full = job_needs_full(job);
    if (crew_idle(&pool->crew, needs_full) != NULL)
        return true;
    spawn_need_full(pool);
    return false;
}

/* Takes the next job out of the backlog that can start: an admitted one, or the first that may by its expected memory;
 * NULL: none. Negative errno: no memory for the record of a job. */
static int take_next(pool_t *pool, int64_t now, pool_job_t **job)
{
    struct admission_scan scan;
    int answer = 0;
    pthread_mutex_lock(&pool->lock);
    *job = backlog_first_admitted(&pool->backlog);
    if (*job != NULL && !has_worker(pool, *job)) {
        *job = NULL;
    } else if (*job != NULL) {
        struct admission_ticket *ticket = &(*job)->record->ticket;
        ticket->name = (*job)->kind->name;
        admission_begin(&pool->room.admission, ticket, job_options(*job)->rerunnable, now);
    } else if (pool->running < (size_t)pool->options.workers) {
        admission_scan(&pool->room.admission, now, &scan);
        answer = dispatch_scan(pool, &scan, job);
        if (*job != NULL && !has_worker(pool, *job)) {
            room_give_back(&pool->room, &(*job)->record->ticket);
            *job = NULL;
        }
        pool->running += *job != NULL;
    }
    if (*job != NULL) {
        backlog_take(*job);
        (*job)->is_admitted = false;
        atomic_store(&(*job)->state, POOL_STATE_STARTING);
    }
    pthread_mutex_unlock(&pool->lock);
    return answer < 0 ? answer : 0;
}

/* Hands the next job that can start to an idle worker: 1. 0: there is none; negative errno: the job waits still. */
static int hand_next(pool_t *pool, int64_t now)
{
    pool_job_t *job;
    int rc = take_next(pool, now, &job);
    if (rc < 0 || job == NULL)
        return rc;
    rc = attempt_begin(crew_idle(&pool->crew, job_needs_full(job)), job);
    if (rc == 0)
        return 1;
    room_give_back(&pool->room, &job->record->ticket);
    pthread_mutex_lock(&pool->lock);
    state_leave_place(pool);
    backlog_return(job);
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

void dispatch_step(pool_t *pool, int64_t now)
{
    const bool has_idle = pool->crew.idle_count > 0;
    if (now >= pool->retry_at)
        pool->retry_at = MOMENT_NEVER;
    room_begin_dispatch(&pool->room, now, has_idle);
    while (pool->server.is_ready && pool->retry_at == MOMENT_NEVER && pool->crew.idle_count > 0) {
        const int rc = hand_next(pool, now);
        if (rc == 0)
            return;
        if (rc < 0 && rc != -EPIPE) { /* backs off as births do */
            spawn_failed(pool, strerror(-rc));
            pool->retry_at = moment_later(pool->spawn.failures.not_before, now + RETRY_MS);
        }
    }
}

int64_t dispatch_next_at(const pool_t *pool, int64_t now)
{
    const int64_t not_before = pool->spawn.failures.not_before;
    return not_before > now && not_before < pool->retry_at ? not_before : pool->retry_at;
}
