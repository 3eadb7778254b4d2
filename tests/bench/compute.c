/* A job that computes, beside the same loop bare in the host: the same code at the same address, in turn, medians.
 *
 *     compute [million steps] */
#include "pool_round.h"

#define TURNS 5

/* xorshift64 (Marsaglia 2003): each step needs the one before, and none needs memory. */
static uint64_t work(uint64_t steps)
{
    uint64_t x = 88172645463325252U;
    for (uint64_t i = 0; i < steps; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static int job(pool_call_t *call)
{
    const uint64_t x = work(*(const uint64_t *)pool_call_arg(call, NULL));
    return pool_call_return(call, &x, sizeof x);
}

static double bare(uint64_t steps, volatile uint64_t *result)
{
    const double begin = round_now();
    *result = work(steps);
    return round_now() - begin;
}

static double pooled(pool_t *pool, uint64_t steps, uint64_t expected)
{
    uint64_t x;
    const double begin = round_now();
    pool_job_t *handle = round_submit(pool, job, &steps, sizeof steps, NULL);
    memcpy(&x, round_wait(handle)->data, sizeof x);
    const double seconds = round_now() - begin;
    pool_job_release(handle);
    if (x != expected)
        round_fail("compute", "the job's result is another than the bare loop's");
    return seconds;
}

int main(int argc, char **argv)
{
    const uint64_t steps = round_number(argc, argv, 1, 200) * 1000000;
    double bares[TURNS], jobs[TURNS];
    volatile uint64_t expected;
    pool_t *pool = round_open(0);
    for (int i = 0; i < TURNS; i++) {
        bares[i] = bare(steps, &expected);
        jobs[i] = pooled(pool, steps, expected);
    }
    pool_free(pool);
    qsort(bares, TURNS, sizeof *bares, round_compare);
    qsort(jobs, TURNS, sizeof *jobs, round_compare);
    round_tell("bare", bares[TURNS / 2]);
    round_tell("job", jobs[TURNS / 2]);
    return 0;
}
