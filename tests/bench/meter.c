/* What looking at memory costs, and how far past its limit a job gets:
 *
 *     meter [seconds] [kills]
 *
 * 64 jobs at rest, of 8 MiB each: first far from their limits (1 GiB), then at the brink (8 MiB of room); the CPU time
 * that the fork server takes meanwhile, in parts of a core. Then jobs that allocate without end, one after the other,
 * on small pages and on huge ones, and beside it how fast each grew. And how long it takes to touch 1 GiB with malloc,
 * with pool_call_alloc, and in a command with and without huge_pages. */
#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <reclaim/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB   ((uint64_t)1 << 20)
#define JOBS  64
#define KILLS 50

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, pool_message());
    exit(1);
}

static pool_t *open_pool(int workers)
{
    pool_t *pool;
    const pool_options_t options = {.workers = workers, .memory_method = POOL_MEMORY_SAMPLED};
    if (pool_open(&pool, &options, NULL) < 0)
        die("pool_open");
    return pool;
}

static pool_job_t *submit(pool_t *pool, pool_fn fn, const void *arg, size_t size, const pool_job_options_t *options)
{
    pool_job_t *job;
    if (pool_submit(pool, fn, arg, size, options, &job) < 0)
        die("pool_submit");
    return job;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- at rest ----------------------------------------------------------------------------------------------------- */

static int rest(pool_call_t *call)
{
    (void)call;
    void *data = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (data == MAP_FAILED)
        return 1;
    for (;;)
        pause();
    return 0;
}

/* CPU seconds of a process, in nanoseconds' resolution. */
static double cpu_seconds(int pid)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    if (file != NULL)
        fclose(file);
    return (double)ns / 1e9;
}

static void measure_rest(const char *what, int64_t limit, double seconds)
{
    pool_t *pool = open_pool(JOBS);
    pool_job_t *jobs[JOBS];
    pool_stats_t stats;
    const pool_job_options_t options = {.memory_limit = limit};
    for (int i = 0; i < JOBS; i++)
        jobs[i] = submit(pool, rest, NULL, 0, limit > 0 ? &options : NULL);
    usleep(1000000); /* until all of them rest */
    pool_stats(pool, &stats);
    const double cpu = cpu_seconds(stats.fork_server_pid), start = now();
    usleep((useconds_t)(seconds * 1e6));
    const double used = cpu_seconds(stats.fork_server_pid) - cpu;
    printf("| %d jobs at rest, %s | %.2f %% of a core |\n", JOBS, what, 100 * used / (now() - start));
    for (int i = 0; i < JOBS; i++)
        pool_job_release(jobs[i]);
    pool_free(pool);
}

/* ---- past the limit ---------------------------------------------------------------------------------------------- */

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

static void measure_kills(const char *what, pool_fn fn, int kills)
{
    const pool_job_options_t options = {.memory_limit = (int64_t)(1024 * MIB)};
    double *past = calloc((size_t)kills, sizeof *past);
    double rate = 0;
    pool_t *pool = open_pool(1);
    if (past == NULL)
        exit(1);
    for (int i = 0; i < kills; i++) {
        pool_job_t *job = submit(pool, fn, NULL, 0, &options);
        pool_job_wait(job, -1);
        const pool_result_t *result = pool_job_result(job);
        if (result->cause != POOL_CAUSE_MEMORY_LIMIT)
            printf("! %s: %s\n", what, result->message);
        past[i] = (double)result->usage.overshoot / (double)MIB;
        rate += (double)result->usage.peak_memory / result->usage.wall_seconds / 1e9 / kills;
        pool_job_release(job);
    }
    qsort(past, (size_t)kills, sizeof *past, compare);
    printf("| past a limit of 1 GiB, %s, at %.1f GB/s | median %.1f, most %.1f MiB of %d kills |\n", what, rate,
           past[kills / 2], past[kills - 1], kills);
    pool_free(pool);
    free(past);
}

/* ---- huge pages -------------------------------------------------------------------------------------------------- */

static int touch(void)
{
    char *data = malloc(1024 * MIB);
    if (data == NULL)
        return 1;
    memset(data, 1, 1024 * MIB);
    __asm__ volatile("" : : "r"(data) : "memory"); /* or it need not be done at all */
    return 0;
}

static int touch_with_malloc(pool_call_t *call)
{
    const double start = now();
    if (touch() != 0)
        return 1;
    const double time = now() - start;
    return pool_call_return(call, &time, sizeof time);
}

static int touch_with_arena(pool_call_t *call)
{
    const double start = now();
    char *data = pool_call_alloc(call, 1024 * MIB);
    if (data == NULL)
        return 1;
    memset(data, 1, 1024 * MIB);
    __asm__ volatile("" : : "r"(data) : "memory"); /* or it need not be done at all */
    const double time = now() - start;
    return pool_call_return(call, &time, sizeof time);
}

/* The second of two in a row: on a virtual machine the first may be the one for whom the host finds the pages. */
static double touch_once(pool_t *pool, pool_fn fn)
{
    pool_job_t *before = submit(pool, fn, NULL, 0, NULL);
    pool_job_wait(before, -1);
    pool_job_release(before);
    pool_job_t *job = submit(pool, fn, NULL, 0, NULL);
    pool_job_wait(job, -1);
    const double time = pool_job_result(job)->size == sizeof time ? *(const double *)pool_job_result(job)->data : 0;
    pool_job_release(job);
    return time;
}

static char program[4096]; /* this one */

static double command_after(pool_t *pool, bool huge_pages, bool again)
{
    const char *argv[] = {program, "--touch", NULL};
    const pool_command_t command = {.argv = argv};
    pool_job_t *job;
    if (pool_submit_command(pool, &command, &(pool_job_options_t){.huge_pages = huge_pages}, &job) < 0)
        die("pool_submit_command");
    pool_job_wait(job, -1);
    const double time = pool_job_result(job)->usage.wall_seconds;
    pool_job_release(job);
    return again ? command_after(pool, huge_pages, false) : time;
}

static void measure_touching(void)
{
    enum { ROUNDS = 7 };
    double times[4][ROUNDS];
    pool_t *pool = open_pool(1);
    for (int i = 0; i < ROUNDS; i++) { /* in turn: the machine is not alone */
        times[0][i] = touch_once(pool, touch_with_malloc);
        times[1][i] = touch_once(pool, touch_with_arena);
        times[2][i] = command_after(pool, false, true);
        times[3][i] = command_after(pool, true, true);
    }
    for (int i = 0; i < 4; i++)
        qsort(times[i], ROUNDS, sizeof times[i][0], compare);
    const int m = ROUNDS / 2;
    printf("| touching 1 GiB: malloc %.0f ms, pool_call_alloc %.0f ms | ratio %.2f |\n", times[0][m] * 1e3,
           times[1][m] * 1e3, times[1][m] / times[0][m]);
    printf("| a command: plain %.0f ms, huge_pages %.0f ms | ratio %.2f |\n", times[2][m] * 1e3, times[3][m] * 1e3,
           times[3][m] / times[2][m]);
    pool_free(pool);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--touch") == 0)
        return touch();
    const double seconds = argc > 1 ? atof(argv[1]) : 5;
    const int kills = argc > 2 ? atoi(argv[2]) : KILLS;
    if (seconds <= 0 || kills <= 0) {
        fprintf(stderr, "usage: meter [seconds] [kills]\n");
        return 2;
    }
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("| what | measured |\n|---|---|");
    measure_rest("without limits", 0, seconds);
    measure_rest("far from their limits", (int64_t)(1024 * MIB), seconds);
    measure_rest("at the brink", (int64_t)(16 * MIB), seconds);
    measure_kills("small pages", grow, kills);
    measure_kills("huge pages", grow_on_huge_pages, kills);
    measure_touching();
    return 0;
}
