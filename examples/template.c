/* SPDX-License-Identifier: MIT
 *
 * template.c - a table that is loaded once, and that every job has at no cost. on_start loads it in the fork server;
 * workers are forked from there and share its pages. The host never has it.
 *
 *     360360 = 2 * 2 * 2 * 3 * 3 * 5 * 7 * 11 * 13    (the job's own memory: 0.1 MiB)
 *     1000003 = 1000003    (the job's own memory: 0.1 MiB)
 *     ...
 *     the host never had the table
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLE_SIZE 4000000 /* 16 MB */

/* smallest_factor[n] is the smallest prime that divides n. */
static uint32_t *smallest_factor;

/* Runs in the fork server, before its first worker. */
static int load_table(void *arg, pool_error_t *error)
{
    (void)arg;
    smallest_factor = calloc(TABLE_SIZE, sizeof *smallest_factor);
    if (smallest_factor == NULL) {
        snprintf(error->message, sizeof error->message, "no memory for a table of %d numbers", TABLE_SIZE);
        return -ENOMEM;
    }
    for (uint32_t n = 2; n < TABLE_SIZE; n++) {
        if (smallest_factor[n] != 0)
            continue;
        for (uint32_t multiple = n; multiple < TABLE_SIZE; multiple += n)
            if (smallest_factor[multiple] == 0)
                smallest_factor[multiple] = n;
    }
    return 0;
}

/* Returns the prime factors of its argument, ascending. */
static int factorise(pool_call_t *call)
{
    uint32_t factors[32], count = 0;
    uint32_t n = *(const uint32_t *)pool_call_arg(call, NULL);
    if (n < 2 || n >= TABLE_SIZE)
        return pool_call_fail(call, 1, "%u is not in the table", n);
    for (; n > 1; n /= smallest_factor[n])
        factors[count++] = smallest_factor[n];
    return pool_call_return(call, factors, count * sizeof *factors);
}

/* Prints "n = p * q * ...". True if the product is right. */
static bool print_product(uint32_t n, const uint32_t *factors, size_t count)
{
    uint32_t product = 1;
    printf("%u =", n);
    for (size_t i = 0; i < count; i++) {
        printf(i == 0 ? " %u" : " * %u", factors[i]);
        product *= factors[i];
    }
    return count > 0 && product == n;
}

static bool report(pool_job_t *job, uint32_t n)
{
    pool_job_wait(job, -1);
    const pool_result_t *result = pool_job_result(job);
    const bool right = print_product(n, result->data, result->size / sizeof n);
    if (result->outcome != POOL_DONE)
        printf(" ? %s", result->message);
    printf("    (the job's own memory: %.1f MiB)\n", (double)result->usage.peak_memory / (1 << 20));
    pool_job_release(job);
    return right;
}

int main(void)
{
    static const uint32_t numbers[] = {360360, 1000003, 3999999, 2097152};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    const pool_options_t options = {.on_start = load_table};
    pool_bytes_t inputs[COUNT];
    pool_job_t *jobs[COUNT];
    pool_error_t error;
    pool_t *pool;
    bool right = true;

    if (pool_open(&pool, &options, &error) < 0) {
        fprintf(stderr, "template: %s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < COUNT; i++)
        inputs[i] = (pool_bytes_t){&numbers[i], sizeof numbers[i]};
    if (pool_map(pool, factorise, inputs, COUNT, NULL, jobs) < 0) {
        fprintf(stderr, "template: %s\n", pool_message());
        return 1;
    }
    for (size_t i = 0; i < COUNT; i++)
        right = report(jobs[i], numbers[i]) && right;
    printf("the host %s the table\n", smallest_factor == NULL ? "never had" : "has");
    pool_free(pool);
    return right && smallest_factor == NULL ? 0 : 1;
}
