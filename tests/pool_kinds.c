/* Pools whose jobs need plain and full workers by turns, through everything that ends workers: every job has its right
 * outcome, none runs twice, none is left, and there are never more workers than were allowed. */
#include "bell.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOBS_MAX    400
#define LARGE_VALUE ((size_t)400 * 1024)
#define LARGE       ((size_t)100 * 1024) /* an argument that goes down in a memfd */

/* ---- what all processes of a test share -------------------------------------------------------------------------- */

struct control {
    _Atomic uint32_t runs[JOBS_MAX]; /* how often each job has begun */
    _Atomic uint32_t come, go;       /* bells of the job that waits */
};

static struct control *control;

static int begin(void **state)
{
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return control == MAP_FAILED ? 1 : support_begin(state);
}

static int end(void **state)
{
    munmap(control, sizeof *control);
    return support_end(state);
}

/* ---- the jobs ---------------------------------------------------------------------------------------------------- */

enum kind { KIND_PLAIN = 0, KIND_FDS, KIND_CAPTURE, KIND_MEMFD, KIND_LARGE_VALUE, KIND_COMMAND, KIND_COUNT };

struct argument {
    uint32_t which;
    uint32_t kind;
    bool waits; /* for ever, once it has begun */
};

/* Counts itself, and proves that it has what it was given. */
static int run_kind(pool_call_t *call)
{
    static uint8_t value[LARGE_VALUE];
    const struct argument *argument = pool_call_arg(call, NULL);
    atomic_fetch_add(&control->runs[argument->which], 1);
    if (argument->waits)
        bell_await(&control->go);
    switch (argument->kind) {
    case KIND_FDS: {
        char byte;
        if (read(pool_call_fd(call, 0), &byte, 1) != 1 || byte != 0)
            return pool_call_fail(call, 1, "the descriptor is not /dev/zero");
        break;
    }
    case KIND_CAPTURE:
        printf("job %u", argument->which);
        break;
    case KIND_LARGE_VALUE:
        memset(value, (int)(argument->which % 251), sizeof value);
        return pool_call_return(call, value, sizeof value);
    default:
        break;
    }
    return pool_call_return(call, &argument->which, sizeof argument->which);
}

struct run {
    pool_job_t *jobs[JOBS_MAX];
    struct argument arguments[JOBS_MAX];
    size_t count;
    int zero;
};

static void run_begin(struct run *run)
{
    run->count = 0;
    run->zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_true(run->zero >= 0);
    memset(control, 0, sizeof *control);
}

/* A command cannot count itself: its output says that it ran, once. */
static pool_job_t *submit_command(pool_t *pool, uint32_t which)
{
    char text[32];
    const char *const argv[] = {"echo", "-n", text, NULL};
    const pool_command_t command = {.argv = argv, .stdout_mode = POOL_STREAM_CAPTURE};
    pool_job_t *job;
    snprintf(text, sizeof text, "job %u", which);
    if (pool_submit_command(pool, &command, NULL, &job) < 0)
        fail_msg("pool_submit_command: %s", pool_message());
    return job;
}

static pool_job_t *submit_function(pool_t *pool, const struct run *run, const struct argument *argument)
{
    static uint8_t large[LARGE];
    pool_job_options_t options = {.name = argument->waits ? "waits" : "runs"};
    size_t size = sizeof *argument;
    memcpy(large, argument, size);
    if (argument->kind == KIND_FDS) {
        options.fds = &run->zero;
        options.fd_count = 1;
    } else if (argument->kind == KIND_CAPTURE) {
        options.output = POOL_OUTPUT_CAPTURE;
    } else if (argument->kind == KIND_MEMFD) {
        size = sizeof large;
    }
    return support_submit(pool, run_kind, large, size, &options);
}

static void submit(pool_t *pool, struct run *run, uint32_t kind, bool waits)
{
    const uint32_t which = (uint32_t)run->count++;
    assert_true(which < JOBS_MAX);
    run->arguments[which] = (struct argument){.which = which, .kind = kind, .waits = waits};
    run->jobs[which] =
        kind == KIND_COMMAND ? submit_command(pool, which) : submit_function(pool, run, &run->arguments[which]);
}

static void assert_done(const struct run *run, uint32_t which)
{
    char text[32];
    const pool_result_t *result = pool_job_result(run->jobs[which]);
    const uint32_t kind = run->arguments[which].kind;
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    snprintf(text, sizeof text, "job %u", which);
    if (kind == KIND_COMMAND || kind == KIND_CAPTURE)
        assert_string_equal(result->out, text);
    if (kind == KIND_LARGE_VALUE)
        assert_true(result->size == LARGE_VALUE && ((const uint8_t *)result->data)[result->size - 1] == which % 251);
    else if (kind != KIND_COMMAND)
        assert_true(result->size == sizeof which && memcmp(result->data, &which, sizeof which) == 0);
}

/* Every job has ended in one of these ways. One that is done has run once; no other has run more than that. */
static void run_end(struct run *run, uint32_t allowed)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const pool_result_t *result = support_wait(run->jobs[i]);
        const uint32_t runs = atomic_load(&control->runs[i]);
        if ((POOL_RETRY_ON(result->outcome) & allowed) == 0)
            fail_msg("job %u: %s: %s", i, pool_outcome_name(result->outcome), result->message);
        if (result->outcome == POOL_DONE)
            assert_done(run, i);
        if (run->arguments[i].kind != KIND_COMMAND)
            assert_in_range(runs, result->outcome == POOL_DONE ? 1 : 0, 1);
        pool_job_release(run->jobs[i]);
    }
    close(run->zero);
}

/* Keeper, fork server, and of each worker a process; a command is one more. */
static void assert_few_processes(const pool_t *pool, size_t workers, size_t warm, size_t commands)
{
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_true(stats.running <= workers);
    const size_t processes = support_descendants(getpid());
    if (processes > 2 + workers + warm + 1 + commands) /* one more: a pool at rest has warm or warm + 1 */
        fail_msg("%zu processes of %zu workers and %zu warm ones", processes, workers, warm);
}

/* ---- by turns ---------------------------------------------------------------------------------------------------- */

static const struct {
    int workers, warm;
} pools[] = {{1, POOL_NONE}, {1, 16}, {3, POOL_NONE}, {3, 16}};

#define POOLS (sizeof pools / sizeof *pools)

static size_t warm_of(size_t i)
{
    return pools[i].warm == POOL_NONE ? 0 : (size_t)pools[i].warm;
}

/* Kinds in an order that changes with the round. */
static uint32_t kind_at(size_t i)
{
    return (uint32_t)((i * 7 + i / 5) % 3 == 0 ? KIND_PLAIN : (i * 5 + i / 3) % KIND_COUNT);
}

static void test_kinds_alternate_all_at_once(void **state)
{
    static struct run run;
    (void)state;
    for (size_t p = 0; p < POOLS; p++) {
        pool_t *pool = support_open(pools[p].workers, pools[p].warm);
        run_begin(&run);
        for (size_t i = 0; i < 120; i++) {
            submit(pool, &run, kind_at(i), false);
            if (i % 10 == 9)
                assert_few_processes(pool, (size_t)pools[p].workers, warm_of(p), (size_t)pools[p].workers);
        }
        support_wait(run.jobs[run.count - 1]);
        assert_few_processes(pool, (size_t)pools[p].workers, warm_of(p), (size_t)pools[p].workers);
        run_end(&run, POOL_RETRY_ON(POOL_DONE));
        pool_free(pool);
    }
}

static void test_kinds_alternate_one_at_a_time(void **state)
{
    static struct run run;
    (void)state;
    for (size_t p = 0; p < POOLS; p++) {
        pool_t *pool = support_open(pools[p].workers, pools[p].warm);
        run_begin(&run);
        for (size_t i = 0; i < 100; i++) {
            submit(pool, &run, i % 2 == 0 ? KIND_PLAIN : (uint32_t)(i / 2 % KIND_COUNT), false);
            assert_int_equal(support_wait(run.jobs[i])->outcome, POOL_DONE);
            assert_few_processes(pool, (size_t)pools[p].workers, warm_of(p), 1);
        }
        run_end(&run, POOL_RETRY_ON(POOL_DONE));
        pool_free(pool);
    }
}

/* Each way to close, while jobs of all kinds wait and run. */
static void test_kinds_close(void **state)
{
    static struct run run;
    static const uint32_t allowed[] = {POOL_RETRY_ON(POOL_DONE),
                                       POOL_RETRY_ON(POOL_DONE) | POOL_RETRY_ON(POOL_CANCELLED),
                                       POOL_RETRY_ON(POOL_DONE) | POOL_RETRY_ON(POOL_CANCELLED)};
    (void)state;
    for (size_t p = 0; p < POOLS; p++)
        for (pool_close_t how = POOL_CLOSE_WAIT; how <= POOL_CLOSE_KILL; how++) {
            pool_t *pool = support_open(pools[p].workers, pools[p].warm);
            run_begin(&run);
            for (size_t i = 0; i < 40; i++)
                submit(pool, &run, kind_at(i + how), false);
            support_wait(run.jobs[p * 4]); /* then some have run, and some are on the way */
            assert_int_equal(pool_close(pool, how), 0);
            assert_int_equal(support_descendants(getpid()), 0);
            run_end(&run, allowed[how]);
            pool_free(pool);
        }
}

static void test_kinds_cancel(void **state)
{
    static struct run run;
    (void)state;
    for (size_t p = 0; p < POOLS; p++) {
        pool_t *pool = support_open(pools[p].workers, pools[p].warm);
        run_begin(&run);
        for (size_t i = 0; i < 120; i++) {
            submit(pool, &run, kind_at(i), false);
            if (i % 3 == 1) /* the one that is on its way to a worker of its kind, or has just come */
                pool_job_cancel(run.jobs[i]);
            if (i % 5 == 4)
                pool_job_cancel(run.jobs[i - 3]);
        }
        run_end(&run, POOL_RETRY_ON(POOL_DONE) | POOL_RETRY_ON(POOL_CANCELLED));
        pool_free(pool);
    }
}

/* A job that waits is cancelled, of a kind that the next one is not. */
static void test_kinds_cancel_running(void **state)
{
    static struct run run;
    (void)state;
    pool_t *pool = support_open(1, POOL_NONE);
    run_begin(&run);
    for (size_t i = 0; i < 48; i += 2) {
        submit(pool, &run, (uint32_t)(i / 2 % KIND_COMMAND), true);
        submit(pool, &run, (uint32_t)((i / 2 + 1) % KIND_COUNT), false);
        while (atomic_load(&control->runs[i]) == 0)
            sched_yield();
        assert_int_equal(pool_job_cancel(run.jobs[i]), 0);
        assert_int_equal(support_wait(run.jobs[i])->outcome, POOL_CANCELLED);
        assert_int_equal(support_wait(run.jobs[i + 1])->outcome, POOL_DONE);
    }
    run_end(&run, POOL_RETRY_ON(POOL_DONE) | POOL_RETRY_ON(POOL_CANCELLED));
    pool_free(pool);
}

static void kill_server(const pool_t *pool)
{
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    if (stats.fork_server_pid > 0)
        kill(stats.fork_server_pid, SIGKILL);
}

/* No job may run again that has begun: it is lost. One that has not begun does not notice. */
static void test_kinds_fork_server_killed(void **state)
{
    static struct run run;
    (void)state;
    for (size_t p = 0; p < POOLS; p++) {
        pool_t *pool = support_open(pools[p].workers, pools[p].warm);
        run_begin(&run);
        for (size_t i = 0; i < 60; i++) {
            submit(pool, &run, kind_at(i), false);
            if (i % 12 == 5) {
                support_wait(run.jobs[i - 5]);
                kill_server(pool);
            }
        }
        run_end(&run, POOL_RETRY_ON(POOL_DONE) | POOL_RETRY_ON(POOL_LOST));
        pool_free(pool);
    }
}

/* ---- pages that lie ---------------------------------------------------------------------------------------------- */

enum lie { LIE_ZEROS = 0, LIE_ONES, LIE_AS_BEFORE, LIE_COUNT };

/* The page of its slot, by its maps. */
static uint8_t *find_page(size_t *size)
{
    char line[512];
    unsigned long start = 0, stop = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && start == 0 && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "/memfd:reclaim-pages") == NULL || sscanf(line, "%lx-%lx", &start, &stop) != 2)
            start = 0;
    if (maps != NULL)
        fclose(maps);
    *size = stop - start;
    return (uint8_t *)start; // NOLINT(performance-no-int-to-ptr)
}

/* Writes over all of its page, says so, and waits for its end. */
static int lie(pool_call_t *call)
{
    static uint8_t before[65536];
    const uint32_t *which = pool_call_arg(call, NULL);
    size_t size;
    uint8_t *page = find_page(&size);
    atomic_fetch_add(&control->runs[*which], 1);
    if (page == NULL || size > sizeof before)
        return pool_call_fail(call, 1, "there is no page");
    memcpy(before, page, size);
    if (*which == LIE_AS_BEFORE)
        memcpy(page, before, size);
    else
        memset(page, *which == LIE_ZEROS ? 0 : 0xff, size);
    bell_ring(&control->come, BELL_FIRST);
    bell_await(&control->go);
    return 0;
}

static void run_lie(uint32_t which, const pool_job_options_t *options, bool kills_server)
{
    pool_t *pool = support_open(1, POOL_NONE);
    memset(control, 0, sizeof *control);
    pool_job_t *job = support_submit(pool, lie, &which, sizeof which, options);
    bell_await(&control->come);
    if (kills_server)
        kill_server(pool);
    else
        bell_ring(&control->go, BELL_FIRST);
    const pool_result_t *result = support_wait(job);
    if (kills_server)
        support_expect(result, POOL_LOST, POOL_CAUSE_LOST);
    else
        assert_true(result->outcome == POOL_DONE || result->outcome == POOL_CRASHED);
    assert_int_equal(atomic_load(&control->runs[which]), 1);
    pool_job_release(job);

    struct run run; /* the pool goes on */
    run_begin(&run);
    submit(pool, &run, KIND_PLAIN, false);
    submit(pool, &run, KIND_FDS, false);
    run_end(&run, POOL_RETRY_ON(POOL_DONE));
    pool_free(pool);
}

static void test_kinds_lying_page_runs_no_job_again(void **state)
{
    const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const pool_job_options_t full = {.fds = &zero, .fd_count = 1};
    (void)state;
    for (uint32_t which = 0; which < LIE_COUNT; which++) {
        run_lie(which, NULL, true);
        run_lie(which, &full, true);
        run_lie(which, NULL, false);
        run_lie(which, &full, false);
    }
    close(zero);
}

#define KINDS_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KINDS_TEST(test_kinds_alternate_all_at_once),
        KINDS_TEST(test_kinds_alternate_one_at_a_time),
        KINDS_TEST(test_kinds_close),
        KINDS_TEST(test_kinds_cancel),
        KINDS_TEST(test_kinds_cancel_running),
        KINDS_TEST(test_kinds_fork_server_killed),
        KINDS_TEST(test_kinds_lying_page_runs_no_job_again),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
