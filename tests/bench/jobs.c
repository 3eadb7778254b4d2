/* jobs.c - what one process a job costs: no-op jobs a second and warm latency, beside the floor in the same run.
 *
 * The floor is a bare loop of fork, a byte through a pipe, _exit and waitpid from this same small process, with as many
 * children outstanding as the pool has jobs. Rounds alternate, medians are told: machines are noisy, ratios less so.
 *
 *     bench/jobs [jobs a round] [rounds] [host MiB] */
#include <errno.h>
#include <poll.h>
#include <reclaim/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTSTANDING 4
#define LATENCIES   500

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double q)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)(q * (double)(count - 1))];
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the floor ------------------------------------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int fd;
};

static struct child floor_start(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        const ssize_t wrote = write(ends[1], "x", 1);
        _exit(wrote == 1 ? 0 : 1);
    }
    close(ends[1]);
    return (struct child){pid, ends[0]};
}

static void floor_finish(struct child *child)
{
    char byte;
    int status;
    if (read(child->fd, &byte, 1) != 1 || waitpid(child->pid, &status, 0) != child->pid || status != 0)
        die("child");
    close(child->fd);
}

static double floor_rate(size_t jobs)
{
    struct child children[OUTSTANDING];
    const double start = now_seconds();
    for (size_t i = 0; i < jobs + OUTSTANDING; i++) {
        struct child *slot = &children[i % OUTSTANDING];
        if (i >= OUTSTANDING)
            floor_finish(slot);
        if (i < jobs)
            *slot = floor_start();
    }
    return (double)jobs / (now_seconds() - start);
}

/* ---- the pool -------------------------------------------------------------------------------------------------- */

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

static pool_job_t *submit(pool_t *pool, const pool_job_options_t *options)
{
    pool_job_t *job;
    if (pool_submit(pool, nothing, NULL, 0, options, &job) < 0) {
        fprintf(stderr, "submit: %s\n", pool_message());
        exit(1);
    }
    return job;
}

static void finish(pool_job_t *job)
{
    pool_job_wait(job, -1);
    if (pool_job_result(job)->outcome != POOL_DONE) {
        fprintf(stderr, "job: %s\n", pool_job_result(job)->message);
        exit(1);
    }
    pool_job_release(job);
}

static double pool_rate(pool_t *pool, size_t jobs)
{
    pool_job_t *window[OUTSTANDING];
    const double start = now_seconds();
    for (size_t i = 0; i < jobs + OUTSTANDING; i++) {
        pool_job_t **slot = &window[i % OUTSTANDING];
        if (i >= OUTSTANDING)
            finish(*slot);
        if (i < jobs)
            *slot = submit(pool, NULL);
    }
    return (double)jobs / (now_seconds() - start);
}

/* A job every 2 ms, so that a warm worker waits: seconds from submit to settled. */
static void measure_latency(pool_t *pool, bool early, double *p50, double *p99)
{
    static double seconds[LATENCIES];
    const pool_job_options_t options = {.early = early};
    for (size_t i = 0; i < LATENCIES; i++) {
        const double start = now_seconds();
        finish(submit(pool, &options));
        seconds[i] = now_seconds() - start;
        poll(NULL, 0, 2);
    }
    *p50 = quantile(seconds, LATENCIES, 0.5);
    *p99 = quantile(seconds, LATENCIES, 0.99);
}

static double floor_latency(void)
{
    static double seconds[LATENCIES];
    for (size_t i = 0; i < LATENCIES; i++) {
        const double start = now_seconds();
        struct child child = floor_start();
        floor_finish(&child);
        seconds[i] = now_seconds() - start;
        poll(NULL, 0, 2);
    }
    return quantile(seconds, LATENCIES, 0.5);
}

int main(int argc, char **argv)
{
    const size_t jobs = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
    const size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;
    const size_t host_mib = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    const pool_options_t options = {.workers = OUTSTANDING};
    pool_error_t error;
    pool_t *pool;
    double floors[64], pools[64], ratios[64], early[2], settled[2];
    if (jobs == 0 || rounds == 0 || rounds > 64) {
        fprintf(stderr, "usage: %s [jobs a round] [rounds, 1 to 64] [host MiB]\n", argv[0]);
        return 2;
    }
    if (pool_open(&pool, &options, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < rounds; i++)
        floors[i] = floor_rate(jobs); /* before the host grows: the floor forks from a small process */
    const double bare = floor_latency();
    char *ballast = host_mib > 0 ? malloc(host_mib << 20) : NULL;
    if (ballast != NULL)
        memset(ballast, 1, host_mib << 20);
    for (size_t i = 0; i < rounds; i++) {
        pools[i] = pool_rate(pool, jobs);
        if (host_mib == 0)
            floors[i] = floor_rate(jobs);
        ratios[i] = pools[i] / floors[i];
    }
    measure_latency(pool, true, &early[0], &early[1]);
    measure_latency(pool, false, &settled[0], &settled[1]);
    pool_free(pool);
    free(ballast);
    printf("no-op jobs, %d outstanding, host heap %zu MiB, medians of %zu rounds of %zu\n", OUTSTANDING, host_mib,
           rounds, jobs);
    printf("  bare fork+pipe+waitpid  %8.0f /s\n", quantile(floors, rounds, 0.5));
    printf("  pool                    %8.0f /s   ratio %.2f\n", quantile(pools, rounds, 0.5),
           quantile(ratios, rounds, 0.5));
    printf("latency of one job every 2 ms\n");
    printf("  bare fork+pipe+waitpid  p50 %4.0f us\n", bare * 1e6);
    printf("  pool, value in hand     p50 %4.0f us  p99 %4.0f us\n", early[0] * 1e6, early[1] * 1e6);
    printf("  pool, settled           p50 %4.0f us  p99 %4.0f us\n", settled[0] * 1e6, settled[1] * 1e6);
    return 0;
}
