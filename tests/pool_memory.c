/* Memory limits that hold without privilege, and peaks of known shapes, as sampling tells them. docs/memory.md has the
 * table that these figures are in; tests/vm has the same for cgroups. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB       ((uint64_t)1 << 20)
#define LIMIT     (64 * MIB)
#define PAST      (64 * MIB) /* how far past a limit a job that allocates 1.5 GB/s may be found: 43 ms */
#define PAST_FAST (4 * PAST) /* and one that does several times as much a second */
#define MARGIN    (2 * MIB)
#define HOLD_MS   (SUPPORT_SANITIZED ? 300 : 30) /* a spike of a tree that must be seen */
#define SECOND_MS 1000
#define TREE      3 /* processes of one */
#define TREE_SIZE (40 * MIB)

/* Pages in use that no sanitizer keeps books of. */
static void *touch(uint64_t size)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

__attribute__((no_sanitize("address", "thread"))) static void rewrite(volatile unsigned char *data, uint64_t size)
{
    for (uint64_t i = 0; i < size; i += 4096)
        data[i]++;
}

__attribute__((no_sanitize("address", "thread"))) static void read_argument(const pool_call_t *call)
{
    size_t size;
    const volatile unsigned char *data = pool_call_arg(call, &size);
    for (size_t i = 0; i < size; i += 4096)
        (void)data[i];
}

/* A pause that is the shape under test, not a wait for anything. */
static void hold(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

static const pool_result_t *run(pool_t *pool, pool_fn fn, const pool_job_options_t *options, pool_job_t **job)
{
    *job = support_submit(pool, fn, NULL, 0, options);
    return support_wait(*job);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* As programs do: page by page, and never faster than 1.5 GB/s, for which the bound is given. */
static int allocate_without_end(pool_call_t *call)
{
    const int64_t step_ns = (int64_t)MIB * 2 / 3;
    (void)call;
    for (unsigned char *data;;) {
        const int64_t start = now_ns();
        if ((data = malloc(MIB)) == NULL)
            return 1;
        memset(data, 1, MIB);
        while (now_ns() < start + step_ns)
            ;
    }
}

static int grow(pool_call_t *call)
{
    (void)call;
    while (touch(MIB) != NULL)
        ;
    return 1;
}

static int grow_on_huge_pages(pool_call_t *call)
{
    for (unsigned char *data; (data = pool_call_alloc(call, 8 * MIB)) != NULL;)
        rewrite(data, 8 * MIB);
    return 1;
}

static int grow_in_one_call(pool_call_t *call)
{
    (void)call;
    return touch(4096 * MIB) != NULL ? 0 : 1;
}

static int grow_shared(pool_call_t *call)
{
    unsigned char *data = mmap(NULL, 1024 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)call;
    if (data != MAP_FAILED)
        rewrite(data, 1024 * MIB);
    return 1;
}

static int grow_result(pool_call_t *call)
{
    unsigned char *data = pool_call_alloc_result(call, 1024 * MIB);
    if (data != NULL)
        rewrite(data, 1024 * MIB);
    return pool_call_return(call, data, 1024 * MIB);
}

static int let_a_grandchild_grow(pool_call_t *call)
{
    if (fork() == 0) {
        if (fork() == 0)
            _exit(grow(call));
        wait(NULL);
        _exit(0);
    }
    wait(NULL);
    return 0;
}

/* Its parent is gone: it is the fork server's child now, in a session of its own. */
static int let_a_daemon_grow(pool_call_t *call)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            _exit(grow(call));
        _exit(0);
    }
    wait(NULL);
    for (;;)
        pause();
    return 0;
}

static int let_many_grow_a_little(pool_call_t *call)
{
    (void)call;
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            touch(LIMIT / 4);
            for (;;)
                pause();
        }
    for (;;)
        pause();
    return 0;
}

static void *grow_in_a_thread(void *call)
{
    grow(call);
    return NULL;
}

/* What it has resident is not to be read where that of other processes is. */
static int let_a_thread_outlive_the_first(pool_call_t *call)
{
    if (fork() == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, grow_in_a_thread, call);
        syscall(SYS_exit, 0);
    }
    wait(NULL);
    return 0;
}

static void expect_over(const pool_result_t *result, uint64_t past)
{
    const pool_usage_t *usage = &result->usage;
    support_expect(result, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT);
    assert_int_equal(usage->memory_method, POOL_MEMORY_SAMPLED);
    assert_int_equal(usage->memory_limit, LIMIT);
    assert_true(usage->peak_memory > LIMIT);
    assert_int_equal(usage->overshoot, usage->peak_memory - LIMIT);
    if (usage->overshoot > past && !SUPPORT_SANITIZED) /* a sanitizer's books grow along, several times as fast */
        fail_msg("%.1f MiB past the limit", (double)usage->overshoot / MIB);
    assert_non_null(strstr(result->message, "over its memory limit of 64.0 MiB"));
    assert_non_null(strstr(result->message, "sampled"));
}

static void test_memory_limit_holds(void **state)
{
    (void)state;
    static const struct {
        pool_fn fn;
        uint64_t past;
    } growers[] = {
        {allocate_without_end, PAST},
        {grow, PAST_FAST},
        {grow_on_huge_pages, PAST_FAST},
        {grow_in_one_call, PAST_FAST},
        {grow_shared, PAST},
        {grow_result, PAST},
        {let_a_grandchild_grow, PAST_FAST},
        {let_a_daemon_grow, PAST_FAST},
        {let_many_grow_a_little, PAST_FAST},
        {let_a_thread_outlive_the_first, PAST_FAST},
    };
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof growers / sizeof growers[0]; i++) {
        pool_job_t *job;
        expect_over(run(pool, growers[i].fn, &options, &job), growers[i].past);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* By default a pool's budget is 80 % of the memory of which memory_share is a share. */
static void test_memory_share_is_a_limit(void **state)
{
    (void)state;
    pool_memory_t memory;
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    assert_int_equal(pool_memory(pool, &memory), 0);
    const double total = (double)memory.budget / 0.8;
    const pool_job_options_t options = {.memory_share = (double)LIMIT / total};
    const pool_result_t *result = run(pool, allocate_without_end, &options, &job);
    support_expect(result, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT);
    assert_true(result->usage.memory_limit > LIMIT - MIB && result->usage.memory_limit < LIMIT + MIB);
    pool_job_release(job);
    pool_free(pool);
}

static void test_memory_limit_holds_for_commands(void **state)
{
    (void)state;
    const char *argv[] = {"sh", "-c", "dd if=/dev/zero of=/dev/null bs=1G count=1 & wait; exit 0", NULL};
    const pool_command_t command = {.argv = argv, .stderr_mode = POOL_STREAM_DISCARD};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, &(pool_job_options_t){.memory_limit = (int64_t)LIMIT}, &job),
                     0);
    const pool_result_t *result = support_wait(job);
    expect_over(result, PAST_FAST);
    assert_true(result->usage.processes >= 2);
    pool_job_release(job);
    pool_free(pool);
}

static void test_memory_limits_hold_beside_each_other(void **state)
{
    (void)state;
    enum { JOBS = 8 };
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    pool_t *pool = support_open(JOBS, 0);
    pool_job_t *jobs[JOBS];
    for (int i = 0; i < JOBS; i++)
        jobs[i] = support_submit(pool, i % 2 == 0 ? grow : let_a_grandchild_grow, NULL, 0, &options);
    for (int i = 0; i < JOBS; i++) {
        expect_over(support_wait(jobs[i]), PAST_FAST);
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
}

/* The first child of a process; -1: none. */
static pid_t first_child(pid_t parent)
{
    char path[64];
    int child = -1;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    if (fscanf(file, "%d", &child) != 1)
        child = -1;
    fclose(file);
    return child;
}

/* The address of the futex on which a process sleeps; 0: on none. */
static unsigned long futex_slept_on(pid_t pid)
{
    char path[64];
    long call = -1;
    unsigned long address = 0;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    const bool is_futex = fscanf(file, "%ld %lx", &call, &address) == 2 && call == SYS_futex;
    fclose(file);
    return is_futex ? address : 0;
}

/* On a busy machine the job may have the processor long before the fork server, which is stopped here. */
static void test_memory_limit_is_there_before_the_job(void **state)
{
    (void)state;
    pool_stats_t stats;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open_full(1, 1);
    do
        assert_int_equal(pool_stats(pool, &stats), 0);
    while (stats.warm == 0 && usleep(1000) == 0);
    const pid_t worker = first_child(stats.fork_server_pid);
    assert_true(worker > 0);
    unsigned long idle, waits; /* for a task; for the fork server to watch it */
    while ((idle = futex_slept_on(worker)) == 0)
        usleep(1000);
    assert_int_equal(kill(stats.fork_server_pid, SIGSTOP), 0);
    pool_job_options_t options = gate_options(&gate);
    options.memory_limit = (int64_t)LIMIT;
    pool_job_t *job = gate_submit(pool, &gate, options);
    struct pollfd began = {.fd = gate.ready[0], .events = POLLIN};
    while ((waits = futex_slept_on(worker)) == 0 || waits == idle)
        assert_int_equal(poll(&began, 1, 1), 0);
    assert_int_equal(kill(stats.fork_server_pid, SIGCONT), 0);
    assert_int_equal(gate_await(&gate), worker);
    gate_release(&gate, 1);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* The promise in full, by an account that may do nothing. */
static int keep_a_hog_at_bay(void *arg)
{
    const int times = *(const int *)arg;
    const int64_t limit = (int64_t)(256 * MIB);
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, &(pool_options_t){.workers = 1}, &error) < 0)
        fprintf(stderr, "%s\n", error.message);
    const uint64_t before = support_rss();
    for (int i = 0; i < times; i++) {
        pool_job_t *job;
        CHILD_CHECK(
            pool_submit(pool, allocate_without_end, NULL, 0, &(pool_job_options_t){.memory_limit = limit}, &job) == 0);
        CHILD_CHECK(pool_job_wait(job, -1) == 0);
        const pool_result_t *result = pool_job_result(job);
        CHILD_CHECK(result->outcome == POOL_OUT_OF_MEMORY && result->cause == POOL_CAUSE_MEMORY_LIMIT);
        CHILD_CHECK(result->usage.memory_method == POOL_MEMORY_SAMPLED);
        if (result->usage.peak_memory > 320 * MIB)
            fprintf(stderr, "%.1f MiB\n", (double)result->usage.peak_memory / MIB);
        CHILD_CHECK(result->usage.peak_memory > 256 * MIB);
        CHILD_CHECK(result->usage.peak_memory <= 320 * MIB || SUPPORT_SANITIZED);
        pool_job_release(job);
    }
    CHILD_CHECK(support_rss() < before + 4 * MIB || SUPPORT_SANITIZED);
    pool_free(pool);
    return 0;
}

static void test_memory_limit_holds_50_times_of_50_without_privilege(void **state)
{
    (void)state;
    int times = SUPPORT_SANITIZED ? 5 : 50;
    child_run(true, keep_a_hog_at_bay, &times);
}

static int use_half(pool_call_t *call)
{
    (void)call;
    if (touch(LIMIT / 2) == NULL)
        return 1;
    hold(HOLD_MS);
    return 0;
}

static void test_memory_limit_leaves_alone_who_keeps_it(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_result_t *result = run(pool, use_half, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->usage.memory_limit, LIMIT);
    assert_int_equal(result->usage.overshoot, 0);
    pool_job_release(job);
    pool_free(pool);
}

/* Forked children that write to nothing have their parent's pages, and each counts them as its own. */
static int fork_idle_children(pool_call_t *call)
{
    (void)call;
    pid_t children[TREE];
    if (touch(LIMIT / 2) == NULL)
        return 1;
    for (int i = 0; i < TREE; i++)
        if ((children[i] = fork()) == 0)
            for (;;)
                pause();
    hold(200);
    for (int i = 0; i < TREE; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    return 0;
}

static void test_memory_limit_counts_shared_pages_once(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_result_t *result = run(pool, fork_idle_children, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_in_range(result->usage.peak_memory, LIMIT / 2 - MARGIN, LIMIT / 2 + 2 * MARGIN);
    pool_job_release(job);
    pool_free(pool);
}

/* More than its limit, and less than its parent's argument. */
static int share_too_much(void)
{
    const uint64_t size = LIMIT / 2 * 3;
    unsigned char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return 1;
    rewrite(data, size);
    hold(SECOND_MS);
    return 0;
}

static int let_a_child_grow_shared(pool_call_t *call)
{
    (void)call;
    if (fork() == 0)
        _exit(share_too_much());
    wait(NULL);
    return 0;
}

static int let_a_reader_grow_shared(pool_call_t *call)
{
    if (fork() == 0) {
        read_argument(call);
        _exit(share_too_much());
    }
    wait(NULL);
    return 0;
}

static int let_children_read_the_argument(pool_call_t *call)
{
    enum { READERS = 4 };
    for (int i = 0; i < READERS; i++)
        if (fork() == 0) {
            read_argument(call);
            hold(SECOND_MS / 8);
            _exit(0);
        }
    for (int i = 0; i < READERS; i++)
        wait(NULL);
    return 0;
}

static void test_memory_limit_and_a_large_argument(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    static const pool_fn growers[] = {let_a_child_grow_shared, let_a_reader_grow_shared};
    const uint64_t size = 2 * LIMIT;
    pool_t *pool = support_open(1, 0);
    void *data = touch(size);
    pool_job_t *job;
    assert_non_null(data);
    for (size_t i = 0; i < sizeof growers / sizeof growers[0]; i++) {
        job = support_submit(pool, growers[i], data, size, &options);
        expect_over(support_wait(job), PAST_FAST);
        pool_job_release(job);
    }
    for (int i = 0; i < 10; i++) { /* now and then they are looked at just while they read */
        job = support_submit(pool, let_children_read_the_argument, data, size, &options);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        assert_in_range(pool_job_result(job)->usage.peak_memory, 0, SUPPORT_SANITIZED ? LIMIT : LIMIT / 2);
        pool_job_release(job);
    }
    munmap(data, size);
    pool_free(pool);
}

static void vfork_once(void)
{
    const pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork): what is under test
    if (pid == 0) {
        usleep(5000); // NOLINT(clang-analyzer-unix.Vfork): as slow as an exec on a busy machine
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

#define ALONE (LIMIT / 8 * 5) /* within the limit, and twice as much is not */

/* The child of a vfork(2) has its parent's memory, not a copy. */
static int vfork_again_and_again(pool_call_t *call)
{
    (void)call;
    if (touch(ALONE) == NULL)
        return 1;
    for (int i = 0; i < 20; i++)
        vfork_once();
    return 0;
}

static void test_memory_limit_counts_a_vfork_once(void **state)
{
    (void)state;
    if (SUPPORT_SANITIZED) /* they make a fork(2) of it, and keep books of their own in the child */
        skip();
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_result_t *result = run(pool, vfork_again_and_again, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_in_range(result->usage.peak_memory, ALONE - MARGIN, ALONE + MARGIN);
    pool_job_release(job);
    pool_free(pool);
}

static int become_secret_and_fork(pool_call_t *call)
{
    prctl(PR_SET_DUMPABLE, 0);
    return fork_idle_children(call);
}

/* A host that has been root, or keeps secrets, is not dumpable: neither are its workers, and an ordinary user sees less
 * of them. */
static int limit_for_a_secret_host(void *arg)
{
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT};
    static const struct {
        pool_fn fn;
        pool_outcome_t outcome;
    } table[] = {{use_half, POOL_DONE}, {become_secret_and_fork, POOL_DONE}, {grow, POOL_OUT_OF_MEMORY}};
    pool_t *pool;
    (void)arg;
    CHILD_CHECK(touch(2 * LIMIT) != NULL);
    CHILD_CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = 1}, NULL) == 0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        pool_job_t *job;
        CHILD_CHECK(pool_submit(pool, table[i].fn, NULL, 0, &options, &job) == 0);
        CHILD_CHECK(pool_job_wait(job, -1) == 0);
        CHILD_CHECK(pool_job_result(job)->outcome == table[i].outcome);
        CHILD_CHECK(pool_job_result(job)->usage.peak_memory <= LIMIT + PAST);
        pool_job_release(job);
    }
    pool_free(pool);
    return 0;
}

static void test_memory_limit_of_a_secret_host(void **state)
{
    (void)state;
    child_run(true, limit_for_a_secret_host, NULL);
}

/* ---- the backstop ------------------------------------------------------------------------------------------------ */

static int expect_a_refusal(pool_call_t *call)
{
    const void *half = touch(LIMIT / 2);
    const void *more = touch(LIMIT);
    if (half == NULL || more != NULL)
        return pool_call_fail(call, 1, "%s", half == NULL ? "refused too soon" : "not refused");
    return 0;
}

static void test_memory_backstop_makes_allocations_fail(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = (int64_t)LIMIT, .memory_backstop = true};
    const char *argv[] = {"dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1", NULL};
    const pool_command_t command = {.argv = argv, .stderr_mode = POOL_STREAM_CAPTURE};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    support_expect(run(pool, expect_a_refusal, &options, &job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    assert_int_equal(pool_submit_command(pool, &command, &options, &job), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_non_null(strstr(result->err, "memory"));
    pool_job_release(job);
    pool_free(pool);
}

/* ---- the right cause --------------------------------------------------------------------------------------------- */

static void test_memory_a_kill_from_outside_is_not_out_of_memory(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_options_t options = gate_options(&gate);
    options.memory_limit = (int64_t)LIMIT;
    pool_job_t *job = support_submit(pool, gate_job, NULL, 0, &options);
    kill(gate_await(&gate), SIGKILL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_CRASHED, POOL_CAUSE_KILLED);
    assert_int_equal(result->signal, SIGKILL);
    assert_non_null(strstr(result->message, "killed by someone else"));
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static int tell_oom_score(pool_call_t *call)
{
    char text[16] = "";
    const int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return 1;
    close(fd);
    const long score = strtol(text, NULL, 10);
    return pool_call_return(call, &score, sizeof score);
}

static void test_memory_workers_are_the_kernels_first_choice(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_result_t *result = run(pool, tell_oom_score, NULL, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_true(*(const long *)result->data >= 500);
    pool_job_release(job);
    pool_free(pool);
}

static void note_line(const char *line, void *user)
{
    if (strstr(line, "memory is sampled") != NULL)
        ++*(int *)user;
}

/* Asked for by name there is nothing to say; else the log hook hears why, once. */
static void test_memory_falling_back_is_not_silent(void **state)
{
    (void)state;
    int lines = 0;
    pool_t *pool;
    pool_job_t *job;
    pool_memory_t memory;
    pool_options_t options = {.workers = 1, .log = note_line, .log_user = &lines};
    options.memory_method = POOL_MEMORY_SAMPLED;
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_int_equal(memory.method, POOL_MEMORY_SAMPLED);
    pool_free(pool);
    assert_int_equal(lines, 0);
    options.memory_method = POOL_MEMORY_UNMEASURED;
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    support_expect(run(pool, use_half, NULL, &job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    assert_int_equal(pool_memory(pool, &memory), 0);
    pool_free(pool);
    assert_int_equal(lines, memory.method == POOL_MEMORY_SAMPLED ? 1 : 0);
}

/* ---- another limit ----------------------------------------------------------------------------------------------- */

struct retries {
    int count;
    uint64_t limits[4];
};

static void note_retry(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct retries *retries = user;
    (void)job;
    if (event->kind == POOL_EVENT_RETRIED && retries->count < 4)
        retries->limits[retries->count++] = event->memory;
}

static int need_five_limits(pool_call_t *call)
{
    (void)call;
    return touch(5 * LIMIT) != NULL ? 0 : 1;
}

static void test_memory_retry_with_more(void **state)
{
    (void)state;
    struct retries retries = {0};
    const pool_job_options_t options = {
        .memory_limit = (int64_t)LIMIT, .retry_oom = 2.5, .on_event = note_retry, .user = &retries};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_result_t *result = run(pool, need_five_limits, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->usage.attempt, 3);
    assert_int_equal(result->usage.oom_retries, 2);
    assert_int_equal(result->usage.memory_first_limit, LIMIT);
    assert_int_equal(result->usage.memory_limit, LIMIT * 25 / 4);
    assert_int_equal(retries.count, 2);
    assert_int_equal(retries.limits[0], LIMIT * 5 / 2);
    assert_int_equal(retries.limits[1], LIMIT * 25 / 4);
    pool_job_release(job);
    pool_free(pool);
}

/* ---- over time --------------------------------------------------------------------------------------------------- */

struct curve {
    atomic_int points;
    uint64_t highest;
    double last;
    bool in_order;
};

static void note_point(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct curve *curve = user;
    (void)job;
    if (event->kind != POOL_EVENT_MEMORY)
        return;
    curve->in_order = curve->in_order && event->time >= curve->last;
    curve->last = event->time;
    if (event->memory > curve->highest)
        curve->highest = event->memory;
    atomic_fetch_add(&curve->points, 1);
}

static int grow_in_steps(pool_call_t *call)
{
    for (int i = 0; i < 8; i++) {
        if (touch(8 * MIB) == NULL)
            return 1;
        hold(HOLD_MS);
    }
    return gate_job(call);
}

static void test_memory_points_over_time(void **state)
{
    (void)state;
    struct curve curve = {.in_order = true};
    struct gate gate;
    gate_open(&gate);
    pool_job_options_t options = gate_options(&gate);
    options.memory_every_ms = 10;
    options.on_event = note_point;
    options.user = &curve;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, grow_in_steps, NULL, 0, &options);
    gate_await(&gate);
    const int before = atomic_load(&curve.points);
    while (atomic_load(&curve.points) < before + 3) /* it goes on, also when nothing changes */
        hold(1);
    gate_release(&gate, 1);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_true(curve.in_order);
    assert_in_range(curve.highest, 64 * MIB - MARGIN, 64 * MIB + MARGIN);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- peaks ------------------------------------------------------------------------------------------------------- */

static int use_50(pool_call_t *call)
{
    (void)call;
    return touch(50 * MIB) != NULL ? 0 : 1;
}

static int use_500(pool_call_t *call)
{
    (void)call;
    return touch(500 * MIB) != NULL ? 0 : 1;
}

/* At most 5 ms, and that between two looks; then long enough to be looked at without it. */
static int spike(pool_call_t *call)
{
    (void)call;
    hold(HOLD_MS);
    void *data = touch(200 * MIB);
    if (data == NULL)
        return 1;
    munmap(data, 200 * MIB);
    hold(HOLD_MS);
    return 0;
}

static int give_back_lazily(pool_call_t *call)
{
    (void)call;
    void *data = touch(50 * MIB);
    if (data == NULL || madvise(data, 50 * MIB, MADV_FREE) < 0 || touch(50 * MIB) == NULL)
        return 1;
    hold(HOLD_MS);
    return 0;
}

static int map_a_file(pool_call_t *call)
{
    const int fd = pool_call_fd(call, 0);
    const volatile unsigned char *data = mmap(NULL, 50 * MIB, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    return data != MAP_FAILED && data[0] == 0 ? 0 : 1;
}

/* All of them at once, until their test has seen them: see watch_shape. */
static int together(const pool_call_t *call, uint64_t (*use)(void))
{
    int ready[2], go[2];
    char byte;
    pid_t children[TREE];
    if (pipe(ready) < 0 || pipe(go) < 0)
        return 1;
    for (int i = 0; i < TREE; i++)
        if ((children[i] = fork()) == 0) {
            close(go[1]);
            if (use() == 0 || write(ready[1], "r", 1) != 1)
                _exit(1);
            _exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
        }
    for (int i = 0; i < TREE; i++)
        if (read(ready[0], &byte, 1) != 1)
            return 1;
    gate_pass(call);
    close(go[1]);
    for (int i = 0; i < TREE; i++)
        waitpid(children[i], NULL, 0);
    return 0;
}

static uint64_t touch_tree_size(void)
{
    return touch(TREE_SIZE) != NULL;
}

static int use_in_children(pool_call_t *call)
{
    return together(call, touch_tree_size);
}

static unsigned char *in_common;

static uint64_t rewrite_in_common(void)
{
    rewrite(in_common, TREE_SIZE);
    return 1;
}

static int share_with_children(pool_call_t *call)
{
    in_common = mmap(NULL, TREE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return in_common != MAP_FAILED ? together(call, rewrite_in_common) : 1;
}

/* Each has its parent's pages, and makes them its own. */
static int rewrite_in_children(pool_call_t *call)
{
    in_common = touch(TREE_SIZE);
    return in_common != NULL ? together(call, rewrite_in_common) : 1;
}

static const struct shape {
    const char *name;
    pool_fn fn;
    uint64_t truth, margin; /* MiB */
    bool at_gate;           /* it waits there at its highest */
} shapes[] = {
    {"50 MiB", use_50, 50, 1, false},
    {"500 MiB", use_500, 500, 5, false},
    {"a spike of 200 MiB", spike, 200, 5, false},
    {"50 MiB given back by MADV_FREE, and 50 more: both count", give_back_lazily, 100, 2, false},
    {"a tree", use_in_children, TREE *TREE_SIZE / MIB, 6, true},
    {"shared memory", share_with_children, TREE_SIZE / MIB, 2, true},
    {"rewritten after a fork", rewrite_in_children, (TREE + 1) * TREE_SIZE / MIB, 8, true},
};

static void count_points(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    if (event->kind == POOL_EVENT_MEMORY)
        atomic_fetch_add((atomic_int *)user, 1);
}

/* Looks at a job have a time of their own: three of them while it stands still at its highest. */
static const pool_result_t *watch_shape(pool_t *pool, const struct shape *shape, pool_job_t **job)
{
    struct gate gate;
    atomic_int points = 0;
    gate_open(&gate);
    pool_job_options_t options = gate_options(&gate);
    options.memory_every_ms = HOLD_MS;
    options.on_event = count_points;
    options.user = &points;
    *job = support_submit(pool, shape->fn, NULL, 0, &options);
    if (shape->at_gate) {
        gate_await(&gate);
        const int seen = atomic_load(&points);
        while (atomic_load(&points) < seen + 3)
            hold(1);
        gate_release(&gate, 1);
    }
    const pool_result_t *result = support_wait(*job);
    gate_close(&gate);
    return result;
}

static void test_memory_peaks_of_known_shapes(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        pool_job_t *job;
        const pool_result_t *result = watch_shape(pool, &shapes[i], &job);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        const uint64_t peak = result->usage.peak_memory;
        const uint64_t margin = (shapes[i].margin + (SUPPORT_SANITIZED ? 4 : 0)) * MIB;
        print_message("%-60s %4llu MiB: peak %6.1f, bound %.1f, %s\n", shapes[i].name,
                      (unsigned long long)shapes[i].truth, (double)peak / MIB, (double)result->usage.peak_bound / MIB,
                      pool_memory_method_name(result->usage.memory_method));
        if (shapes[i].fn == use_in_children)
            assert_int_equal(result->usage.processes, TREE + 1);
        if (peak + margin < shapes[i].truth * MIB || peak > shapes[i].truth * MIB + margin)
            fail_msg("%s: %.1f MiB", shapes[i].name, (double)peak / MIB);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* The kernel's mark has them, what is anonymous does not: the truth is between the two. */
static void test_memory_of_a_mapped_file(void **state)
{
    (void)state;
    char path[] = "/tmp/reclaim-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, (off_t)(50 * MIB)), 0);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    const pool_job_options_t options = {.fds = &fd, .fd_count = 1, .memory_limit = (int64_t)(8 * MIB)};
    const pool_result_t *result = run(pool, map_a_file, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_true(result->usage.peak_memory < 2 * MARGIN);
    const uint64_t inherited = SUPPORT_SANITIZED ? support_rss() : 0; /* a sanitizer's books are in the host */
    assert_true(result->usage.peak_memory + result->usage.peak_bound < 54 * MIB + inherited);
    pool_job_release(job);
    pool_free(pool);
    close(fd);
}

/* ---- a warm template --------------------------------------------------------------------------------------------- */

static unsigned char *table;

static int load_table(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    table = touch(TREE_SIZE);
    return table != NULL ? 0 : 1;
}

static int rewrite_table(pool_call_t *call)
{
    (void)call;
    rewrite(table, TREE_SIZE);
    return 0;
}

static int rewrite_table_and_stay(pool_call_t *call)
{
    rewrite_table(call);
    hold(200);
    return 0;
}

static void test_memory_of_a_template_rewritten(void **state)
{
    (void)state;
    pool_t *pool;
    pool_job_t *job;
    assert_int_equal(pool_open(&pool, &(pool_options_t){.workers = 1, .on_start = load_table}, NULL), 0);
    const pool_usage_t *usage = &run(pool, rewrite_table, NULL, &job)->usage; /* over before anybody looks */
    assert_true(usage->peak_memory <= TREE_SIZE + MARGIN);
    assert_true(usage->peak_memory + usage->peak_bound >= TREE_SIZE);
    pool_job_release(job);
    usage = &run(pool, rewrite_table_and_stay, NULL, &job)->usage; /* and looked at */
    assert_int_equal(usage->memory_method, POOL_MEMORY_SAMPLED);
    assert_in_range(usage->peak_memory, TREE_SIZE - MARGIN, TREE_SIZE + MARGIN);
    assert_true(usage->peak_bound < 2 * MARGIN + (SUPPORT_SANITIZED ? 64 * MIB : 0));
    pool_job_release(job);
    const pool_job_options_t options = {.memory_limit = (int64_t)(TREE_SIZE / 2)};
    const pool_result_t *result = run(pool, rewrite_table_and_stay, &options, &job);
    support_expect(result, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT);
    pool_job_release(job);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_memory_limit_holds),
        SUPPORT_TEST(test_memory_limit_holds_for_commands),
        SUPPORT_TEST(test_memory_share_is_a_limit),
        SUPPORT_TEST(test_memory_limits_hold_beside_each_other),
        SUPPORT_TEST(test_memory_limit_is_there_before_the_job),
        SUPPORT_TEST(test_memory_limit_holds_50_times_of_50_without_privilege),
        SUPPORT_TEST(test_memory_limit_leaves_alone_who_keeps_it),
        SUPPORT_TEST(test_memory_limit_counts_shared_pages_once),
        SUPPORT_TEST(test_memory_limit_and_a_large_argument),
        SUPPORT_TEST(test_memory_limit_counts_a_vfork_once),
        SUPPORT_TEST(test_memory_limit_of_a_secret_host),
        SUPPORT_TEST(test_memory_backstop_makes_allocations_fail),
        SUPPORT_TEST(test_memory_a_kill_from_outside_is_not_out_of_memory),
        SUPPORT_TEST(test_memory_workers_are_the_kernels_first_choice),
        SUPPORT_TEST(test_memory_falling_back_is_not_silent),
        SUPPORT_TEST(test_memory_retry_with_more),
        SUPPORT_TEST(test_memory_points_over_time),
        SUPPORT_TEST(test_memory_peaks_of_known_shapes),
        SUPPORT_TEST(test_memory_of_a_mapped_file),
        SUPPORT_TEST(test_memory_of_a_template_rewritten),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
