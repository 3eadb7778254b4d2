/* SPDX-License-Identifier: MIT
 *
 * A user's program, built against an installed reclaim by tests/install/run.sh: one job, in a process of its own.
 * With STATIC it is linked with libreclaim.a and with collide.c.
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef STATIC
int frame_write(void);
int sweep_pass(void);
int buffer_init(void);
#endif

struct answer {
    int64_t doubled;
    int64_t pid;
};

static int twice(pool_call_t *call)
{
    size_t size;
    const int64_t *number = pool_call_arg(call, &size);
    if (size != sizeof *number)
        return pool_call_fail(call, 2, "the argument has %zu bytes", size);
    struct answer answer = {.doubled = 2 * *number, .pid = getpid()};
    return pool_call_return(call, &answer, sizeof answer);
}

static int check(const pool_result_t *result)
{
    struct answer answer;
    if (result->outcome != POOL_DONE || result->size != sizeof answer) {
        fprintf(stderr, "consumer: %s: %s\n", pool_outcome_name(result->outcome), result->message);
        return 1;
    }
    memcpy(&answer, result->data, sizeof answer);
    if (answer.doubled != 42 || answer.pid == getpid()) {
        fprintf(stderr, "consumer: wrong value, or not in a process of its own\n");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts(pool_version());
        return 0;
    }
#ifdef STATIC
    if (frame_write() + sweep_pass() + buffer_init() != 6) {
        fprintf(stderr, "consumer: the names of this program were taken\n");
        return 1;
    }
#endif
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, NULL, &error) < 0) {
        fprintf(stderr, "consumer: %s\n", error.message);
        return 1;
    }
    int64_t number = 21;
    pool_job_t *job;
    int status = 1;
    if (pool_submit(pool, twice, &number, sizeof number, NULL, &job) < 0 || pool_job_wait(job, 30000) < 0)
        fprintf(stderr, "consumer: %s\n", pool_message());
    else
        status = check(pool_job_result(job));
    pool_job_release(job);
    pool_free(pool);
    return status;
}
