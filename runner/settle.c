#include "settle.h"

#include "loop.h"
#include "pool_state.h"
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static _Thread_local bool in_callback;

bool pool_in_callback(void)
{
    return in_callback;
}

void settle_event(pool_job_t *job, pool_event_t *event)
{
    struct timespec now;
    if (job->options.on_event == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    event->time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    event->attempt = job_attempt(job);
    in_callback = true;
    job->options.on_event(job, event, job->options.user);
    in_callback = false;
}

/* Puts verdict and captured output where the caller reads them. */
static void fill_result(pool_job_t *job, const struct verdict *verdict)
{
    pool_result_t *result = &job->result;
    const struct capture_bytes *out = &job->captured[0], *err = &job->captured[1];
    result->outcome = verdict->outcome;
    result->cause = verdict->cause;
    result->code = verdict->code;
    result->signal = verdict->signal;
    job->message = strdup(verdict->message);
    result->message = job->message != NULL ? job->message : pool_outcome_name(verdict->outcome);
    result->crash = job->crash;
    result->usage.attempt = job_attempt(job);
    result->usage.evictions = job->evictions;
    if (job->captured_streams[0])
        result->out = out->data != NULL ? (const void *)out->data : "";
    if (job->captured_streams[1])
        result->err = err->data != NULL ? (const void *)err->data : "";
    result->out_size = out->size;
    result->err_size = err->size;
}

void settle_job(pool_job_t *job, const struct verdict *verdict)
{
    pool_t *pool = job->pool;
    const pool_settled_fn on_settled = job->options.on_settled;
    fill_result(job, verdict);
    job_drop_inputs(job);
    atomic_fetch_add(&pool->held, job_held(job));
    pthread_mutex_lock(&pool->lock);
    TAILQ_REMOVE(&pool->unsettled, job, unsettled);
    if (job->cancel_listed)
        TAILQ_REMOVE(&pool->cancels, job, cancel);
    job->cancel_listed = false;
    pool->unsettled_count--;
    pool->stats.settled[verdict->outcome]++;
    atomic_store(&job->state, POOL_STATE_SETTLED);
    wait_wake(job);
    if (job->options.collect)
        wait_collect(job);
    pthread_mutex_unlock(&pool->lock);
    if (on_settled != NULL) {
        in_callback = true;
        on_settled(job, &job->result, job->options.user);
        in_callback = false;
    }
}

void settle_release(pool_job_t *job)
{
    struct loop *loop = job->pool->loop;
    const bool has_callbacks = job->has_callbacks;
    in_callback = true; /* on_release may run here */
    pool_job_release(job);
    in_callback = false;
    if (has_callbacks)
        drive_unclaim(loop);
}

void settle_unstarted(pool_job_t *job, pool_outcome_t outcome, pool_cause_t cause, const char *message)
{
    struct verdict verdict = {.outcome = outcome, .cause = cause};
    snprintf(verdict.message, sizeof verdict.message, "%s", message);
    job->result.usage.complete = true;
    settle_job(job, &verdict);
    settle_release(job);
}
