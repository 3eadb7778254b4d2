/* What looking at memory costs: 64 jobs at rest, of 8 MiB each, without limits, far from their limits (1 GiB), and at
 * the brink (8 MiB of room); the CPU time that the fork server takes meanwhile, in parts of a core. A pool at rest
 * without jobs takes none.
 *
 *     sampler [seconds] [far] */
#include "pool_round.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOBS 64

static atomic_int *resting; /* shared with every worker */

static int rest(pool_call_t *call)
{
    (void)call;
    void *data = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (data == MAP_FAILED)
        return 1;
    atomic_fetch_add(resting, 1);
    for (;;)
        pause();
    return 0;
}

static double cpu_seconds(int pid)
{
    char path[64];
    unsigned long long ns;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%llu", &ns) != 1)
        round_die(path);
    fclose(file);
    return (double)ns / 1e9;
}

static double measure(pool_t *pool, double seconds)
{
    pool_stats_t stats;
    poll(NULL, 0, 500); /* what it does at the start of jobs is over */
    pool_stats(pool, &stats);
    const double cpu = cpu_seconds(stats.fork_server_pid), begin = round_now();
    poll(NULL, 0, (int)(seconds * 1000));
    return (cpu_seconds(stats.fork_server_pid) - cpu) / (round_now() - begin);
}

static void measure_limit(const char *name, int64_t limit, double seconds)
{
    pool_t *pool;
    pool_error_t error;
    const pool_options_t options = {.workers = JOBS, .memory_method = POOL_MEMORY_SAMPLED};
    const pool_job_options_t job = {.memory_limit = limit};
    atomic_store(resting, 0);
    if (pool_open(&pool, &options, &error) < 0)
        round_fail("pool_open", error.message);
    for (int i = 0; i < JOBS; i++)
        pool_job_release(round_submit(pool, rest, NULL, 0, limit > 0 ? &job : NULL));
    while (atomic_load(resting) < JOBS)
        round_rest();
    round_tell(name, measure(pool, seconds));
    pool_free(pool);
}

int main(int argc, char **argv)
{
    const double seconds = (double)round_number(argc, argv, 1, 5);
    if (seconds < 1 || seconds > 600 || (argc > 2 && strcmp(argv[2], "far") != 0)) {
        fprintf(stderr, "usage: sampler [seconds, 1 to 600] [far]\n");
        return 2;
    }
    resting = mmap(NULL, sizeof *resting, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (resting == MAP_FAILED)
        round_die("mmap");
    measure_limit("rest_far", (int64_t)(1024 * MIB), seconds);
    if (argc > 2)
        return 0;
    measure_limit("rest_unlimited", 0, seconds);
    measure_limit("rest_brink", (int64_t)(16 * MIB), seconds);
    return 0;
}
