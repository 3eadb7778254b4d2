/* 200 jobs of 8 names, for real: each name has needs of its own spread, between 10 and 800 MiB over all, and nobody
 * says what they are. The pool has 8 workers and a budget of 2 GiB.
 *
 *     admission [rounds]
 *
 * Each round runs the same jobs twice: unknown, and with every need told (the oracle). Told are the time of both, their
 * ratio, and the highest sum of what all jobs really used at once (summed over /proc every few milliseconds) in parts
 * of the budget. A job's memory grows by 1 MiB a millisecond and is then held for some 100 ms. */
#include "round.h"
#include "trace.h"

#include <dirent.h>
#include <reclaim/call.h>
#include <reclaim/pool.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOBS    200
#define WORKERS 8
#define BUDGET  (INT64_C(2048) << 20)

static void nap(double seconds)
{
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

struct shape {
    uint64_t need;
    double grow, hold; /* seconds */
};

static int work(pool_call_t *call)
{
    const struct shape *shape = pool_call_arg(call, NULL);
    const double start = round_now();
    const uint64_t step = UINT64_C(1) << 20;
    for (uint64_t used = 0; used < shape->need; used += step) {
        if (mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
            return 1;
        const double due = start + shape->grow * (double)used / (double)shape->need;
        if (due > round_now())
            nap(due - round_now());
    }
    nap(shape->hold);
    return 0;
}

static pool_t *open_pool(void)
{
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, &(pool_options_t){.workers = WORKERS, .memory_budget = BUDGET}, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    return pool;
}

struct figures {
    double seconds, peak; /* peak: parts of the budget */
    unsigned bad;
};

static struct figures run(const struct trace_job *trace, bool oracle)
{
    pool_t *pool = open_pool();
    struct figures figures = {0};
    const double start = round_now();
    for (int i = 0; i < JOBS; i++) {
        const struct shape shape = {trace[i].need, (double)trace[i].grow_ms / 1e3, (double)trace[i].hold_ms / 1e3};
        const pool_job_options_t options = {
            .name = trace[i].name, .collect = true, .memory_expected = oracle ? (int64_t)trace[i].need : 0};
        if (pool_submit(pool, work, &shape, sizeof shape, &options, NULL) < 0)
            exit(1);
    }
    for (int left = JOBS; left > 0;) {
        pool_memory_t memory;
        pool_job_t *job;
        while (pool_next(pool, 0, &job) == 0) {
            figures.bad += pool_job_result(job)->outcome != POOL_DONE;
            pool_job_release(job);
            left--;
        }
        if (pool_memory(pool, &memory) == 0 && (double)memory.workers / (double)BUDGET > figures.peak)
            figures.peak = (double)memory.workers / (double)BUDGET;
        nap(0.005);
    }
    figures.seconds = round_now() - start;
    pool_free(pool);
    return figures;
}

int main(int argc, char **argv)
{
    static struct trace_job trace[JOBS];
    const int rounds = argc > 1 ? atoi(argv[1]) : 3;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("| trace | unknown | every need told | ratio | highest use of the budget | not done "
         "|\n|---|---|---|---|---|---|");
    for (int round = 1; round <= rounds; round++) {
        trace_make(trace, JOBS, (uint32_t)round, 1.0);
        const struct figures oracle = run(trace, true), ours = run(trace, false);
        printf("| %d | %.1f s | %.1f s | %.2f | %.3f | %u |\n", round, ours.seconds, oracle.seconds,
               ours.seconds / oracle.seconds, ours.peak, ours.bad);
    }
    return 0;
}
