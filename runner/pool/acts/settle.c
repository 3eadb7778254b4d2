#include "settle.h"

#include "state.h"

#include <stdio.h>
#include <string.h>

/* ---- those that never started ------------------------------------------------------------------------------------ */

/* Constant results for jobs that dispatch never looked at: settling them needs no memory and cannot fail. */
#define UNSTARTED(outcome_, cause_, message_) \
    [outcome_] = {.outcome = (outcome_), .cause = (cause_), .message = (message_), .usage = {.complete = true}}

static const pool_result_t unstarted[POOL_OUTCOME_COUNT_] = {
    UNSTARTED(POOL_CANCELLED, POOL_CAUSE_CANCELLED, "cancelled before it started"),
    UNSTARTED(POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, "its deadline passed before it could run"),
    UNSTARTED(POOL_LOST, POOL_CAUSE_LOST, "it could not be started, and there was no memory left to say why"),
};

/* The same for a job that had run, or was to run, before. */
static const char *const not_again[POOL_OUTCOME_COUNT_] = {
    [POOL_CANCELLED] = "cancelled before it started again",
    [POOL_TIMED_OUT] = "its deadline passed before it could run again",
};

const pool_result_t *pool_job_result(const pool_job_t *job)
{
    if (job == NULL || pool_job_state(job) != POOL_STATE_SETTLED)
        return NULL;
    return job->record != NULL ? &job->record->result : &unstarted[job->unstarted];
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

/* Puts verdict and captured output where the caller reads them. */
static void fill_result(pool_job_t *job, const struct verdict *verdict)
{
    struct job_record *record = job->record;
    pool_result_t *result = &record->result;
    const struct capture_bytes *out = &record->captured[0], *err = &record->captured[1];
    result->outcome = verdict->outcome;
    result->cause = verdict->cause;
    result->code = verdict->code;
    result->signal = verdict->signal;
    record->message = strdup(verdict->message);
    result->message = record->message != NULL ? record->message : pool_outcome_name(verdict->outcome);
    result->crash = record->crash;
    result->usage.attempt = job_attempt(job);
    result->usage.evictions = record->evictions;
    if (record->captured_streams[0])
        result->out = out->data != NULL ? (const void *)out->data : "";
    if (record->captured_streams[1])
        result->err = err->data != NULL ? (const void *)err->data : "";
    result->out_size = out->size;
    result->err_size = err->size;
}

/* The result is in place: publishes it, and runs on_settled. */
static void finish(pool_job_t *job, pool_outcome_t outcome)
{
    pool_t *pool = job->pool;
    const pool_settled_fn on_settled = job_options(job)->on_settled;
    job_drop_inputs(job);
    atomic_fetch_add(&pool->held, job_held(job));
    pthread_mutex_lock(&pool->lock);
    job_move(job, JOB_UNLISTED);
    backlog_forget(job);
    pool->unsettled--;
    pool->stats.settled[outcome]++;
    atomic_store(&job->state, POOL_STATE_SETTLED);
    futures_settle(job);
    pthread_mutex_unlock(&pool->lock);
    if (on_settled != NULL) {
        drive_begin_callback();
        on_settled(job, pool_job_result(job), job->user);
        drive_end_callback();
    }
}

void settle_job(pool_job_t *job, const struct verdict *verdict)
{
    fill_result(job, verdict);
    finish(job, verdict->outcome);
}

void settle_release(pool_job_t *job)
{
    pool_t *pool = job->pool;
    const bool has_callbacks = kind_has_callbacks(job->kind);
    drive_begin_callback(); /* on_release may run here */
    pool_job_release(job);
    drive_end_callback();
    if (has_callbacks)
        drive_unclaim(&pool->drive);
}

void settle_unstarted(pool_job_t *job, pool_outcome_t outcome, const char *why)
{
    struct verdict verdict = {.outcome = outcome, .cause = unstarted[outcome].cause};
    if (job->record == NULL && why != NULL) {
        pthread_mutex_lock(&job->pool->lock);
        backlog_prepare(job); /* without memory for a record the job is settled without this message */
        pthread_mutex_unlock(&job->pool->lock);
    }
    if (job->record == NULL) {
        job->unstarted = (uint8_t)outcome;
        finish(job, outcome);
    } else {
        if (why == NULL)
            why = job->record->attempt == 0 ? unstarted[outcome].message : not_again[outcome];
        snprintf(verdict.message, sizeof verdict.message, "%s", why);
        job->record->result.usage.complete = true;
        settle_job(job, &verdict);
    }
    settle_release(job);
}

/* ---- jobs that wait ---------------------------------------------------------------------------------------------- */

void settle_withdraw(pool_job_t *job)
{
    pool_t *pool = job->pool;
    backlog_take(job);
    if (!job->is_admitted)
        return;
    job->is_admitted = false;
    atomic_store(&job->state, POOL_STATE_QUEUED);
    state_leave_place(pool);
    room_give_back(&pool->room, &job->record->ticket);
}

void settle_lose_waiting(pool_t *pool, const char *why)
{
    pool_job_t *job;
    pthread_mutex_lock(&pool->lock);
    size_t left = backlog_startable(&pool->backlog) + pool->backlog.delayed_count;
    for (; left > 0 && (job = TAILQ_FIRST(&pool->backlog.waiting)) != NULL; left--) {
        settle_withdraw(job);
        pthread_mutex_unlock(&pool->lock);
        settle_unstarted(job, POOL_LOST, why);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}
