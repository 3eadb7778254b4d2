/* Closing and freeing: what still runs, what is cancelled, who is woken, and that nothing is left. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS        (SUPPORT_SANITIZED ? 30 : 200)
#define BOUND_SECONDS 20 /* generous: where a test says that something ends at all */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

static int return_big(pool_call_t *call)
{
    void *big = pool_call_alloc_result(call, 1 << 20);
    memset(big, 'b', 1 << 20);
    return pool_call_return(call, big, 1 << 20);
}

/* Says its pid and waits; SIGTERM does nothing to it. */
static int be_stubborn(pool_call_t *call)
{
    signal(SIGTERM, SIG_IGN);
    return gate_job(call);
}

static void expect_and_release(pool_job_t *job, pool_outcome_t outcome, pool_cause_t cause)
{
    assert_int_equal(pool_job_state(job), POOL_STATE_SETTLED);
    support_expect(pool_job_result(job), outcome, cause);
    pool_job_release(job);
}

/* ---- how --------------------------------------------------------------------------------------------------------- */

struct closer {
    pool_t *pool;
    pool_close_t how;
    pthread_t thread;
    atomic_int tid;
    int rc;
};

static void *run_close(void *arg)
{
    struct closer *self = arg;
    atomic_store(&self->tid, gettid());
    self->rc = pool_close(self->pool, self->how);
    return NULL;
}

/* Closes in another thread, and returns when that waits. */
static void closer_start(struct closer *closer)
{
    assert_int_equal(pthread_create(&closer->thread, NULL, run_close, closer), 0);
    while (atomic_load(&closer->tid) == 0)
        sched_yield();
    gate_await_asleep(atomic_load(&closer->tid));
}

static void closer_join(struct closer *closer)
{
    pthread_join(closer->thread, NULL);
    assert_int_equal(closer->rc, 0);
}

static void test_close_wait_runs_everything(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *jobs[6];
    gate_open(&gate);
    pool_t *pool = support_open(2, 0);
    for (int i = 0; i < 6; i++)
        jobs[i] = gate_submit(pool, &gate, gate_options(&gate));
    struct closer closer = {.pool = pool, .how = POOL_CLOSE_WAIT};
    closer_start(&closer);
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, NULL, NULL), -ESHUTDOWN);
    gate_release(&gate, 6);
    closer_join(&closer);
    assert_int_equal(support_descendants(getpid()), 0);
    for (int i = 0; i < 6; i++)
        expect_and_release(jobs[i], POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_wait_waits_for_retries(void **state)
{
    (void)state;
    const pool_job_options_t options = {
        .retries = 2, .retry_delay_ms = 20, .timeout_ms = 20, .kill_after_ms = POOL_NONE};
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = gate_submit(pool, &gate, options);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_job_result(job)->usage.attempt, 3);
    expect_and_release(job, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_cancel_queued_lets_running_finish(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *queued[4];
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    for (int i = 0; i < 4; i++)
        queued[i] = gate_submit(pool, &gate, gate_options(&gate));
    struct closer closer = {.pool = pool, .how = POOL_CLOSE_CANCEL_QUEUED};
    closer_start(&closer);
    for (int i = 0; i < 4; i++) {
        support_wait(queued[i]);
        expect_and_release(queued[i], POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    }
    assert_int_equal(pool_job_state(running), POOL_STATE_RUNNING);
    gate_release(&gate, 1);
    closer_join(&closer);
    expect_and_release(running, POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_kill_ends_everything(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *jobs[5];
    gate_open(&gate);
    const pool_job_options_t options = {.fds = gate.fds, .fd_count = 2, .kill_after_ms = 600000, .retries = 3};
    pool_t *pool = support_open(2, 0);
    for (int i = 0; i < 5; i++)
        jobs[i] = support_submit(pool, be_stubborn, NULL, 0, &options);
    const pid_t pids[] = {gate_await(&gate), gate_await(&gate)};
    const double start = now();
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    assert_true(now() - start < BOUND_SECONDS);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], 0), -1);
    assert_int_equal(support_descendants(getpid()), 0);
    for (int i = 0; i < 5; i++)
        expect_and_release(jobs[i], POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_can_be_made_harder(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    pool_job_t *queued = gate_submit(pool, &gate, gate_options(&gate));
    struct closer patient = {.pool = pool, .how = POOL_CLOSE_WAIT},
                  firm = {.pool = pool, .how = POOL_CLOSE_CANCEL_QUEUED};
    closer_start(&patient);
    assert_int_equal(pool_job_wait(queued, 0), -ETIMEDOUT);
    closer_start(&firm);
    support_wait(queued);
    assert_int_equal(pool_job_wait(running, 0), -ETIMEDOUT);
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    closer_join(&patient);
    closer_join(&firm);
    expect_and_release(queued, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    expect_and_release(running, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0); /* softer again: it is closed */
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_kill_cuts_a_running_grace_short(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    const pool_job_options_t options = {.fds = gate.fds, .fd_count = 2, .kill_after_ms = 600000};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, be_stubborn, NULL, 0, &options);
    gate_await(&gate);
    assert_int_equal(pool_job_cancel(job), 0);
    const double start = now();
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    assert_true(now() - start < BOUND_SECONDS);
    expect_and_release(job, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    assert_int_equal(pool_close(pool, (pool_close_t)3), -EINVAL);
    assert_int_equal(pool_close(NULL, POOL_CLOSE_WAIT), -EINVAL);
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, NULL);
    support_wait(job);
    expect_and_release(job, POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
    pool_free(NULL);
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

/* Until the pool's processes have left by themselves. The keeper is our child, and the pool reaps it. */
static void await_nobody_left(void)
{
    while (support_descendants(getpid()) > 0)
        poll(NULL, 0, 1);
}

static void test_seal_runs_everything_and_ends_by_itself(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *jobs[5];
    gate_open(&gate);
    pool_t *pool = support_open(2, 2);
    for (int i = 0; i < 5; i++)
        jobs[i] = gate_submit(pool, &gate, gate_options(&gate));
    assert_int_equal(pool_seal(pool), 0);
    assert_int_equal(pool_seal(pool), 0);
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, NULL, NULL), -ESHUTDOWN);
    gate_release(&gate, 5);
    await_nobody_left();
    for (int i = 0; i < 5; i++)
        expect_and_release(jobs[i], POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_seal(pool), 0);
    pool_free(pool);
    gate_close(&gate);
}

static void test_seal_waits_for_retries_and_can_be_made_harder(void **state)
{
    (void)state;
    const pool_job_options_t options = {
        .retries = 2, .retry_delay_ms = 20, .timeout_ms = 20, .kill_after_ms = POOL_NONE};
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(2, 0);
    pool_job_t *retried = gate_submit(pool, &gate, options);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    assert_int_equal(pool_seal(pool), 0);
    support_wait(retried);
    assert_int_equal(pool_job_result(retried)->usage.attempt, 3);
    expect_and_release(retried, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(pool_job_wait(running, 0), -ETIMEDOUT);
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    expect_and_release(running, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    pool_free(pool);
    gate_close(&gate);
}

static void seal_from_callback(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    (void)result;
    assert_int_equal(pool_seal(*(pool_t **)user), 0);
}

static void test_seal_in_a_callback_and_of_nothing(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 1);
    const pool_job_options_t options = {.on_settled = seal_from_callback, .user = (void *)&pool};
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    await_nobody_left();
    pool_free(pool);
    pool = support_open(1, 1);
    assert_int_equal(pool_seal(pool), 0);
    await_nobody_left();
    pool_free(pool);
    assert_int_equal(pool_seal(NULL), -EINVAL);
}

/* ---- who is woken ------------------------------------------------------------------------------------------------ */

struct blocked {
    pool_t *pool;
    pthread_t thread;
    atomic_int tid;
    int rc;
    pool_job_t *job;
};

static void *run_submit(void *arg)
{
    struct blocked *self = arg;
    atomic_store(&self->tid, gettid());
    self->rc = pool_submit(self->pool, nothing, NULL, 0, NULL, &self->job);
    return NULL;
}

static void *run_next(void *arg)
{
    struct blocked *self = arg;
    atomic_store(&self->tid, gettid());
    self->rc = pool_next(self->pool, -1, &self->job);
    return NULL;
}

static void blocked_start(struct blocked *blocked, void *(*run)(void *))
{
    assert_int_equal(pthread_create(&blocked->thread, NULL, run, blocked), 0);
    while (atomic_load(&blocked->tid) == 0)
        sched_yield();
    gate_await_asleep(atomic_load(&blocked->tid));
}

static void test_close_wakes_a_blocked_submit(void **state)
{
    (void)state;
    struct gate gate;
    pool_t *pool;
    const pool_options_t options = {.workers = 1, .queue_limit = POOL_NONE};
    gate_open(&gate);
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    struct blocked blocked = {.pool = pool};
    struct closer closer = {.pool = pool, .how = POOL_CLOSE_WAIT};
    blocked_start(&blocked, run_submit);
    closer_start(&closer);
    pthread_join(blocked.thread, NULL);
    assert_int_equal(blocked.rc, -ESHUTDOWN);
    assert_null(blocked.job);
    gate_release(&gate, 1);
    closer_join(&closer);
    expect_and_release(running, POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_wakes_pool_next(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    assert_int_equal(pool_submit(pool, gate_job, NULL, 0,
                                 &(pool_job_options_t){.fds = gate.fds, .fd_count = 2, .collect = true}, NULL),
                     0);
    gate_await(&gate);
    struct blocked blocked[2] = {{.pool = pool}, {.pool = pool}};
    blocked_start(&blocked[0], run_next);
    blocked_start(&blocked[1], run_next);
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    int served = 0, told = 0;
    for (int i = 0; i < 2; i++) {
        pthread_join(blocked[i].thread, NULL);
        served += blocked[i].rc == 0;
        told += blocked[i].rc == -ESHUTDOWN;
        pool_job_release(blocked[i].job);
    }
    assert_int_equal(served, 1); /* a settled job can still be fetched */
    assert_int_equal(told, 1);
    assert_int_equal(pool_next(pool, -1, &job), -ENOENT);
    pool_free(pool);
    gate_close(&gate);
}

static void test_close_leaves_collected_jobs_to_fetch(void **state)
{
    (void)state;
    const pool_job_options_t options = {.collect = true};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    for (int i = 0; i < 2; i++) {
        struct pollfd poll_fd = {.fd = pool_fd(pool), .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 0), 1);
        assert_int_equal(pool_next(pool, 0, &job), 0);
        expect_and_release(job, POOL_DONE, POOL_CAUSE_EXITED);
    }
    pool_free(pool); /* with one that nobody fetched */
}

/* ---- what is left ------------------------------------------------------------------------------------------------ */

static void test_close_free_keeps_unreleased_jobs(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *done = support_submit(pool, return_big, NULL, 0, NULL);
    support_wait(done);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    pool_job_t *queued = gate_submit(pool, &gate, gate_options(&gate));
    pool_free(pool);
    assert_int_equal(support_descendants(getpid()), 0);
    assert_int_equal(pool_job_wait(running, -1), 0);
    assert_int_equal(pool_job_cancel(queued), -EALREADY);
    assert_int_equal(pool_job_result(done)->size, 1 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        assert_int_equal(((const char *)pool_job_result(done)->data)[i], 'b');
    expect_and_release(done, POOL_DONE, POOL_CAUSE_EXITED);
    expect_and_release(running, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    expect_and_release(queued, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    gate_close(&gate);
}

static void open_and_close(bool use)
{
    pool_t *pool = support_open(2, 0);
    if (use) {
        pool_job_t *job = support_submit(pool, nothing, NULL, 0, NULL);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        pool_job_release(job);
    }
    pool_free(pool);
}

static void test_close_many_times_leaks_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        open_and_close(true);
    const size_t fds = support_fds();
    const uint64_t before = support_rss();
    for (int i = 0; i < ROUNDS; i++) {
        open_and_close(i % 2 == 0);
        assert_int_equal(support_descendants(getpid()), 0);
    }
    assert_int_equal(support_fds(), fds);
    if (!SUPPORT_SANITIZED)
        assert_true(support_rss() < before + (1 << 20));
}

static void test_close_several_pools_at_once(void **state)
{
    (void)state;
    enum { POOLS = 4 };
    struct gate gate;
    pool_t *pools[POOLS];
    pool_job_t *jobs[POOLS];
    gate_open(&gate);
    for (int i = 0; i < POOLS; i++) {
        pools[i] = support_open(1, 0);
        jobs[i] = gate_submit(pools[i], &gate, gate_options(&gate));
    }
    for (int i = 0; i < POOLS; i++)
        gate_await(&gate);
    pool_free(pools[1]); /* ends its own job alone */
    expect_and_release(jobs[1], POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    gate_release(&gate, POOLS - 1);
    for (int i = 0; i < POOLS; i++) {
        if (i == 1)
            continue;
        support_wait(jobs[i]);
        expect_and_release(jobs[i], POOL_DONE, POOL_CAUSE_EXITED);
        pool_free(pools[i]);
    }
    gate_close(&gate);
}

/* ---- a pool inside a job ----------------------------------------------------------------------------------------- */

static int square(pool_call_t *call)
{
    const int *number = pool_call_arg(call, NULL);
    const int result = *number * *number;
    return pool_call_return(call, &result, sizeof result);
}

/* Squares its number in a pool of its own. */
static int square_inside(pool_call_t *call)
{
    pool_t *pool;
    pool_error_t error;
    pool_job_t *job;
    size_t size;
    const void *number = pool_call_arg(call, &size);
    if (pool_open(&pool, &(pool_options_t){.workers = 2}, &error) < 0)
        return pool_call_fail(call, 1, "pool_open: %s", error.message);
    if (pool_submit(pool, square, number, size, NULL, &job) < 0 || pool_job_wait(job, -1) < 0)
        return pool_call_fail(call, 2, "%s", pool_message());
    const pool_result_t *result = pool_job_result(job);
    const int rc = result->outcome == POOL_DONE ? pool_call_return(call, result->data, result->size) : 3;
    pool_job_release(job);
    pool_free(pool);
    return rc;
}

/* Runs a job at the caller's gate in a pool of its own; says -1 when that has not worked. */
static int wait_inside(pool_call_t *call)
{
    pool_t *pool;
    pool_error_t error;
    pool_job_t *job;
    const int fds[] = {pool_call_fd(call, 0), pool_call_fd(call, 1)};
    const pool_job_options_t options = {.fds = fds, .fd_count = 2};
    const char *message = error.message;
    if (pool_open(&pool, NULL, &error) == 0) {
        if (pool_submit(pool, gate_job, NULL, 0, &options, &job) == 0 && pool_job_wait(job, -1) == 0)
            message = pool_job_result(job)->message;
        else
            message = pool_message();
    }
    gate_say(call, -1);
    return pool_call_fail(call, 1, "inside: %s", message);
}

static void test_close_pool_inside_a_job(void **state)
{
    (void)state;
    pool_t *pool = support_open(2, 0);
    pool_job_t *jobs[4];
    for (int i = 0; i < 4; i++)
        jobs[i] = support_submit(pool, square_inside, &i, sizeof i, NULL);
    for (int i = 0; i < 4; i++) {
        const pool_result_t *result = support_wait(jobs[i]);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        assert_int_equal(*(const int *)result->data, i * i);
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
}

static void test_close_takes_the_pool_inside_a_job_along(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    const pool_job_options_t options = {.fds = gate.fds, .fd_count = 2, .kill_after_ms = POOL_NONE};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, wait_inside, NULL, 0, &options);
    const pid_t inner = gate_await(&gate);
    pool_job_cancel(job);
    support_wait(job);
    expect_and_release(job, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(kill(inner, 0), -1);
    pool_free(pool);
    gate_close(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_close_wait_runs_everything),
        SUPPORT_TEST(test_close_wait_waits_for_retries),
        SUPPORT_TEST(test_close_cancel_queued_lets_running_finish),
        SUPPORT_TEST(test_close_kill_ends_everything),
        SUPPORT_TEST(test_close_can_be_made_harder),
        SUPPORT_TEST(test_close_kill_cuts_a_running_grace_short),
        SUPPORT_TEST(test_close_refuses_what_it_does_not_know),
        SUPPORT_TEST(test_seal_runs_everything_and_ends_by_itself),
        SUPPORT_TEST(test_seal_waits_for_retries_and_can_be_made_harder),
        SUPPORT_TEST(test_seal_in_a_callback_and_of_nothing),
        SUPPORT_TEST(test_close_wakes_a_blocked_submit),
        SUPPORT_TEST(test_close_wakes_pool_next),
        SUPPORT_TEST(test_close_leaves_collected_jobs_to_fetch),
        SUPPORT_TEST(test_close_free_keeps_unreleased_jobs),
        SUPPORT_TEST(test_close_many_times_leaks_nothing),
        SUPPORT_TEST(test_close_several_pools_at_once),
        SUPPORT_TEST(test_close_pool_inside_a_job),
        SUPPORT_TEST(test_close_takes_the_pool_inside_a_job_along),
    };
    return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}
