/* Which job may start by its memory: what is said, what is learned, what the machine has left. Evictions under real
 * pressure are in tests/vm. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <reclaim/call.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB    ((int64_t)1 << 20)
#define BUDGET (100 * MIB)

static pool_t *open_pool(pool_options_t options)
{
    pool_t *pool;
    pool_error_t error;
    if (options.workers == 0)
        options.workers = 4;
    if (pool_open(&pool, &options, &error) < 0)
        fail_msg("pool_open: %s", error.message);
    return pool;
}

static pool_memory_t memory_of(const pool_t *pool)
{
    pool_memory_t memory;
    assert_int_equal(pool_memory(pool, &memory), 0);
    return memory;
}

static pool_stats_t stats_of(const pool_t *pool)
{
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    return stats;
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

/* A small job that has run proves that whoever came before it and does not run has been passed over. */
static void run_small(pool_t *pool)
{
    const pool_job_options_t options = {.memory_expected = POOL_NONE, .name = "small"};
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &options);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
}

static void finish(pool_job_t *job)
{
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
}

static void test_admission_refuses_what_could_never_fit(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){.memory_budget = BUDGET});
    pool_job_t *job;
    const pool_job_options_t options = {.memory_expected = BUDGET + 1};
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &job), -E2BIG);
    assert_null(job);
    assert_non_null(strstr(pool_message(), "memory_expected is 104857601 bytes and memory_budget 104857600"));
    finish(support_submit(pool, nothing, NULL, 0, &(pool_job_options_t){.memory_expected = BUDGET}));
    pool_free(pool);
}

static void test_admission_never_overbooks_what_is_said(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *jobs[4];
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){.memory_budget = BUDGET});
    for (int i = 0; i < 4; i++)
        jobs[i] = gate_submit(pool, &gate, (pool_job_options_t){.memory_expected = 40 * MIB});
    gate_await(&gate);
    gate_await(&gate);
    run_small(pool);
    assert_int_equal(stats_of(pool).queued, 2);
    assert_int_equal(memory_of(pool).budget, BUDGET);
    assert_in_range(memory_of(pool).reserved_for_jobs, 80 * MIB, 81 * MIB);
    gate_release(&gate, 1);
    gate_await(&gate);
    gate_release(&gate, 1);
    gate_await(&gate);
    gate_release(&gate, 2);
    for (int i = 0; i < 4; i++)
        finish(jobs[i]);
    pool_free(pool);
    gate_close(&gate);
}

static int use_60(pool_call_t *call)
{
    (void)call;
    const void *data = mmap(NULL, 60 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return data != MAP_FAILED ? 0 : 1;
}

/* One job of a name has told what the next will need, whatever function it runs. */
static void test_admission_learns_by_name(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){.memory_budget = BUDGET});
    finish(support_submit(pool, use_60, NULL, 0, &(pool_job_options_t){.name = "hungry"}));
    pool_job_t *first = gate_submit(pool, &gate, (pool_job_options_t){.name = "hungry"});
    gate_await(&gate);
    pool_job_t *second = gate_submit(pool, &gate, (pool_job_options_t){.name = "hungry"});
    run_small(pool);
    assert_int_equal(stats_of(pool).queued, 1);
    assert_true(memory_of(pool).reserved_for_jobs >= (uint64_t)(60 * MIB));
    gate_release(&gate, 1);
    gate_await(&gate);
    gate_release(&gate, 1);
    finish(first);
    finish(second);
    pool_free(pool);
    gate_close(&gate);
}

/* Jobs of a name that nothing is known of may wait for each other: all of them start, whatever the budget. */
static void test_admission_starts_all_that_wait_for_each_other(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct gate gate;
        pool_job_t *jobs[4];
        gate_open(&gate);
        pool_t *pool = open_pool((pool_options_t){.memory_budget = given != 0 ? BUDGET : 0});
        for (int i = 0; i < 4; i++)
            jobs[i] = gate_submit(pool, &gate, gate_options(&gate));
        for (int i = 0; i < 4; i++)
            gate_await(&gate);
        gate_release(&gate, 4);
        for (int i = 0; i < 4; i++)
            finish(jobs[i]);
        pool_free(pool);
        gate_close(&gate);
    }
}

/* What all that run use together, and the most that it has been. */
struct meter {
    atomic_llong now, most;
};

static struct meter *meter;

/* Uses 40 MiB from before it comes to the gate until after it. */
static int use_40_at_gate(pool_call_t *call)
{
    void *data = mmap(NULL, 40 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    const long long now = atomic_fetch_add(&meter->now, 40 * MIB) + 40 * MIB;
    long long most = atomic_load(&meter->most);
    while (now > most && !atomic_compare_exchange_weak(&meter->most, &most, now))
        ;
    gate_pass(call);
    atomic_fetch_sub(&meter->now, 40 * MIB);
    return data != MAP_FAILED ? 0 : 1;
}

/* Nothing is said, nothing known: their limits alone tell, and the budget is kept. */
static void test_admission_limits_alone_keep_a_given_budget(void **state)
{
    (void)state;
    enum { COUNT = 4 };
    struct gate gate;
    pool_job_t *jobs[COUNT];
    gate_open(&gate);
    meter = mmap(NULL, sizeof *meter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(meter, MAP_FAILED);
    pool_t *pool = open_pool((pool_options_t){.memory_budget = 50 * MIB});
    pool_job_options_t options = gate_options(&gate);
    options.memory_limit = 45 * MIB;
    for (int i = 0; i < COUNT; i++)
        jobs[i] = support_submit(pool, use_40_at_gate, NULL, 0, &options);
    for (int i = 0; i < COUNT; i++) {
        gate_await(&gate);
        run_small(pool);
        assert_int_equal(stats_of(pool).queued, COUNT - 1 - i);
        gate_release(&gate, 1);
    }
    for (int i = 0; i < COUNT; i++)
        finish(jobs[i]);
    assert_int_equal(atomic_load(&meter->most), 40 * MIB);
    pool_free(pool);
    munmap(meter, sizeof *meter);
    gate_close(&gate);
}

/* The first of a name has shown that it needs little: the others no longer wait for each other's limits. */
static void test_admission_learns_what_limits_hide(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *jobs[4];
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){.memory_budget = BUDGET});
    for (int i = 0; i < 4; i++)
        jobs[i] = gate_submit(pool, &gate, (pool_job_options_t){.memory_limit = 90 * MIB});
    gate_await(&gate);
    run_small(pool);
    assert_int_equal(stats_of(pool).queued, 3);
    gate_release(&gate, 1);
    for (int i = 0; i < 3; i++)
        gate_await(&gate);
    gate_release(&gate, 3);
    for (int i = 0; i < 4; i++)
        finish(jobs[i]);
    pool_free(pool);
    gate_close(&gate);
}

static atomic_int order;

/* Of starts: which of two that run at once ends first is the scheduler's affair. */
static void note_order(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    if (event->kind == POOL_EVENT_STARTED)
        *(int *)user = atomic_fetch_add(&order, 1);
}

static void test_admission_does_not_starve_large_jobs(void **state)
{
    (void)state;
    enum { SMALL = 60 };
    struct gate gate;
    pool_job_t *small[SMALL];
    int at = 0;
    gate_open(&gate);
    atomic_store(&order, 0);
    pool_t *pool = open_pool((pool_options_t){.memory_budget = BUDGET});
    pool_job_t *holder = gate_submit(pool, &gate, (pool_job_options_t){.memory_expected = 60 * MIB});
    gate_await(&gate);
    const pool_job_options_t large = {.memory_expected = 90 * MIB, .on_event = note_order, .user = &at};
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &large);
    int places[SMALL];
    for (int i = 0; i < SMALL; i++) {
        const pool_job_options_t options = {.memory_expected = 10 * MIB, .on_event = note_order, .user = &places[i]};
        small[i] = support_submit(pool, nothing, NULL, 0, &options);
    }
    while (stats_of(pool).settled[POOL_DONE] < 8) /* so many may pass it: 2 for each worker */
        usleep(1000);
    gate_release(&gate, 1);
    finish(holder);
    finish(job);
    for (int i = 0; i < SMALL; i++)
        finish(small[i]);
    assert_int_equal(at, 8);
    pool_free(pool);
    gate_close(&gate);
}

static void count_lines(const char *line, void *user)
{
    if (strstr(line, "jobs wait: less memory is available than memory_floor") != NULL)
        atomic_fetch_add((atomic_int *)user, 1);
}

static void test_admission_starts_nothing_below_the_floor(void **state)
{
    (void)state;
    atomic_int lines = 0;
    pool_t *pool = open_pool(
        (pool_options_t){.workers = 1, .memory_floor = INT64_MAX / 4, .log = count_lines, .log_user = &lines});
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, NULL);
    while (atomic_load(&lines) == 0)
        usleep(1000);
    assert_int_equal(pool_job_state(job), POOL_STATE_QUEUED);
    assert_true(memory_of(pool).pressure);
    assert_int_equal(memory_of(pool).floor, INT64_MAX / 4);
    assert_int_equal(pool_close(pool, POOL_CLOSE_CANCEL_QUEUED), 0);
    support_expect(pool_job_result(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(atomic_load(&lines), 1);
    pool_job_release(job);
    pool_free(pool);
}

static void test_admission_none(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *jobs[4];
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){.memory_budget = POOL_NONE, .memory_floor = POOL_NONE});
    for (int i = 0; i < 4; i++)
        jobs[i] = gate_submit(pool, &gate, (pool_job_options_t){.memory_expected = INT64_C(1) << 50});
    for (int i = 0; i < 4; i++)
        gate_await(&gate);
    assert_int_equal(memory_of(pool).budget, 0);
    assert_int_equal(memory_of(pool).floor, 0);
    assert_false(memory_of(pool).pressure);
    gate_release(&gate, 4);
    for (int i = 0; i < 4; i++)
        finish(jobs[i]);
    pool_free(pool);
    gate_close(&gate);
}

static int grow(pool_call_t *call)
{
    (void)call;
    while (mmap(NULL, (size_t)MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) !=
           MAP_FAILED)
        ;
    return 1;
}

/* A limit is raised up to the budget, and no further. */
static void test_admission_bounds_retries_with_more(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){.memory_budget = BUDGET});
    const pool_job_options_t options = {.memory_limit = 40 * MIB, .retry_oom = 2};
    pool_job_t *job = support_submit(pool, grow, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT);
    assert_int_equal(result->usage.attempt, 3);
    assert_int_equal(result->usage.oom_retries, 2);
    assert_int_equal(result->usage.memory_first_limit, 40 * MIB);
    assert_int_equal(result->usage.memory_limit, BUDGET);
    pool_job_release(job);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_admission_refuses_what_could_never_fit),
        SUPPORT_TEST(test_admission_never_overbooks_what_is_said),
        SUPPORT_TEST(test_admission_learns_by_name),
        SUPPORT_TEST(test_admission_starts_all_that_wait_for_each_other),
        SUPPORT_TEST(test_admission_limits_alone_keep_a_given_budget),
        SUPPORT_TEST(test_admission_learns_what_limits_hide),
        SUPPORT_TEST(test_admission_does_not_starve_large_jobs),
        SUPPORT_TEST(test_admission_starts_nothing_below_the_floor),
        SUPPORT_TEST(test_admission_none),
        SUPPORT_TEST(test_admission_bounds_retries_with_more),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
