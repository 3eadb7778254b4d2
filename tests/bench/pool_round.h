/* What the programs that measure the pool share: they open it as its users do, and end where a job goes wrong. */
#ifndef POOL_ROUND_H
#define POOL_ROUND_H

#include "round.h"

#include <reclaim/call.h>
#include <reclaim/pool.h>

static inline _Noreturn void round_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* workers 0: what everybody gets, as many as there are processors. */
static inline pool_t *round_open(int32_t workers)
{
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, workers > 0 ? &(pool_options_t){.workers = workers} : NULL, &error) < 0)
        round_fail("pool_open", error.message);
    return pool;
}

static inline pool_job_t *round_submit(pool_t *pool, pool_fn fn, const void *arg, size_t size,
                                       const pool_job_options_t *options)
{
    pool_job_t *job;
    if (pool_submit(pool, fn, arg, size, options, &job) < 0)
        round_fail("pool_submit", pool_message());
    return job;
}

/* Waits; the job's result, *borrowed* until the release. */
static inline const pool_result_t *round_wait(pool_job_t *job)
{
    pool_job_wait(job, -1);
    const pool_result_t *result = pool_job_result(job);
    if (result->outcome != POOL_DONE)
        round_fail("job", result->message);
    return result;
}

static inline void round_finish(pool_job_t *job)
{
    round_wait(job);
    pool_job_release(job);
}

static inline int round_nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

/* Jobs a second of fn, so many under way at once. */
static inline double round_rate(pool_t *pool, pool_fn fn, size_t jobs, size_t outstanding)
{
    pool_job_t **window = calloc(outstanding, sizeof(pool_job_t *));
    if (window == NULL)
        round_die("calloc");
    const double begin = round_now();
    for (size_t i = 0; i < jobs + outstanding; i++) {
        pool_job_t **job = &window[i % outstanding];
        if (i >= outstanding)
            round_finish(*job);
        if (i < jobs)
            *job = round_submit(pool, fn, NULL, 0, NULL);
    }
    const double seconds = round_now() - begin;
    free(window);
    return (double)jobs / seconds;
}

/* A job every 2 ms, so that a warm worker waits: from submit to settled, with `early` to the value in hand. */
static inline void round_latency(pool_t *pool, const char *name, bool early, size_t count)
{
    double *times = round_times(count);
    const pool_job_options_t options = {.early = early};
    for (size_t i = 0; i < count; i++) {
        round_rest();
        const double begin = round_now();
        pool_job_t *job = round_submit(pool, round_nothing, NULL, 0, early ? &options : NULL);
        round_wait(job);
        times[i] = round_now() - begin;
        pool_job_release(job);
    }
    round_tell_latency(name, times, count);
}

#endif
