/* SPDX-License-Identifier: MIT
 *
 * columns.c - a table comes back as its columns lie in the job's memory: pool_call_return_parts gathers them. The host
 * maps the value for writing and changes it in place; pages that it does not touch are never copied. A job that cannot
 * make its table fails with bytes that say where.
 *
 *     1000000 rows: 8 MB of numbers, 8 MB of roots
 *     root of 144 is 12, after a change in place -12; the value itself still says 12
 *     failed: a negative number has no root here; row 7
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct order {
    int64_t first, step, rows;
};

struct header {
    int64_t rows;
};

static double root(double square)
{
    double guess = square > 1 ? square : 1;
    for (double next = 0; (next = (guess + square / guess) / 2) < guess;)
        guess = next;
    return guess;
}

/* A row at which it cannot go on is the value of a job that fails. */
static int make_table(pool_call_t *call)
{
    const struct order *order = pool_call_arg(call, NULL);
    const size_t size = (size_t)order->rows * sizeof(double);
    double *numbers = pool_call_alloc(call, size), *roots = pool_call_alloc(call, size);
    if (numbers == NULL || roots == NULL)
        return pool_call_fail(call, 1, "no memory for %" PRId64 " rows", order->rows);
    for (int64_t i = 0; i < order->rows; i++) {
        numbers[i] = (double)(order->first + i * order->step);
        if (numbers[i] < 0) {
            pool_call_return(call, &i, sizeof i);
            return pool_call_fail(call, 2, "a negative number has no root here");
        }
        roots[i] = root(numbers[i]);
    }
    const struct header header = {order->rows};
    const pool_bytes_t parts[] = {{&header, sizeof header}, {numbers, size}, {roots, size}};
    return pool_call_return_parts(call, parts, 3);
}

static pool_job_t *run(pool_t *pool, int64_t first, int64_t step, int64_t rows)
{
    pool_job_t *job;
    const struct order order = {first, step, rows};
    if (pool_submit(pool, make_table, &order, sizeof order, NULL, &job) < 0) {
        fprintf(stderr, "%s\n", pool_message());
        exit(1);
    }
    pool_job_wait(job, -1);
    return job;
}

/* Whether all is as it should be. */
static bool change_in_place(pool_job_t *job)
{
    void *data;
    size_t size;
    if (pool_job_value_map(job, &data, &size) < 0) {
        fprintf(stderr, "%s\n", pool_message());
        return false;
    }
    const int64_t rows = ((const struct header *)data)->rows, row = 144;
    double *numbers = (double *)((struct header *)data + 1), *roots = numbers + rows;
    const double *kept = (const double *)((const struct header *)pool_job_result(job)->data + 1) + rows;
    const double before = roots[row];
    roots[row] = -before;
    printf("%" PRId64 " rows: %zu MB of numbers, %zu MB of roots\n", rows, (size_t)rows * sizeof *numbers / 1000000,
           (size_t)rows * sizeof *roots / 1000000);
    printf("root of %g is %g, after a change in place %g; the value itself still says %g\n", numbers[row], before,
           roots[row], kept[row]);
    const bool good = numbers[row] == 144 && before == 12 && roots[row] == -12 && kept[row] == 12;
    munmap(data, size);
    return good;
}

int main(void)
{
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, NULL, &error) < 0)
        return fprintf(stderr, "%s\n", error.message), 1;
    pool_job_t *table = run(pool, 0, 1, 1000000);
    bool good = change_in_place(table);
    pool_job_release(table);

    pool_job_t *bad = run(pool, 6, -1, 20);
    const pool_result_t *result = pool_job_result(bad);
    const int64_t *row = result->data;
    printf("%s: %s; row %" PRId64 "\n", pool_outcome_name(result->outcome), result->message, row != NULL ? *row : -1);
    good = good && result->outcome == POOL_FAILED && row != NULL && *row == 7;
    pool_job_release(bad);
    pool_free(pool);
    return good ? 0 : 1;
}
