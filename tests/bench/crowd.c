/* So many workers at once: each job says that it is there and waits until all are. Tells how many were there together
 * how long it took; and before that, with a descriptor limit that is too low, whether the caller is told, in what
 * words.
 *
 *     crowd [workers] */
#include "pool_round.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

struct crowd {
    atomic_size_t present, expected;
};

static struct crowd *crowd; /* shared with every worker */

static int meet(pool_call_t *call)
{
    (void)call;
    atomic_fetch_add(&crowd->present, 1);
    while (atomic_load(&crowd->present) < atomic_load(&crowd->expected))
        poll(NULL, 0, 10);
    return 0;
}

static void limit(rlim_t descriptors)
{
    struct rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    if (descriptors > now.rlim_max) {
        fprintf(stderr, "crowd: needs %llu descriptors, and the hard limit is %llu (ulimit -Hn)\n",
                (unsigned long long)descriptors, (unsigned long long)now.rlim_max);
        exit(1);
    }
    now.rlim_cur = descriptors;
    if (setrlimit(RLIMIT_NOFILE, &now) < 0)
        round_die("setrlimit");
}

static void submit_all(pool_t *pool, size_t workers)
{
    const pool_job_options_t options = {.collect = true, .timeout_ms = 60000};
    atomic_store(&crowd->present, 0);
    atomic_store(&crowd->expected, workers);
    for (size_t i = 0; i < workers; i++)
        if (pool_submit(pool, meet, NULL, 0, &options, NULL) < 0)
            round_fail("pool_submit", pool_message());
}

/* Where the limit is too low: 1 when pool_open or the first job that cannot run says so, with the word to look for. */
static bool is_told(size_t workers)
{
    pool_t *pool;
    pool_job_t *job;
    pool_error_t error;
    bool told;
    if (pool_open(&pool, &(pool_options_t){.workers = (int32_t)workers}, &error) < 0) {
        printf("# beyond the limit, pool_open: %s\n", error.message);
        return strstr(error.message, "open files") != NULL;
    }
    submit_all(pool, workers);
    if (pool_next(pool, 30000, &job) < 0)
        round_fail("crowd", "too few descriptors for all workers, and no job says so within 30 s");
    printf("# beyond the limit, a job: %s\n", pool_job_result(job)->message);
    told = strstr(pool_job_result(job)->message, "open files") != NULL;
    pool_job_release(job);
    pool_free(pool);
    return told;
}

int main(int argc, char **argv)
{
    const size_t workers = round_number(argc, argv, 1, 1000);
    struct rlimit before, after;
    if (workers < 100 || workers > 5000) {
        fprintf(stderr, "crowd: 100 to 5000 workers\n");
        return 2;
    }
    crowd = mmap(NULL, sizeof *crowd, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (crowd == MAP_FAILED)
        round_die("mmap");
    limit(workers);
    round_tell("told", is_told(workers));
    limit(6 * workers + 100);
    getrlimit(RLIMIT_NOFILE, &before);
    pool_t *pool = round_open((int32_t)workers);
    const double begin = round_now();
    submit_all(pool, workers);
    for (size_t i = 0; i < workers; i++) {
        pool_job_t *job;
        if (pool_next(pool, -1, &job) < 0)
            round_fail("pool_next", pool_message());
        round_finish(job);
    }
    round_tell("seconds", round_now() - begin);
    round_tell("present", (double)atomic_load(&crowd->present));
    pool_free(pool);
    getrlimit(RLIMIT_NOFILE, &after);
    round_tell("limit_kept", before.rlim_cur == after.rlim_cur);
    return 0;
}
