/* Many queued jobs: how fast they are submitted, what each costs the host in memory beside its argument, and how fast
 * the first of them are dispatched, where all workers were held up until everything was queued. Called with few jobs
 * it tells the same of a queue that is as good as empty. The rest is dropped.
 *
 *     queue JOBS ARGUMENT-BYTES DISPATCHED */
#include "pool_round.h"

#include <semaphore.h>
#include <sys/mman.h>
#include <unistd.h>

static sem_t *gate; /* shared with every worker */

static int hold(pool_call_t *call)
{
    (void)call;
    while (sem_wait(gate) < 0)
        ;
    return 0;
}

static double resident(void)
{
    unsigned long long size, pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%llu %llu", &size, &pages) != 2)
        round_die("/proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static uint64_t done(pool_t *pool)
{
    pool_stats_t stats;
    pool_stats(pool, &stats);
    return stats.settled[POOL_DONE];
}

/* Opens the gate for those that wait there: jobs a second until so many more are done. */
static double drain(pool_t *pool, uint64_t waiting, uint64_t more)
{
    const double begin = round_now();
    uint64_t now;
    for (uint64_t i = 0; i < waiting; i++)
        sem_post(gate);
    while ((now = done(pool)) < waiting + more)
        round_rest();
    return (double)now / (round_now() - begin);
}

int main(int argc, char **argv)
{
    const size_t jobs = round_number(argc, argv, 1, 0), size = round_number(argc, argv, 2, 0);
    const size_t first = round_number(argc, argv, 3, 0);
    if (argc != 4 || jobs == 0 || first > jobs || size > 4096) {
        fprintf(stderr, "usage: queue JOBS ARGUMENT-BYTES DISPATCHED    (at most 4096, at most JOBS)\n");
        return 2;
    }
    const long workers = sysconf(_SC_NPROCESSORS_ONLN);
    static const char argument[4096];
    gate = mmap(NULL, sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (gate == MAP_FAILED || sem_init(gate, 1, 0) < 0)
        round_die("semaphore");
    pool_t *pool = round_open(0);
    for (long i = 0; i < workers; i++)
        pool_job_release(round_submit(pool, hold, NULL, 0, NULL));
    const double before = resident(), begin = round_now();
    for (size_t i = 0; i < jobs; i++)
        if (pool_submit(pool, round_nothing, size > 0 ? argument : NULL, size, NULL, NULL) < 0)
            round_fail("pool_submit", pool_message());
    round_tell("submit_rate", (double)jobs / (round_now() - begin));
    round_tell("bytes", (resident() - before) / (double)jobs - (double)size);
    round_tell("dispatch_rate", drain(pool, (uint64_t)workers, first));
    pool_free(pool);
    return 0;
}
