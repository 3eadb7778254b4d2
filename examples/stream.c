/* SPDX-License-Identifier: MIT
 *
 * stream.c - progress and partial results while a job runs. The job looks for the longest Collatz chain (halve even
 * numbers, 3n + 1 for odd ones, until 1), reports its progress, and sends each record when it finds it.
 *
 *     started
 *       longest so far: 100000 takes 128 steps
 *       longest so far: 100009 takes 309 steps
 *       ...
 *     20 %
 *     ...
 *     100 %
 *     done: 230631 takes 442 steps
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <stdio.h>
#include <string.h>

#define FIRST 100000
#define LAST  300000
#define STEP  40000

struct chain {
    uint32_t number;
    uint32_t steps;
};

/* What the host has received so far. Only the pool's thread writes it; main reads it after the job has settled. */
struct received {
    struct chain record;
    uint64_t done;
    bool in_order;
};

static uint32_t chain_steps(uint64_t n)
{
    uint32_t steps = 0;
    for (; n != 1; steps++)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return steps;
}

static int find_longest(pool_call_t *call)
{
    struct chain longest = {0};
    for (uint32_t n = FIRST; n < LAST; n++) {
        const struct chain chain = {n, chain_steps(n)};
        if (chain.steps > longest.steps) {
            longest = chain;
            pool_call_emit(call, &longest, sizeof longest);
        }
        if ((n + 1 - FIRST) % STEP == 0)
            pool_call_progress(call, n + 1 - FIRST, LAST - FIRST);
    }
    return pool_call_return(call, &longest, sizeof longest);
}

/* Runs on the pool's thread, so it must not block for long. */
static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct received *received = user;
    (void)job;
    if (event->kind == POOL_EVENT_STARTED) {
        puts("started");
    } else if (event->kind == POOL_EVENT_PROGRESS) {
        received->in_order = received->in_order && event->done > received->done;
        received->done = event->done;
        printf("%u %%\n", (unsigned)(100 * event->done / event->total));
    } else if (event->kind == POOL_EVENT_PARTIAL && event->size == sizeof received->record) {
        struct chain chain;
        memcpy(&chain, event->data, sizeof chain);
        received->in_order = received->in_order && chain.steps > received->record.steps;
        received->record = chain;
        printf("  longest so far: %u takes %u steps\n", chain.number, chain.steps);
    }
}

int main(void)
{
    struct received received = {.in_order = true};
    const pool_job_options_t options = {.on_event = on_event, .user = &received};
    struct chain longest = {0};
    pool_error_t error;
    pool_t *pool;
    pool_job_t *job;

    if (pool_open(&pool, NULL, &error) < 0) {
        fprintf(stderr, "stream: %s\n", error.message);
        return 1;
    }
    if (pool_submit(pool, find_longest, NULL, 0, &options, &job) < 0) {
        fprintf(stderr, "stream: %s\n", pool_message());
        return 1;
    }
    pool_job_wait(job, -1); /* every event has been delivered when this returns */
    const pool_result_t *result = pool_job_result(job);
    if (result->size == sizeof longest)
        memcpy(&longest, result->data, sizeof longest);
    printf("%s: %u takes %u steps\n", pool_outcome_name(result->outcome), longest.number, longest.steps);
    pool_job_release(job);
    pool_free(pool);
    return longest.number == 230631 && received.record.number == longest.number && received.done == LAST - FIRST &&
                   received.in_order
               ? 0
               : 1;
}
