/* What a job is said to have used: its own memory and not its host's, its times, and the pool's own numbers. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB       ((uint64_t)1 << 20)
#define HOST_SIZE ((SUPPORT_SANITIZED ? 256 : 2048) * MIB)
#define JOB_SIZE  (50 * MIB)
#define ARG_SIZE  ((SUPPORT_SANITIZED ? 64 : 200) * MIB)
#define MARGIN    (2 * MIB)

/* Memory in use that no sanitizer keeps books of. */
static void *touch(uint64_t size)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void expect_near(uint64_t value, uint64_t expected, uint64_t margin)
{
    if (value + margin < expected || value > expected + margin)
        fail_msg("%.1f MiB instead of %.1f", (double)value / MIB, (double)expected / MIB);
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

static int use_memory(pool_call_t *call)
{
    (void)call;
    return touch(JOB_SIZE) != NULL ? 0 : 1;
}

static int use_memory_for_a_while(pool_call_t *call)
{
    (void)call;
    void *data = touch(JOB_SIZE);
    if (data == NULL)
        return 1;
    munmap(data, JOB_SIZE); /* the peak stays */
    return 0;
}

static int let_a_child_use_memory(pool_call_t *call)
{
    const pid_t pid = fork();
    int status;
    if (pid == 0)
        _exit(use_memory(call));
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

/* These touch a byte of every page unseen by sanitizers, whose shadows would count. */
#define UNSEEN __attribute__((no_sanitize("address", "thread")))

UNSEEN static void dirty(volatile unsigned char *data, uint64_t size)
{
    for (uint64_t i = 0; i < size; i += 4096)
        data[i] = 1;
}

UNSEEN static int read_argument(pool_call_t *call)
{
    size_t size, sum = 0;
    const unsigned char *arg = pool_call_arg(call, &size);
    for (size_t i = 0; i < size; i += 4096)
        sum += arg[i];
    return sum == size / 4096 ? 0 : 1;
}

static int return_copied(pool_call_t *call)
{
    const void *data = touch(JOB_SIZE);
    return data == NULL ? 1 : pool_call_return(call, data, JOB_SIZE);
}

static int return_in_place(pool_call_t *call)
{
    void *data = pool_call_alloc_result(call, JOB_SIZE);
    if (data == NULL)
        return 1;
    dirty(data, JOB_SIZE);
    return pool_call_return(call, data, JOB_SIZE);
}

static const pool_result_t *run(pool_t *pool, pool_fn fn, const void *arg, size_t size, pool_job_t **job)
{
    *job = support_submit(pool, fn, arg, size, NULL);
    const pool_result_t *result = support_wait(*job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_not_equal(result->usage.memory_method, POOL_MEMORY_UNMEASURED);
    assert_true(result->usage.complete);
    return result;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void expect_peak(pool_t *pool, pool_fn fn, uint64_t expected)
{
    pool_job_t *job;
    expect_near(run(pool, fn, NULL, 0, &job)->usage.peak_memory, expected, MARGIN);
    pool_job_release(job);
}

static void test_usage_is_the_jobs_own(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_peak(pool, nothing, 0);
    expect_peak(pool, use_memory, JOB_SIZE);
    expect_peak(pool, use_memory_for_a_while, JOB_SIZE);
    expect_peak(pool, let_a_child_use_memory, JOB_SIZE);
    expect_peak(pool, nothing, 0);
    pool_free(pool);
}

static void test_usage_is_the_jobs_own_under_a_big_host(void **state)
{
    (void)state;
    void *host = touch(HOST_SIZE);
    assert_non_null(host);
    pool_t *pool = support_open(1, POOL_NONE);
    pool_job_t *job;
    expect_peak(pool, nothing, 0);
    expect_peak(pool, use_memory_for_a_while, JOB_SIZE);
    const pool_result_t *result = run(pool, use_memory, NULL, 0, &job);
    expect_near(result->usage.peak_memory, JOB_SIZE, MARGIN);
    assert_int_equal(result->usage.memory_limit, 0);
    assert_int_equal(result->usage.overshoot, 0);
    /* Had it written to what it inherited, that would not show: so much more it may be. */
    assert_true(result->usage.peak_bound >= HOST_SIZE);
    pool_job_release(job);
    pool_free(pool);
    munmap(host, HOST_SIZE);
}

static void test_usage_of_commands_is_not_their_hosts(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "sleep 0.3", NULL};
    const pool_command_t command = {.argv = argv};
    void *host = touch(HOST_SIZE);
    assert_non_null(host);
    pool_t *pool = support_open(1, POOL_NONE);
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_not_equal(result->usage.memory_method, POOL_MEMORY_UNMEASURED);
    assert_in_range(result->usage.peak_memory, 32 << 10, 8 * MIB);
    pool_job_release(job);
    pool_free(pool);
    munmap(host, HOST_SIZE);
}

static void test_usage_of_a_large_command(void **state)
{
    (void)state;
    const char *argv[] = {"dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1", NULL};
    const pool_command_t command = {.argv = argv, .stderr_mode = POOL_STREAM_DISCARD};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    expect_near(result->usage.peak_memory, 300 * MIB, 5 * MIB); /* a command is all of its process */
    pool_job_release(job);
    pool_free(pool);
}

static void test_usage_leaves_out_the_argument(void **state)
{
    (void)state;
    void *arg = touch(ARG_SIZE);
    assert_non_null(arg);
    dirty(arg, ARG_SIZE);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    expect_near(run(pool, read_argument, arg, ARG_SIZE, &job)->usage.peak_memory, 0, MARGIN);
    pool_job_release(job);
    pool_free(pool);
    munmap(arg, ARG_SIZE);
}

static void test_usage_counts_results(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    if (!SUPPORT_SANITIZED)                         /* as below */
        expect_peak(pool, return_copied, JOB_SIZE); /* a plain worker's goes up without a copy */
    pool_free(pool);
    pool = support_open_full(1, 0);
    expect_peak(pool, return_in_place, JOB_SIZE);
    if (!SUPPORT_SANITIZED)                             /* whose shadow of the copied bytes counts, too */
        expect_peak(pool, return_copied, 2 * JOB_SIZE); /* and a copy of it */
    pool_free(pool);
}

/* ---- times and counts -------------------------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int burn(pool_call_t *call)
{
    const double end = cpu_seconds() + 0.2;
    (void)call;
    while (cpu_seconds() < end)
        ;
    return 0;
}

static int let_a_child_burn(pool_call_t *call)
{
    const pid_t pid = fork();
    if (pid == 0)
        _exit(burn(call));
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

static void expect_burnt(pool_t *pool, pool_fn fn)
{
    pool_job_t *job;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    const pool_usage_t *usage = &run(pool, fn, NULL, 0, &job)->usage;
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(usage->user_seconds + usage->system_seconds >= 0.19);
    assert_true(usage->user_seconds + usage->system_seconds < usage->wall_seconds + 1);
    assert_true(usage->wall_seconds >= 0.19);
    assert_true(usage->started >= (double)before.tv_sec - 1 && usage->ended <= (double)after.tv_sec + 1);
    assert_true(usage->ended - usage->started >= 0.19);
    assert_true(usage->ended - usage->started < usage->wall_seconds + 1);
    pool_job_release(job);
}

static void test_usage_times(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_burnt(pool, burn);
    expect_burnt(pool, let_a_child_burn);
    pool_free(pool);
}

static int fault_one_by_one(pool_call_t *call)
{
    unsigned char *data = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)call;
    if (data == MAP_FAILED || madvise(data, 8 * MIB, MADV_NOHUGEPAGE) < 0)
        return 1;
    dirty(data, 8 * MIB);
    return 0;
}

static void test_usage_counts_faults_processes_and_attempts(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_usage_t *usage = &run(pool, fault_one_by_one, NULL, 0, &job)->usage;
    assert_in_range(usage->minor_faults, 2048, 200000);
    assert_int_equal(usage->processes, 1);
    assert_int_equal(usage->processes_killed, 0);
    assert_int_equal(usage->attempt, 1);
    assert_int_equal(usage->evictions, 0);
    assert_false(usage->unkillable);
    pool_job_release(job);
    pool_free(pool);
}

/* ---- the pool's own numbers -------------------------------------------------------------------------------------- */

static int hold_memory_at_the_gate(pool_call_t *call)
{
    if (touch(JOB_SIZE) == NULL)
        return 1;
    return gate_job(call);
}

static void test_usage_pool_memory(void **state)
{
    (void)state;
    struct gate gate;
    pool_memory_t memory;
    gate_open(&gate);
    void *arg = touch(16 * MIB);
    assert_non_null(arg);
    pool_t *pool = support_open(1, POOL_NONE);
    const pool_job_options_t options = gate_options(&gate);
    pool_job_t *job = support_submit(pool, hold_memory_at_the_gate, NULL, 0, &options);
    gate_await(&gate);
    pool_job_t *queued = support_submit(pool, nothing, arg, 16 * MIB, NULL);
    assert_int_equal(pool_memory(pool, &memory), 0);
    expect_near(memory.host, support_rss(), MARGIN);
    assert_true(memory.fork_server > 0);
    expect_near(memory.workers, JOB_SIZE, 2 * MARGIN);
    assert_int_equal(memory.results, 16 * MIB);
    assert_true(memory.available > MIB);
    assert_true(memory.budget > memory.available / 2 && memory.floor > 0);
    assert_int_equal(memory.reserved_for_jobs, memory.budget); /* of one worker, a fair share is all */
    assert_int_equal(memory.method, POOL_MEMORY_SAMPLED);
    gate_release(&gate, 1);
    support_wait(job);
    support_wait(queued);
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_int_equal(memory.results, 0);
    expect_near(memory.workers, 0, 2 * MARGIN);
    pool_job_release(job);
    pool_job_release(queued);
    pool_free(pool);
    munmap(arg, 16 * MIB);
    gate_close(&gate);
}

static void test_usage_pool_memory_holds_results(void **state)
{
    (void)state;
    pool_memory_t memory;
    pool_job_t *job;
    pool_t *pool = support_open(1, POOL_NONE);
    assert_int_equal(pool_memory(pool, NULL), -EINVAL);
    assert_int_equal(pool_memory(NULL, &memory), -EINVAL);
    run(pool, return_in_place, NULL, 0, &job);
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_int_equal(memory.results, JOB_SIZE);
    pool_job_release(job);
    do /* the pool drops its own reference a moment later */
        assert_int_equal(pool_memory(pool, &memory), 0);
    while (memory.results != 0 && usleep(1000) == 0);
    pool_free(pool);
}

/* Waits until nothing runs and idle workers are there again. */
static void await_rest(pool_t *pool, pool_stats_t *stats)
{
    do
        assert_int_equal(pool_stats(pool, stats), 0);
    while ((stats->warm == 0 || stats->running > 0) && usleep(1000) == 0);
}

static void test_usage_pool_stats(void **state)
{
    (void)state;
    struct gate gate;
    pool_stats_t stats;
    pool_job_t *jobs[5];
    gate_open(&gate);
    pool_t *pool = support_open(2, 1);
    await_rest(pool, &stats);
    for (int i = 0; i < 5; i++)
        jobs[i] = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    gate_await(&gate);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.queued, 3);
    assert_int_equal(stats.running, 2);
    assert_int_equal(stats.submitted, 5);
    assert_int_equal(stats.fork_servers_lost, 0);
    assert_true(support_alive(stats.keeper_pid) && support_alive(stats.fork_server_pid));
    assert_int_equal(pool_job_cancel(jobs[4]), 0);
    support_wait(jobs[4]);
    gate_release(&gate, 4);
    for (int i = 0; i < 5; i++) {
        support_wait(jobs[i]);
        pool_job_release(jobs[i]);
    }
    await_rest(pool, &stats);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.running, 0);
    assert_int_equal(stats.settled[POOL_DONE], 4);
    assert_int_equal(stats.settled[POOL_CANCELLED], 1);
    assert_in_range(stats.warm, 1, 2);            /* under load one more may be kept */
    assert_in_range(stats.workers_started, 5, 7); /* and a second is sent away */
    assert_int_equal(stats.retried, 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.warm, 0);
    assert_int_equal(stats.keeper_pid, -1);
    assert_int_equal(stats.fork_server_pid, -1);
    pool_free(pool);
    gate_close(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_usage_is_the_jobs_own),
        SUPPORT_TEST(test_usage_is_the_jobs_own_under_a_big_host),
        SUPPORT_TEST(test_usage_of_commands_is_not_their_hosts),
        SUPPORT_TEST(test_usage_of_a_large_command),
        SUPPORT_TEST(test_usage_leaves_out_the_argument),
        SUPPORT_TEST(test_usage_counts_results),
        SUPPORT_TEST(test_usage_times),
        SUPPORT_TEST(test_usage_counts_faults_processes_and_attempts),
        SUPPORT_TEST(test_usage_pool_memory),
        SUPPORT_TEST(test_usage_pool_memory_holds_results),
        SUPPORT_TEST(test_usage_pool_stats),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
