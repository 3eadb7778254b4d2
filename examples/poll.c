/* SPDX-License-Identifier: MIT
 *
 * poll.c - a pool in a program's own event loop. poll(2) waits for pool_fd() and a timer; pool_next() hands out the
 * jobs that have settled.
 *
 *     tick
 *     job 1 slept 50 ms
 *     tick
 *     job 2 slept 100 ms
 *     ...
 *     4 jobs done
 */
#define _POSIX_C_SOURCE 200809L

#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define JOBS      4
#define TICKS_MIN 5
#define TICK_NS   40000000

static int sleep_a_while(pool_call_t *call)
{
    const int32_t ms = *(const int32_t *)pool_call_arg(call, NULL);
    const struct timespec nap = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&nap, NULL);
    return pool_call_return(call, &ms, sizeof ms);
}

static int submit_all(pool_t *pool, int *numbers)
{
    for (int i = 0; i < JOBS; i++) {
        const int32_t ms = 50 * (i + 1);
        numbers[i] = i + 1;
        const pool_job_options_t options = {.collect = true, .user = &numbers[i]};
        if (pool_submit(pool, sleep_a_while, &ms, sizeof ms, &options, NULL) < 0)
            return -1;
    }
    return 0;
}

/* Takes every settled job, and counts those that are done. False when no job is outstanding. */
static bool take_settled(pool_t *pool, int *done)
{
    pool_job_t *job;
    int status;
    while ((status = pool_next(pool, 0, &job)) == 0) {
        const pool_result_t *result = pool_job_result(job);
        const int number = *(const int *)pool_job_user(job);
        if (result->outcome == POOL_DONE) {
            printf("job %d slept %d ms\n", number, *(const int32_t *)result->data);
            ++*done;
        } else {
            printf("job %d: %s\n", number, result->message);
        }
        pool_job_release(job);
    }
    return status == -ETIMEDOUT;
}

/* Reads how often the timer has expired. */
static int take_ticks(int timer)
{
    uint64_t ticks = 0;
    if (read(timer, &ticks, sizeof ticks) != sizeof ticks)
        return 0;
    puts("tick");
    return (int)ticks;
}

/* The program's own loop, until no job is outstanding and the timer has ticked a few times. Returns how many jobs are
 * done. */
static int loop(pool_t *pool, int timer)
{
    struct pollfd fds[] = {{.fd = pool_fd(pool), .events = POLLIN}, {.fd = timer, .events = POLLIN}};
    int done = 0, ticks = 0;
    bool outstanding = true;
    while (outstanding || ticks < TICKS_MIN) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (fds[0].revents != 0)
            outstanding = take_settled(pool, &done);
        if (fds[1].revents != 0)
            ticks += take_ticks(timer);
    }
    return done;
}

int main(void)
{
    const struct itimerspec period = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
    int numbers[JOBS];
    pool_error_t error;
    pool_t *pool;

    if (pool_open(&pool, NULL, &error) < 0) {
        fprintf(stderr, "poll: %s\n", error.message);
        return 1;
    }
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (timer < 0 || timerfd_settime(timer, 0, &period, NULL) < 0) {
        fprintf(stderr, "poll: timer: %s\n", strerror(errno));
        return 1;
    }
    if (submit_all(pool, numbers) < 0) {
        fprintf(stderr, "poll: %s\n", pool_message());
        return 1;
    }
    const int done = loop(pool, timer);
    printf("%d jobs done\n", done);
    close(timer);
    pool_free(pool);
    return done == JOBS ? 0 : 1;
}
