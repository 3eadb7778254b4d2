/* SPDX-License-Identifier: MIT
 *
 * limit.c - a job needs more memory than its limit. It is killed, and runs again with twice the limit until that is
 * enough; the rest of the program goes on.
 *
 *     128 MiB were not enough
 *     256 MiB were not enough
 *     done: attempt 3, limit 512 MiB, peak 500.0 MiB (sampled)
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <stdio.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static int greedy(pool_call_t *call)
{
    for (int i = 0; i < 500; i++) {
        char *data = pool_call_alloc(call, MIB);
        if (data == NULL)
            return pool_call_fail(call, 1, "no memory");
        memset(data, 1, MIB);
    }
    return 0;
}

static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    uint64_t *limit = user;
    (void)job;
    if (event->kind != POOL_EVENT_RETRIED)
        return;
    printf("%llu MiB were not enough\n", (unsigned long long)*limit / MIB);
    *limit = event->memory;
}

int main(void)
{
    pool_t *pool;
    pool_job_t *job;
    pool_error_t error;
    uint64_t limit = 128 * MIB;
    if (pool_open(&pool, NULL, &error) < 0)
        return fprintf(stderr, "%s\n", error.message), 1;
    const pool_job_options_t options = {
        .memory_limit = 128 * MIB, .retry_oom = 2, .on_event = on_event, .user = &limit};
    if (pool_submit(pool, greedy, NULL, 0, &options, &job) < 0)
        return fprintf(stderr, "%s\n", pool_message()), 1;
    pool_job_wait(job, -1);
    const pool_result_t *result = pool_job_result(job);
    const pool_usage_t *usage = &result->usage;
    const bool good = result->outcome == POOL_DONE && usage->oom_retries == 2;
    printf("%s: attempt %u, limit %llu MiB, peak %.1f MiB (%s)\n", pool_outcome_name(result->outcome), usage->attempt,
           (unsigned long long)usage->memory_limit / MIB, (double)usage->peak_memory / (double)MIB,
           pool_memory_method_name(usage->memory_method));
    pool_job_release(job);
    pool_free(pool);
    return good ? 0 : 1;
}
