/* How far past its limit of 1 GiB a job gets that allocates without end, on small pages and on huge ones: median and
 * most, in bytes, and how fast it grew, in bytes a second.
 *
 *     overshoot [kills] */
#include "pool_round.h"

#include <sys/mman.h>

static int grow(pool_call_t *call)
{
    (void)call;
    while (mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) != MAP_FAILED)
        ;
    return 1;
}

static int grow_on_huge_pages(pool_call_t *call)
{
    for (char *data; (data = pool_call_alloc(call, 32 * MIB)) != NULL;)
        memset(data, 1, 32 * MIB);
    return 1;
}

static void tell(const char *name, const char *what, double value)
{
    char line[64];
    snprintf(line, sizeof line, "%s_%s", name, what);
    round_tell(line, value);
}

static void measure(pool_t *pool, const char *name, pool_fn fn, size_t kills)
{
    const pool_job_options_t options = {.memory_limit = (int64_t)(1024 * MIB)};
    double *past = round_times(kills), rate = 0;
    for (size_t i = 0; i < kills; i++) {
        pool_job_t *job = round_submit(pool, fn, NULL, 0, &options);
        pool_job_wait(job, -1);
        const pool_result_t *result = pool_job_result(job);
        if (result->cause != POOL_CAUSE_MEMORY_LIMIT)
            round_fail(name, result->message);
        past[i] = (double)result->usage.overshoot;
        rate += (double)result->usage.peak_memory / result->usage.wall_seconds / (double)kills;
        pool_job_release(job);
    }
    qsort(past, kills, sizeof *past, round_compare);
    tell(name, "median", past[kills / 2]);
    tell(name, "most", past[kills - 1]);
    tell(name, "rate", rate);
    free(past);
}

int main(int argc, char **argv)
{
    const size_t kills = round_number(argc, argv, 1, 50);
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, &(pool_options_t){.workers = 1, .memory_method = POOL_MEMORY_SAMPLED}, &error) < 0)
        round_fail("pool_open", error.message);
    measure(pool, "small", grow, kills);
    measure(pool, "huge", grow_on_huge_pages, kills);
    pool_free(pool);
    return 0;
}
