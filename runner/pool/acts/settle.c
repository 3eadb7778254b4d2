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
    if (job_options(job)->on_event == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    event->time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    event->attempt = job_attempt(job);
    in_callback = true;
    job_options(job)->on_event(job, event, job->user);
    in_callback = false;
}

/* ---- those that never started ----------------------------------------------------------------------------------- */

/* What is told of a job that was never looked at: no memory is needed for it, however many there are, and it cannot
 * fail. */
#define UNSTARTED(outcome_, cause_, message_) \
    [outcome_] = {.outcome = (outcome_), .cause = (cause_), .message = (message_), .usage = {.complete = true}}

static const pool_result_t unstarted[POOL_OUTCOME_COUNT_] = {
    UNSTARTED(POOL_CANCELLED, POOL_CAUSE_CANCELLED, "cancelled before it started"),
    UNSTARTED(POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, "its deadline passed before it could run"),
    UNSTARTED(POOL_LOST, POOL_CAUSE_LOST, "it could not be started, and there was no memory left to say why"),
};

/* The same of one that had run, or was to run, before. */
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

/* ---- settling --------------------------------------------------------------------------------------------------- */

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

/* Its result is in place: whoever waits is told. */
static void finish(pool_job_t *job, pool_outcome_t outcome)
{
    pool_t *pool = job->pool;
    const pool_job_options_t *options = job_options(job);
    job_drop_inputs(job);
    atomic_fetch_add(&pool->held, job_held(job));
    pthread_mutex_lock(&pool->lock);
    job_move(job, JOB_UNLISTED);
    if (job->has_time)
        timetable_unreserve(&pool->times, 1);
    job->has_time = false;
    pool->unsettled_count--;
    pool->stats.settled[outcome]++;
    atomic_store(&job->state, POOL_STATE_SETTLED);
    wait_wake(job);
    if (options->collect)
        wait_collect(job);
    pthread_mutex_unlock(&pool->lock);
    if (options->on_settled != NULL) {
        in_callback = true;
        options->on_settled(job, pool_job_result(job), job->user);
        in_callback = false;
    }
}

void settle_job(pool_job_t *job, const struct verdict *verdict)
{
    fill_result(job, verdict);
    finish(job, verdict->outcome);
}

void settle_release(pool_job_t *job)
{
    struct loop *loop = job->pool->loop;
    const bool has_callbacks = kind_has_callbacks(job->kind);
    in_callback = true; /* on_release may run here */
    pool_job_release(job);
    in_callback = false;
    if (has_callbacks)
        drive_unclaim(loop);
}

/* Only a loss has more to say than what is known beforehand. */
static void make_record(pool_job_t *job)
{
    pthread_mutex_lock(&job->pool->lock);
    const int rc = job_prepare(job);
    pthread_mutex_unlock(&job->pool->lock);
    (void)rc; /* then without */
}

void settle_unstarted(pool_job_t *job, pool_outcome_t outcome, const char *why)
{
    struct verdict verdict = {.outcome = outcome, .cause = unstarted[outcome].cause};
    if (job->record == NULL && why != NULL)
        make_record(job);
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
