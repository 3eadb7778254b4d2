/* SPDX-License-Identifier: MIT
 *
 * interrupt.c - Ctrl-C ends a wait at once. What runs is asked to end; what waits is dropped. Without a Ctrl-C an alarm
 * comes after a moment.
 *
 *     job 1 runs; press Ctrl-C
 *     job 2: dropped
 *     job 3: dropped
 *     job 1: cancelled after 0.2 s
 */
#define _POSIX_C_SOURCE 200809L

#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#define JOBS       3
#define ALARM_USEC 200000

static volatile sig_atomic_t has_to_end;

static void on_signal(int signal_number)
{
    (void)signal_number;
    has_to_end = 1;
}

static int sleep_long(pool_call_t *call)
{
    (void)call;
    return (int)sleep(3600);
}

/* Blocks the two signals but for the waits, whose mask *mask is: so none is lost between a look at has_to_end and a
 * wait. Before pool_open, so that no other thread gets them. */
static int block_signals(sigset_t *mask)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGALRM);
    if (sigaction(SIGINT, &action, NULL) < 0 || sigaction(SIGALRM, &action, NULL) < 0)
        return -1;
    return sigprocmask(SIG_BLOCK, &blocked, mask);
}

/* Drops the jobs that no worker has, and asks the others to end. How many were dropped. */
static int stop_all(pool_job_t *const *jobs)
{
    int dropped = 0;
    for (int i = 0; i < JOBS; i++) {
        const int status = pool_job_cancel_queued(jobs[i]);
        if (status == 0) {
            printf("job %d: dropped\n", i + 1);
            dropped++;
        } else if (status == -EBUSY) {
            pool_job_cancel(jobs[i]);
        }
    }
    return dropped;
}

int main(void)
{
    const struct itimerval moment = {.it_value.tv_usec = ALARM_USEC};
    pool_job_t *jobs[JOBS];
    pool_error_t error;
    pool_t *pool;
    sigset_t mask;

    if (block_signals(&mask) < 0)
        return 1;
    if (pool_open(&pool, &(pool_options_t){.workers = 1}, &error) < 0) {
        fprintf(stderr, "interrupt: %s\n", error.message);
        return 1;
    }
    for (int i = 0; i < JOBS; i++)
        if (pool_submit(pool, sleep_long, NULL, 0, NULL, &jobs[i]) < 0) {
            fprintf(stderr, "interrupt: %s\n", pool_message());
            return 1;
        }
    puts("job 1 runs; press Ctrl-C");
    setitimer(ITIMER_REAL, &moment, NULL);
    while (!has_to_end && pool_job_wait_masked(jobs[0], -1, &mask) == -EINTR)
        ;
    const int dropped = stop_all(jobs);
    pool_job_wait(jobs[0], -1);
    const pool_result_t *result = pool_job_result(jobs[0]);
    printf("job 1: %s after %.1f s\n", pool_outcome_name(result->outcome), result->usage.wall_seconds);
    const bool well = result->outcome == POOL_CANCELLED && dropped == JOBS - 1;
    for (int i = 0; i < JOBS; i++)
        pool_job_release(jobs[i]);
    pool_free(pool);
    return well ? 0 : 1;
}
