/* What a host may do beside its pool: reap, ignore signals, run a loop of its own, end threads, fork, and be
 * interrupted all the time. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define KIB ((size_t)1024)

/* ---- jobs with an answer ---------------------------------------------------------------------------------------- */

/* Adds up its argument's numbers. */
static int sum(pool_call_t *call)
{
    size_t size;
    const uint32_t *numbers = pool_call_arg(call, &size);
    uint64_t total = 0;
    for (size_t i = 0; i < size / sizeof *numbers; i++)
        total += numbers[i];
    return pool_call_return(call, &total, sizeof total);
}

static void assert_sum(pool_job_t *job, uint64_t expected)
{
    const pool_result_t *result = support_wait(job);
    uint64_t total;
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, sizeof total);
    memcpy(&total, result->data, sizeof total);
    assert_int_equal(total, expected);
    pool_job_release(job);
}

/* Some jobs at once, each with its right answer. */
static void run_sums(pool_t *pool)
{
    enum { COUNT = 20 };
    pool_job_t *jobs[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t numbers[] = {i, 1000, i * i};
        jobs[i] = support_submit(pool, sum, numbers, sizeof numbers, NULL);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_sum(jobs[i], i + 1000 + i * i);
}

/* A job with a child of its own, for which it waits in the usual way. */
static int fork_and_wait(pool_call_t *call)
{
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    if (waitpid(pid, &status, 0) != pid)
        return pool_call_fail(call, 1, "waitpid: %s", strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : pool_call_fail(call, 2, "status %x", (unsigned)status);
}

static void run_parent(pool_t *pool)
{
    pool_job_t *job = support_submit(pool, fork_and_wait, NULL, 0, NULL);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
}

static void run_false(pool_t *pool)
{
    static const char *const argv[] = {"sh", "-c", "exit 9", NULL};
    const pool_command_t command = {.argv = argv};
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, 9);
    pool_job_release(job);
}

/* ---- reaping ---------------------------------------------------------------------------------------------------- */

/* Reaps whoever ends, until there is nobody. Counts those that exited with 7. */
static void *reap_all(void *counter)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR;)
        if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7)
            ++*(unsigned *)counter;
    return NULL;
}

static void test_host_reaps_everybody(void **state)
{
    enum { CHILDREN = 20 };
    unsigned reaped = 0;
    pthread_t reaper;
    pool_t *pool = support_open(2, 0);
    (void)state;
    assert_int_equal(pthread_create(&reaper, NULL, reap_all, &reaped), 0);
    for (int i = 0; i < CHILDREN; i++) {
        if (fork() == 0)
            _exit(7);
        run_parent(pool);
    }
    run_sums(pool);
    run_false(pool);
    pool_free(pool);
    pthread_join(reaper, NULL); /* it had the keeper's end, too, or the pool had */
    assert_int_equal(reaped, CHILDREN);
}

/* With the disposition set before the pool is opened, and after. */
static void run_without_sigchld(const struct sigaction *action, bool before)
{
    struct sigaction old;
    if (before)
        sigaction(SIGCHLD, action, &old);
    pool_t *pool = support_open(2, 0);
    if (!before)
        sigaction(SIGCHLD, action, &old);
    run_sums(pool);
    run_parent(pool);
    run_false(pool);
    pool_free(pool);
    sigaction(SIGCHLD, &old, NULL);
}

static void test_host_ignores_sigchld(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)state;
    run_without_sigchld(&ignore, true);
    run_without_sigchld(&ignore, false);
}

static void test_host_wants_no_zombies(void **state)
{
    const struct sigaction no_wait = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    (void)state;
    run_without_sigchld(&no_wait, true);
    run_without_sigchld(&no_wait, false);
}

/* ---- a loop of its own ------------------------------------------------------------------------------------------ */

struct own_loop {
    uv_loop_t loop;
    uv_async_t settled; /* sent from the pool's thread */
    uv_process_t processes[2];
    unsigned exits, jobs;
    atomic_uint jobs_settled;
};

#define LOOP_JOBS 10

static void stop_when_done(struct own_loop *own)
{
    if (own->exits == 2 && own->jobs == LOOP_JOBS)
        uv_close((uv_handle_t *)&own->settled, NULL);
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
    struct own_loop *own = process->data;
    assert_int_equal(status, 5);
    assert_int_equal(signal, 0);
    own->exits++;
    uv_close((uv_handle_t *)process, NULL);
    stop_when_done(own);
}

static void on_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct own_loop *own = user;
    (void)job;
    if (result->outcome == POOL_DONE)
        atomic_fetch_add(&own->jobs_settled, 1);
    uv_async_send(&own->settled);
}

static void on_async(uv_async_t *async)
{
    struct own_loop *own = async->data;
    const unsigned before = own->jobs;
    own->jobs = atomic_load(&own->jobs_settled);
    if (own->jobs != before)
        stop_when_done(own);
}

static void spawn(struct own_loop *own, uv_process_t *process)
{
    char sh[] = "sh", c[] = "-c", script[] = "exit 5";
    char *args[] = {sh, c, script, NULL};
    const uv_process_options_t options = {.file = "sh", .args = args, .exit_cb = on_exit_of_child};
    process->data = own;
    assert_int_equal(uv_spawn(&own->loop, process, &options), 0);
}

/* libuv keeps what its first child needs for the life of the process: the loop is made twice, and counted the second
 * time. */
static void run_own_loop(void)
{
    struct own_loop own = {.exits = 0};
    assert_int_equal(uv_loop_init(&own.loop), 0);
    assert_int_equal(uv_async_init(&own.loop, &own.settled, on_async), 0);
    own.settled.data = &own;
    spawn(&own, &own.processes[0]);
    pool_t *pool = support_open(2, 0);
    const pool_job_options_t options = {.on_settled = on_settled, .user = &own};
    for (int i = 0; i < LOOP_JOBS; i++)
        assert_int_equal(pool_submit(pool, fork_and_wait, NULL, 0, &options, NULL), 0);
    spawn(&own, &own.processes[1]);
    uv_run(&own.loop, UV_RUN_DEFAULT);
    assert_int_equal(own.exits, 2);
    assert_int_equal(own.jobs, LOOP_JOBS);
    assert_int_equal(uv_loop_close(&own.loop), 0);
    pool_free(pool);
}

static void test_host_runs_a_loop_of_its_own(void **state)
{
    (void)state;
    run_own_loop();
}

/* libuv's fork handler closes, in each child, the descriptors that it remembers: they must not be a job's by then. */
static int fork_with_pipes(pool_call_t *call)
{
    enum { PIPES = 40 };
    int pipes[PIPES][2];
    char byte;
    for (int i = 0; i < PIPES; i++)
        if (pipe2(pipes[i], O_NONBLOCK) < 0)
            return 1;
    const pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < PIPES; i++)
            if (write(pipes[i][1], "x", 1) != 1)
                _exit(1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    for (int i = 0; i < PIPES; i++)
        if (read(pipes[i][0], &byte, 1) != 1)
            return pool_call_fail(call, 2, "pipe %d, of descriptors %d and %d", i, pipes[i][0], pipes[i][1]);
    return 0;
}

static void test_host_loop_leaves_jobs_their_descriptors(void **state)
{
    int held[24];
    (void)state;
    for (size_t i = 0; i < sizeof held / sizeof *held; i += 4) { /* whatever the host's table looks like */
        pool_t *pool = support_open(1, POOL_NONE);
        pool_job_t *job = support_submit(pool, fork_with_pipes, NULL, 0, NULL);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        pool_job_release(job);
        pool_free(pool);
        for (size_t j = i; j < i + 4; j++)
            held[j] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        close(held[i]);
}

/* ---- threads that end ------------------------------------------------------------------------------------------- */

struct errand {
    pool_t *pool;
    pool_job_t *job;
    struct gate gate;
};

static void *open_and_end(void *argument)
{
    struct errand *errand = argument;
    errand->pool = support_open(2, 0);
    return NULL;
}

static void *submit_and_end(void *argument)
{
    struct errand *errand = argument;
    errand->job = gate_submit(errand->pool, &errand->gate, (pool_job_options_t){0});
    gate_await(&errand->gate);
    return NULL;
}

static void in_thread(void *(*body)(void *), struct errand *errand)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, errand), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* The signal of prctl(2)'s PDEATHSIG comes when the *thread* ends that forked: nobody may have asked for it. */
static void test_host_threads_that_opened_and_submitted_end(void **state)
{
    struct errand errand = {.pool = NULL};
    pool_stats_t before, after;
    (void)state;
    gate_open(&errand.gate);
    in_thread(open_and_end, &errand);
    assert_int_equal(pool_stats(errand.pool, &before), 0);
    run_sums(errand.pool);
    in_thread(submit_and_end, &errand);
    assert_int_equal(pool_job_state(errand.job), POOL_STATE_RUNNING);
    run_sums(errand.pool);
    gate_release(&errand.gate, 1);
    support_expect(support_wait(errand.job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_stats(errand.pool, &after), 0);
    assert_int_equal(after.keeper_pid, before.keeper_pid);
    assert_int_equal(after.fork_server_pid, before.fork_server_pid);
    pool_job_release(errand.job);
    gate_close(&errand.gate);
    pool_free(errand.pool);
}

/* ---- a forked child that calls ---------------------------------------------------------------------------------- */

struct heirloom {
    pool_t *pool;
    pool_job_t *settled, *running;
};

/* -EPERM, and words. The words of the call before are overwritten, so they are this call's. */
#define CHECK_FOREIGN(call)                                        \
    do {                                                           \
        CHILD_CHECK((call) == -EPERM);                             \
        CHILD_CHECK(strstr(pool_message(), "process") != NULL);    \
        CHILD_CHECK(pool_close(NULL, POOL_CLOSE_KILL) == -EINVAL); \
    } while (0)

static int call_on_the_pool(const struct heirloom *h)
{
    static const char *const argv[] = {"true", NULL};
    const pool_command_t command = {.argv = argv};
    const pool_bytes_t arg = {"x", 1};
    pool_job_t *job = NULL;
    pool_memory_t memory;
    pool_stats_t stats;
    CHECK_FOREIGN(pool_submit(h->pool, sum, NULL, 0, NULL, &job));
    CHECK_FOREIGN(pool_submit(h->pool, sum, NULL, 0, NULL, NULL));
    CHECK_FOREIGN(pool_submit_command(h->pool, &command, NULL, &job));
    CHECK_FOREIGN(pool_map(h->pool, sum, &arg, 1, NULL, &job));
    CHILD_CHECK(job == NULL);
    CHECK_FOREIGN(pool_next(h->pool, 0, &job));
    CHECK_FOREIGN(pool_next(h->pool, -1, &job));
    CHECK_FOREIGN(pool_next_masked(h->pool, -1, NULL, &job));
    CHECK_FOREIGN(pool_fd(h->pool));
    CHECK_FOREIGN(pool_memory(h->pool, &memory));
    CHECK_FOREIGN(pool_stats(h->pool, &stats));
    CHECK_FOREIGN(pool_close(h->pool, POOL_CLOSE_WAIT));
    CHECK_FOREIGN(pool_close(h->pool, POOL_CLOSE_KILL));
    return 0;
}

static int call_on_jobs(const struct heirloom *h)
{
    pool_job_t *const jobs[] = {NULL, h->running, h->settled};
    size_t which;
    CHECK_FOREIGN(pool_job_wait(h->running, -1));
    CHECK_FOREIGN(pool_job_wait(h->running, 10));
    CHECK_FOREIGN(pool_job_wait(h->running, 0));
    CHECK_FOREIGN(pool_job_wait(h->settled, -1));
    CHECK_FOREIGN(pool_wait_any(jobs, 3, -1, &which));
    CHECK_FOREIGN(pool_wait_any(jobs, 2, 0, &which));
    CHECK_FOREIGN(pool_job_wait_masked(h->running, -1, NULL));
    CHECK_FOREIGN(pool_wait_any_masked(jobs, 3, -1, NULL, &which));
    CHECK_FOREIGN(pool_job_fd(h->running));
    CHECK_FOREIGN(pool_job_fd(h->settled));
    CHECK_FOREIGN(pool_job_cancel_queued(h->running));
    CHECK_FOREIGN(pool_job_cancel(h->running));
    CHECK_FOREIGN(pool_job_cancel(h->settled));
    return 0;
}

/* Not calls that fail: they are to do no harm. */
static int look_at_jobs(const struct heirloom *h)
{
    CHILD_CHECK(pool_job_result(h->running) == NULL);
    CHILD_CHECK(pool_job_result(h->settled)->outcome == POOL_DONE);
    CHILD_CHECK(pool_job_state(h->settled) == POOL_STATE_SETTLED);
    CHILD_CHECK(pool_job_user(h->settled) == NULL);
    CHILD_CHECK(strcmp(pool_job_name(h->settled), "heirloom") == 0);
    CHILD_CHECK(pool_job_retain(h->settled) == h->settled);
    pool_job_release(h->settled);
    pool_job_release(h->running);
    pool_free(h->pool);
    return 0;
}

/* A pool of the child's own. */
static int open_own(void)
{
    const uint32_t numbers[] = {1, 2, 3};
    const pool_options_t options = {.workers = 1};
    pool_error_t error;
    pool_job_t *job;
    pool_t *own;
    uint64_t total;
    CHILD_CHECK(pool_open(&own, &options, &error) == 0);
    CHILD_CHECK(pool_submit(own, sum, numbers, sizeof numbers, NULL, &job) == 0);
    CHILD_CHECK(pool_job_wait(job, -1) == 0);
    const pool_result_t *result = pool_job_result(job);
    CHILD_CHECK(result->outcome == POOL_DONE && result->size == sizeof total);
    memcpy(&total, result->data, sizeof total);
    CHILD_CHECK(total == 6);
    pool_job_release(job);
    pool_free(own);
    return 0;
}

static int call_everything(void *argument)
{
    const struct heirloom *heirloom = argument;
    if (call_on_the_pool(heirloom) != 0 || call_on_jobs(heirloom) != 0)
        return 1;
    if (!SUPPORT_SANITIZED && open_own() != 0) /* the thread sanitizer allows such a child no threads */
        return 1;
    return look_at_jobs(heirloom);
}

static void test_host_forked_child_is_refused_and_harms_nobody(void **state)
{
    struct heirloom heirloom = {.pool = support_open(2, 0)};
    const pool_job_options_t named = {.name = "heirloom"};
    struct gate gate;
    (void)state;
    gate_open(&gate);
    heirloom.settled = support_submit(heirloom.pool, sum, NULL, 0, &named);
    support_wait(heirloom.settled);
    heirloom.running = gate_submit(heirloom.pool, &gate, (pool_job_options_t){0});
    gate_await(&gate);
    child_run(false, call_everything, &heirloom);
    assert_int_equal(pool_job_state(heirloom.running), POOL_STATE_RUNNING);
    run_sums(heirloom.pool);
    gate_release(&gate, 1);
    support_expect(support_wait(heirloom.running), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(heirloom.running);
    pool_job_release(heirloom.settled);
    gate_close(&gate);
    pool_free(heirloom.pool);
}

/* ---- a storm of signals ----------------------------------------------------------------------------------------- */

static atomic_uint signals_seen;

static void on_signal(int signal)
{
    (void)signal;
    atomic_fetch_add(&signals_seen, 1);
}

struct storm {
    pthread_t target, thread;
    atomic_bool over;
};

static void *send_signals(void *argument)
{
    struct storm *storm = argument;
    while (!atomic_load(&storm->over)) {
        pthread_kill(storm->target, SIGUSR1);
        usleep(200);
    }
    return NULL;
}

/* The calling thread is interrupted all the time, and so is whoever the timer picks. */
static void storm_begin(struct storm *storm)
{
    const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    const struct itimerval timer = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};
    sigset_t user, old;
    storm->target = pthread_self();
    atomic_init(&storm->over, false);
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&user);
    sigaddset(&user, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &user, &old);
    assert_int_equal(pthread_create(&storm->thread, NULL, send_signals, storm), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* The handlers stay: a signal may still be on its way. */
static void storm_end(struct storm *storm)
{
    const struct itimerval none = {.it_value = {.tv_usec = 0}};
    setitimer(ITIMER_REAL, &none, NULL);
    atomic_store(&storm->over, true);
    pthread_join(storm->thread, NULL);
}

static int echo_twice(pool_call_t *call)
{
    size_t size;
    const uint8_t *arg = pool_call_arg(call, &size);
    uint8_t *twice = pool_call_alloc_result(call, 2 * size);
    if (twice == NULL)
        return 1;
    memcpy(twice, arg, size);
    memcpy(twice + size, arg, size);
    return pool_call_return(call, twice, 2 * size);
}

/* A large argument and a larger result. */
static void run_large(pool_t *pool, uint8_t seed)
{
    static uint8_t data[300 * KIB];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 + seed);
    pool_job_t *job = support_submit(pool, echo_twice, data, sizeof data, NULL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, 2 * sizeof data);
    assert_memory_equal(result->data, data, sizeof data);
    assert_memory_equal((const uint8_t *)result->data + sizeof data, data, sizeof data);
    pool_job_release(job);
}

/* The same inside a job: its worker's reads and writes are interrupted. */
static int storm_inside(pool_call_t *call)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const struct itimerval timer = {.it_interval = {.tv_usec = 200}, .it_value = {.tv_usec = 200}};
    static uint8_t part[50 * KIB];
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 100; i++) {
        memset(part, i, sizeof part);
        const int rc = pool_call_emit(call, part, sizeof part);
        if (rc < 0)
            return pool_call_fail(call, 1, "emit: %s", strerror(-rc));
    }
    return echo_twice(call);
}

struct parts {
    unsigned count, wrong;
};

static void on_part(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct parts *parts = user;
    const uint8_t *data = event->data;
    (void)job;
    if (event->kind != POOL_EVENT_PARTIAL)
        return;
    if (event->size != 50 * KIB || data[0] != parts->count || data[event->size - 1] != parts->count)
        parts->wrong++;
    parts->count++;
    usleep(1000); /* so that the job is interrupted where it waits for room */
}

static void run_storm_inside(pool_t *pool)
{
    struct parts parts = {.count = 0};
    const pool_job_options_t options = {.on_event = on_part, .user = &parts};
    pool_job_t *job = support_submit(pool, storm_inside, "storm", 5, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, 10);
    assert_memory_equal(result->data, "stormstorm", 10);
    assert_int_equal(parts.count, 100);
    assert_int_equal(parts.wrong, 0);
    pool_job_release(job);
}

static void test_host_storm_of_signals(void **state)
{
    struct storm storm;
    (void)state;
    atomic_store(&signals_seen, 0);
    storm_begin(&storm);
    pool_t *pool = support_open(2, 0);
    /* ThreadSanitizer keeps most signals back: until some have come while jobs ran. */
    for (int i = 0; i < 20 || atomic_load(&signals_seen) <= 20; i++) {
        run_sums(pool);
        run_large(pool, (uint8_t)i);
    }
    run_storm_inside(pool);
    run_false(pool);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    pool_free(pool);
    storm_end(&storm);
}

/* ---- busy threads ----------------------------------------------------------------------------------------------- */

#define BUSY_THREADS 20
#define BUSY_JOBS    (SUPPORT_SANITIZED ? 300 : 10000)

struct busy {
    FILE *out; /* one stream, so one lock, for all */
    atomic_bool over;
};

/* Holds malloc's and stdio's locks as often as it can. */
static void *allocate_and_print(void *argument)
{
    struct busy *busy = argument;
    for (size_t i = 0; !atomic_load(&busy->over); i++) {
        char *memory = malloc(100 + i % 5000);
        memset(memory, 'm', 100);
        fprintf(busy->out, "%zu %.100s\n", i, memory);
        free(memory);
    }
    return NULL;
}

/* Allocates and prints in the worker, too: nothing that a thread of the host held may be held there. */
static int print_sum(pool_call_t *call)
{
    char *memory = malloc(5000);
    memset(memory, 'w', 5000);
    fprintf(stderr, "%.*s", 0, memory);
    free(memory);
    return sum(call);
}

static void test_host_threads_allocate_and_print(void **state)
{
    static pool_job_t *jobs[BUSY_JOBS];
    pthread_t threads[BUSY_THREADS];
    struct busy busy = {.out = fopen("/dev/null", "we")};
    (void)state;
    assert_non_null(busy.out);
    /* glibc's malloc is whole in a child of many threads; those of gcc 12's sanitizers may stay locked in it. */
    pool_t *pool = SUPPORT_SANITIZED ? support_open(2, 0) : NULL;
    for (int i = 0; i < BUSY_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_print, &busy), 0);
    if (pool == NULL)
        pool = support_open(2, 0);
    for (uint32_t i = 0; i < BUSY_JOBS; i++) {
        const uint32_t numbers[] = {i, 5};
        jobs[i] = support_submit(pool, print_sum, numbers, sizeof numbers, NULL);
    }
    for (uint32_t i = 0; i < BUSY_JOBS; i++) {
        assert_sum(jobs[i], i + 5);
        if (i == BUSY_JOBS / 10) /* the rest is quicker without them */
            atomic_store(&busy.over, true);
    }
    for (int i = 0; i < BUSY_THREADS; i++)
        pthread_join(threads[i], NULL);
    pool_free(pool);
    fclose(busy.out);
}

/* What libuv keeps for the life of a process, once a loop of its had a child, is there before descriptors are counted.
 */
static int make_first_child(void **state)
{
    (void)state;
    run_own_loop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_host_reaps_everybody),
        SUPPORT_TEST(test_host_ignores_sigchld),
        SUPPORT_TEST(test_host_wants_no_zombies),
        SUPPORT_TEST(test_host_runs_a_loop_of_its_own),
        SUPPORT_TEST(test_host_loop_leaves_jobs_their_descriptors),
        SUPPORT_TEST(test_host_threads_that_opened_and_submitted_end),
        SUPPORT_TEST(test_host_forked_child_is_refused_and_harms_nobody),
        SUPPORT_TEST(test_host_storm_of_signals),
        SUPPORT_TEST(test_host_threads_allocate_and_print),
    };
    return cmocka_run_group_tests(tests, make_first_child, NULL);
}
