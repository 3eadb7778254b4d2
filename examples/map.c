/* SPDX-License-Identifier: MIT
 *
 * map.c - one function over many inputs, each in a process of its own, results in the order of the inputs.
 *
 *     primes below         10:        4
 *     primes below        100:       25
 *     ...
 *     primes below   10000000:   664579
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <stdio.h>

#define COUNT 7

/* The sieve of Eratosthenes, one byte a number. Nothing frees it: the process ends. */
static int count_primes(pool_call_t *call)
{
    const uint32_t limit = *(const uint32_t *)pool_call_arg(call, NULL);
    bool *composite = pool_call_alloc(call, limit);
    if (composite == NULL)
        return pool_call_fail(call, 1, "no memory to sieve %u numbers", limit);
    uint32_t primes = 0;
    for (uint32_t n = 2; n < limit; n++) {
        if (composite[n])
            continue;
        primes++;
        for (uint64_t multiple = (uint64_t)n * n; multiple < limit; multiple += n)
            composite[multiple] = true;
    }
    return pool_call_return(call, &primes, sizeof primes);
}

/* Waits for the job and prints its line. True if it counted right. */
static bool report(pool_job_t *job, uint32_t limit, uint32_t expected)
{
    pool_job_wait(job, -1);
    const pool_result_t *result = pool_job_result(job);
    const uint32_t primes = result->outcome == POOL_DONE ? *(const uint32_t *)result->data : 0;
    if (result->outcome == POOL_DONE)
        printf("primes below %10u: %8u\n", limit, primes);
    else
        printf("primes below %10u: %s\n", limit, result->message);
    pool_job_release(job);
    return primes == expected;
}

int main(void)
{
    static const uint32_t limits[COUNT] = {10, 100, 1000, 10000, 100000, 1000000, 10000000};
    static const uint32_t expected[COUNT] = {4, 25, 168, 1229, 9592, 78498, 664579};
    pool_bytes_t inputs[COUNT];
    pool_job_t *jobs[COUNT];
    pool_error_t error;
    pool_t *pool;
    bool right = true;

    if (pool_open(&pool, NULL, &error) < 0) {
        fprintf(stderr, "map: %s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < COUNT; i++)
        inputs[i] = (pool_bytes_t){&limits[i], sizeof limits[i]};
    if (pool_map(pool, count_primes, inputs, COUNT, NULL, jobs) < 0) {
        fprintf(stderr, "map: %s\n", pool_message());
        return 1;
    }
    for (size_t i = 0; i < COUNT; i++)
        right = report(jobs[i], limits[i], expected[i]) && right;
    pool_free(pool);
    return right ? 0 : 1;
}
