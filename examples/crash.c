/* SPDX-License-Identifier: MIT
 *
 * crash.c - a job's end is data: one job crashes, one hangs, one gives up, and the others go on.
 *
 *     good    done       exited     ...
 *     wild    crashed    signalled  ... signal 11 ...
 *         (the crash note: signal, address, backtrace)
 *     stuck   timed-out  timeout    ...
 *     fussy   failed     exited     no input for 3
 *     good    done       exited     ...
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct task {
    const char *name;
    pool_fn run;
    pool_outcome_t expected;
};

static int good(pool_call_t *call)
{
    return pool_call_return(call, "fine", 4);
}

/* A stray pointer. */
static int wild(pool_call_t *call)
{
    (void)call;
    volatile uintptr_t address = 64;
    *(volatile int *)address = 1;
    return 0;
}

static int stuck(pool_call_t *call)
{
    (void)call;
    while (true)
        pause();
    return 0;
}

static int fussy(pool_call_t *call)
{
    return pool_call_fail(call, 3, "no input for %d", 3);
}

static void print_indented(const char *lines)
{
    while (*lines != '\0') {
        const size_t size = strcspn(lines, "\n");
        printf("    %.*s\n", (int)size, lines);
        lines += lines[size] == '\n' ? size + 1 : size;
    }
}

/* Waits for the job and prints its outcome. True if it is the expected one. */
static bool report(pool_job_t *job, const struct task *task)
{
    pool_job_wait(job, -1);
    const pool_result_t *result = pool_job_result(job);
    const bool expected = result->outcome == task->expected;
    printf("%-7s %-10s %-10s %s\n", pool_job_name(job), pool_outcome_name(result->outcome),
           pool_cause_name(result->cause), result->message);
    if (result->crash != NULL)
        print_indented(result->crash);
    pool_job_release(job);
    return expected;
}

int main(void)
{
    static const struct task tasks[] = {
        {"good", good, POOL_DONE},     {"wild", wild, POOL_CRASHED}, {"stuck", stuck, POOL_TIMED_OUT},
        {"fussy", fussy, POOL_FAILED}, {"good", good, POOL_DONE},
    };
    enum { COUNT = sizeof tasks / sizeof *tasks };
    pool_job_t *jobs[COUNT];
    pool_error_t error;
    pool_t *pool;
    bool expected = true;

    if (pool_open(&pool, NULL, &error) < 0) {
        fprintf(stderr, "crash: %s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < COUNT; i++) {
        pool_job_options_t options = {.name = tasks[i].name};
        if (tasks[i].expected == POOL_TIMED_OUT)
            options.timeout_ms = 300;
        if (pool_submit(pool, tasks[i].run, NULL, 0, &options, &jobs[i]) < 0) {
            fprintf(stderr, "crash: %s\n", pool_message());
            return 1;
        }
    }
    for (size_t i = 0; i < COUNT; i++)
        expected = report(jobs[i], &tasks[i]) && expected;
    pool_free(pool);
    return expected ? 0 : 1;
}
