/* No memory for jobs: a submit that fails leaves nothing, a job that waits is never lost, and whatever becomes of it is
 * told. */
#include "gate.h"
#include "job.h"
#include "support.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- memory that fails ------------------------------------------------------------------------------------------- */

static atomic_bool no_records;    /* none for what a job has when it is looked at for a start */
static sem_t refused;             /* posted for each */
static _Thread_local int fail_at; /* of this thread's allocations the nth fails; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static bool is_failing(void)
{
    return fail_at > 0 && --fail_at == 0;
}

void *__wrap_malloc(size_t size)
{
    return is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (size == sizeof(struct job_record) && no_records) {
        sem_post(&refused);
        return NULL;
    }
    return is_failing() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return is_failing() ? NULL : __real_realloc(block, size);
}

static void await_refusals(int count)
{
    for (; count > 0; count--)
        while (sem_wait(&refused) < 0)
            assert_int_equal(errno, EINTR);
}

static pool_t *open_without_records(void)
{
    pool_t *pool = support_open(1, 0);
    assert_int_equal(sem_init(&refused, 0, 0), 0);
    no_records = true;
    return pool;
}

static void end(pool_t *pool, pool_job_t *job)
{
    pool_free(pool);
    pool_job_release(job);
    no_records = false;
    sem_destroy(&refused);
}

/* ---- submitting -------------------------------------------------------------------------------------------------- */

static int return_argument(pool_call_t *call)
{
    size_t size;
    const void *argument = pool_call_arg(call, &size);
    return pool_call_return(call, argument, size);
}

static void count_release(void *user)
{
    ++*(int *)user;
}

/* With the nth allocation failing. False: it was refused. */
static bool submit_with(pool_t *pool, int n, size_t size, const pool_job_options_t *options)
{
    static const char argument[1024];
    pool_job_t *job = (pool_job_t *)(uintptr_t)1;
    fail_at = n;
    const int rc = pool_submit(pool, return_argument, argument, size, options, &job);
    fail_at = 0;
    if (rc < 0) {
        assert_int_equal(rc, -ENOMEM);
        assert_null(job);
        assert_non_null(strstr(pool_message(), "no memory for"));
        return false;
    }
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, size);
    pool_job_release(job);
    return true;
}

static void fail_each_allocation(size_t size, pool_job_options_t options)
{
    enum { MOST = 16 };
    int released = 0, submitted = 0;
    pool_memory_t memory;
    char name[32];
    options.name = name;
    options.user = &released;
    options.on_release = count_release;
    for (int n = 1; n <= MOST; n++) {
        pool_t *pool = support_open(1, 0); /* nothing of it is there already */
        snprintf(name, sizeof name, "job-%d", n);
        if (submit_with(pool, n, size, &options)) {
            submitted++;
        } else {
            assert_int_equal(pool_memory(pool, &memory), 0);
            assert_int_equal(memory.results, 0);
        }
        pool_free(pool);
    }
    assert_in_range(submitted, 1, MOST - 1);
    assert_int_equal(released, submitted); /* and not for those that were refused */
}

static void test_scarcity_in_a_submit(void **state)
{
    int ends[2];
    (void)state;
    support_pipe(ends);
    fail_each_allocation(8, (pool_job_options_t){0});
    fail_each_allocation(1024, (pool_job_options_t){.fds = ends, .fd_count = 2, .deadline_ms = 1000000});
    close(ends[0]);
    close(ends[1]);
}

static void test_scarcity_in_a_map(void **state)
{
    enum { JOBS = 3, MOST = 1000 };
    const pool_bytes_t args[JOBS] = {{"a", 1}, {"b", 1}, {"c", 1}};
    pool_job_t *jobs[JOBS];
    bool failed = true;
    int refusals = 0;
    (void)state;
    pool_t *pool = support_open(1, 0);
    for (int n = 1; failed && n < MOST; n++) {
        fail_at = n;
        const int rc = pool_map(pool, return_argument, args, JOBS, NULL, jobs);
        failed = fail_at == 0;
        fail_at = 0;
        assert_true(rc == 0 || rc == -ENOMEM);
        refusals += rc < 0;
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(jobs[i] == NULL, rc < 0);
            if (rc == 0)
                support_expect(support_wait(jobs[i]), POOL_DONE, POOL_CAUSE_EXITED);
            pool_job_release(jobs[i]);
        }
    }
    assert_false(failed); /* every one was tried */
    assert_true(refusals > JOBS);
    pool_free(pool);
}

/* With the nth allocation of a submit with a reservation failing. What is reserved is all of the budget: what does not
 * come back is missing the next time. */
static bool reserve_and_submit_with(pool_t *pool, int n)
{
    pool_job_options_t options = {.name = "reserved", .memory_expected = 1 << 30, .deadline_ms = 1000000 + n};
    pool_job_t *job = NULL;
    fail_at = n;
    int rc = pool_reservation_new(pool, &options, &options.reservation);
    if (rc == 0) {
        assert_int_equal(pool_reserve(pool, &options.reservation, 1, NULL, NULL), 0);
        rc = pool_submit(pool, return_argument, "yes", 4, &options, &job);
    }
    fail_at = 0;
    if (rc == 0)
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    else
        assert_int_equal(rc, -ENOMEM);
    pool_job_release(job);
    return rc == 0;
}

static void test_scarcity_in_a_reservation(void **state)
{
    enum { MOST = 20 };
    pool_t *pool;
    int submitted = 0;
    (void)state;
    const pool_options_t options = {.workers = 1, .memory_budget = 1 << 30, .memory_floor = POOL_NONE};
    for (int n = 1; n <= MOST; n++) {
        assert_int_equal(pool_open(&pool, &options, NULL), 0); /* nothing of it is there already */
        submitted += reserve_and_submit_with(pool, n);
        assert_true(reserve_and_submit_with(pool, 0));
        pool_free(pool);
    }
    assert_in_range(submitted, 1, MOST - 5);
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static void test_scarcity_passes_and_the_job_runs(void **state)
{
    (void)state;
    pool_t *pool = open_without_records();
    pool_job_t *job = support_submit(pool, return_argument, "yes", 4, NULL);
    await_refusals(3);
    assert_int_equal(pool_job_state(job), POOL_STATE_QUEUED);
    assert_null(pool_job_result(job));
    no_records = false;
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_string_equal(result->data, "yes");
    end(pool, job);
}

/* What a job is told that never had a record. */
static void expect_unstarted(const pool_result_t *result, pool_outcome_t outcome, pool_cause_t cause,
                             const char *message)
{
    support_expect(result, outcome, cause);
    assert_string_equal(result->message, message);
    assert_true(result->usage.complete);
    assert_int_equal(result->usage.attempt, 0);
    assert_null(result->data);
    assert_null(result->out);
}

static void test_scarcity_and_a_cancel(void **state)
{
    (void)state;
    pool_t *pool = open_without_records();
    pool_job_t *job = support_submit(pool, return_argument, NULL, 0, NULL);
    await_refusals(1);
    assert_int_equal(pool_job_cancel(job), 0);
    expect_unstarted(support_wait(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED, "cancelled before it started");
    end(pool, job);
}

static void test_scarcity_and_a_deadline(void **state)
{
    const pool_job_options_t options = {.deadline_ms = 50};
    (void)state;
    pool_t *pool = open_without_records();
    pool_job_t *job = support_submit(pool, return_argument, NULL, 0, &options);
    expect_unstarted(support_wait(job), POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, "its deadline passed before it could run");
    end(pool, job);
}

static void test_scarcity_and_a_close(void **state)
{
    (void)state;
    pool_t *pool = open_without_records();
    pool_job_t *job = support_submit(pool, return_argument, NULL, 0, NULL);
    await_refusals(1);
    assert_int_equal(pool_close(pool, POOL_CLOSE_CANCEL_QUEUED), 0);
    expect_unstarted(support_wait(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED, "cancelled before it started");
    end(pool, job);
}

/* Seconds later it is told that it will not run, and the next one is tried anew. */
static void test_scarcity_that_does_not_end(void **state)
{
    const pool_job_options_t options = {.collect = true};
    pool_job_t *job;
    (void)state;
    pool_t *pool = open_without_records();
    assert_int_equal(pool_submit(pool, return_argument, NULL, 0, &options, NULL), 0);
    assert_int_equal(pool_next(pool, -1, &job), 0);
    expect_unstarted(pool_job_result(job), POOL_LOST, POOL_CAUSE_LOST,
                     "it could not be started, and there was no memory left to say why");
    pool_job_release(job);
    no_records = false;
    job = support_submit(pool, return_argument, "yes", 4, NULL);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    end(pool, job);
}

/* A worker that has a job is not disturbed by another that cannot be looked at. */
static void test_scarcity_beside_a_job_that_runs(void **state)
{
    struct gate gate;
    (void)state;
    gate_open(&gate);
    pool_t *pool = support_open(2, 0);
    assert_int_equal(sem_init(&refused, 0, 0), 0);
    pool_job_t *running = gate_submit(pool, &gate, (pool_job_options_t){0});
    gate_await(&gate);
    no_records = true;
    pool_job_t *job = support_submit(pool, return_argument, "yes", 4, NULL);
    await_refusals(1);
    gate_release(&gate, 1);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(running);
    await_refusals(1);
    no_records = false;
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    end(pool, job);
    gate_close(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_scarcity_in_a_submit),
        SUPPORT_TEST(test_scarcity_in_a_map),
        SUPPORT_TEST(test_scarcity_in_a_reservation),
        SUPPORT_TEST(test_scarcity_passes_and_the_job_runs),
        SUPPORT_TEST(test_scarcity_and_a_cancel),
        SUPPORT_TEST(test_scarcity_and_a_deadline),
        SUPPORT_TEST(test_scarcity_and_a_close),
        SUPPORT_TEST(test_scarcity_that_does_not_end),
        SUPPORT_TEST(test_scarcity_beside_a_job_that_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
