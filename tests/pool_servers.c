/* Keeper, fork server and host: each killed or stopped, and what that is to jobs and callers. And on_start, which runs
 * in every fork server. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GONE_WITHIN_MS (SUPPORT_SANITIZED ? 5000 : 1000)

/* ---- helpers ---------------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static pool_stats_t stats_of(const pool_t *pool)
{
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    return stats;
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

/* The log hook: a byte for each fork server that died. By then no job is handed to its workers any more. */
static void tell_death(const char *line, void *user)
{
    const int *fd = user;
    if (strstr(line, "died") == NULL)
        return;
    const ssize_t wrote = write(*fd, "d", 1);
    (void)wrote;
}

/* A pool whose fork servers' deaths come up a pipe. */
struct watched {
    pool_t *pool;
    int deaths[2];
};

static void watched_open(struct watched *watched, int workers, int (*on_start)(void *, pool_error_t *), void *arg)
{
    pool_error_t error;
    support_pipe(watched->deaths);
    const pool_options_t options = {.workers = workers,
                                    .on_start = on_start,
                                    .on_start_arg = arg,
                                    .log = tell_death,
                                    .log_user = &watched->deaths[1]};
    if (pool_open(&watched->pool, &options, &error) < 0)
        fail_msg("pool_open: %s", error.message);
}

static void watched_free(struct watched *watched)
{
    pool_free(watched->pool);
    close(watched->deaths[0]);
    close(watched->deaths[1]);
}

/* Kills the fork server, and waits until the pool knows. */
static void kill_server(const struct watched *watched)
{
    assert_int_equal(kill(stats_of(watched->pool).fork_server_pid, SIGKILL), 0);
    assert_int_equal(support_await_byte(watched->deaths[0]), 'd');
}

static int pidfd_of(pid_t pid)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(fd >= 0);
    return fd;
}

/* Whether the process has ended by then. */
static bool ended_by(int pidfd, int64_t deadline_ms)
{
    struct pollfd waiting = {.fd = pidfd, .events = POLLIN};
    int got;
    do {
        const int64_t left = deadline_ms - now_ms();
        got = poll(&waiting, 1, left > 0 ? (int)left : 0);
    } while (got < 0 && errno == EINTR);
    return got == 1;
}

/* Stops a process that is a child of nobody here, and waits until it stands. */
static void stop(pid_t pid)
{
    char path[64], text[256], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    while (state != 'T') {
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        fclose(file);
        assert_int_equal(sscanf(strrchr(text, ')') + 1, " %c", &state), 1);
    }
}

/* ---- the fork server killed ------------------------------------------------------------------------------------- */

static int
    runs_here; /* of on_start in this process's image: 1 in each fork server that is started from a pristine one */

/* arg: a counter that all processes share. */
static int count_start(void *arg, pool_error_t *error)
{
    (void)error;
    runs_here++;
    ++*(volatile int *)arg;
    return 0;
}

static int tell_runs(pool_call_t *call)
{
    return pool_call_return(call, &runs_here, sizeof runs_here);
}

static void assert_one_run(pool_t *pool)
{
    pool_job_t *job = support_submit(pool, tell_runs, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    int runs;
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, sizeof runs);
    memcpy(&runs, result->data, sizeof runs);
    assert_int_equal(runs, 1);
    pool_job_release(job);
}

static int *shared_counter(void)
{
    int *counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(counter != MAP_FAILED);
    return counter;
}

static void test_servers_killed_idle_ten_times(void **state)
{
    int *starts = shared_counter();
    struct watched watched;
    (void)state;
    watched_open(&watched, 2, count_start, starts);
    for (unsigned i = 1; i <= 10; i++) {
        const int32_t old = stats_of(watched.pool).fork_server_pid;
        kill_server(&watched);
        assert_one_run(watched.pool);
        const pool_stats_t stats = stats_of(watched.pool);
        assert_int_equal(stats.fork_servers_lost, i);
        assert_int_not_equal(stats.fork_server_pid, old);
    }
    assert_int_equal(*starts, 11);
    watched_free(&watched);
    munmap(starts, sizeof *starts);
}

/* Says the pid of a daemonised grandchild, and then its own. */
static int gate_with_grandchild(pool_call_t *call)
{
    const pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        gate_say(call, getpid());
        while (true)
            pause();
    }
    waitpid(child, NULL, 0);
    gate_wait(call);
    return 0;
}

static void test_servers_killed_loses_what_runs_and_no_more(void **state)
{
    struct watched watched;
    struct gate gate;
    pool_job_t *queued[4];
    (void)state;
    watched_open(&watched, 1, NULL, NULL);
    gate_open(&gate);
    pool_job_options_t options = gate_options(&gate);
    options.memory_limit = INT64_C(1) << 30;
    pool_job_t *running = support_submit(watched.pool, gate_with_grandchild, NULL, 0, &options);
    const pid_t grandchild = gate_await(&gate);
    for (size_t i = 0; i < 4; i++)
        queued[i] = support_submit(watched.pool, tell_runs, NULL, 0, NULL);
    kill_server(&watched);
    support_expect(support_wait(running), POOL_LOST, POOL_CAUSE_LOST);
    assert_int_equal(pool_job_result(running)->usage.memory_limit, options.memory_limit);
    assert_int_equal(kill(grandchild, 0), -1); /* reaped by the keeper */
    for (size_t i = 0; i < 4; i++) {
        support_expect(support_wait(queued[i]), POOL_DONE, POOL_CAUSE_EXITED);
        pool_job_release(queued[i]);
    }
    assert_int_equal(stats_of(watched.pool).settled[POOL_LOST], 1);
    assert_int_equal(stats_of(watched.pool).settled[POOL_DONE], 4);
    pool_job_release(running);
    gate_close(&gate);
    watched_free(&watched);
}

static void run_again_after_loss(pool_job_options_t options, uint32_t attempt, uint32_t evictions)
{
    struct watched watched;
    struct gate gate;
    watched_open(&watched, 1, NULL, NULL);
    gate_open(&gate);
    pool_job_t *job = gate_submit(watched.pool, &gate, options);
    gate_await(&gate);
    kill_server(&watched);
    gate_await(&gate);
    gate_release(&gate, 1);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->usage.attempt, attempt);
    assert_int_equal(result->usage.evictions, evictions);
    pool_job_release(job);
    gate_close(&gate);
    watched_free(&watched);
}

static void test_servers_lost_job_runs_again_where_it_may(void **state)
{
    (void)state;
    run_again_after_loss((pool_job_options_t){.retries = 1}, 2, 0);
    run_again_after_loss((pool_job_options_t){.rerunnable = true}, 1, 1);
}

/* ---- the keeper killed ------------------------------------------------------------------------------------------ */

/* Stops every worker: what is sent to them stays unread. */
static void stop_workers(const pool_t *pool)
{
    char path[64];
    int pid;
    while (stats_of(pool).warm == 0)
        sched_yield();
    const int server = stats_of(pool).fork_server_pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", server, server);
    FILE *children = fopen(path, "re");
    assert_non_null(children);
    while (fscanf(children, "%d", &pid) == 1)
        stop(pid);
    fclose(children);
}

static void tell_started(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    const int *fd = user;
    if (event->kind != POOL_EVENT_STARTED)
        return;
    const ssize_t wrote = write(*fd, "s", 1);
    (void)wrote;
}

static int do_nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

/* The task was on its way when the fork server died, and no worker had read it: the job has not begun, and runs. */
static void test_servers_unread_task_runs_elsewhere(void **state)
{
    (void)state;
    int started[2];
    support_pipe(started);
    pool_t *pool = support_open(1, 1);
    stop_workers(pool);
    const pool_job_options_t options = {.on_event = tell_started, .user = &started[1]};
    pool_job_t *job = support_submit(pool, do_nothing, NULL, 0, &options);
    assert_int_equal(support_await_byte(started[0]), 's');
    assert_int_equal(kill(stats_of(pool).fork_server_pid, SIGKILL), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->usage.attempt, 1);
    assert_int_equal(result->usage.evictions, 0);
    pool_job_release(job);
    pool_free(pool);
    close(started[0]);
    close(started[1]);
}

/* Polls the pool from outside: nothing tells of a keeper's end but that. */
static void await_refusal(pool_t *pool)
{
    pool_job_t *job = NULL;
    int rc;
    while ((rc = pool_submit(pool, tell_runs, NULL, 0, NULL, &job)) == 0) {
        pool_job_wait(job, -1);
        pool_job_release(job);
    }
    assert_int_equal(rc, -EIO);
    assert_null(job);
    assert_contains(pool_message(), "keeper");
}

static void test_servers_keeper_killed_idle_is_a_clear_error(void **state)
{
    pool_t *pool = support_open(2, 0);
    const pool_stats_t stats = stats_of(pool);
    const int server = pidfd_of(stats.fork_server_pid);
    (void)state;
    assert_int_equal(kill(stats.keeper_pid, SIGKILL), 0);
    await_refusal(pool);
    assert_int_equal(stats_of(pool).keeper_pid, -1);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_true(ended_by(server, 0));
    close(server);
    pool_free(pool);
}

static void test_servers_keeper_killed_mid_job_leaves_nothing(void **state)
{
    pool_t *pool = support_open(1, POOL_NONE);
    struct gate gate;
    (void)state;
    gate_open(&gate);
    const pool_job_options_t options = gate_options(&gate);
    pool_job_t *running = support_submit(pool, gate_with_grandchild, NULL, 0, &options);
    const int grandchild = pidfd_of(gate_await(&gate));
    pool_job_t *queued = support_submit(pool, tell_runs, NULL, 0, NULL);
    assert_int_equal(kill(stats_of(pool).keeper_pid, SIGKILL), 0);
    support_expect(support_wait(running), POOL_LOST, POOL_CAUSE_LOST);
    assert_true(ended_by(grandchild, 0));
    support_expect(support_wait(queued), POOL_LOST, POOL_CAUSE_LOST);
    assert_contains(pool_job_result(queued)->message, "keeper");
    pool_job_release(running);
    pool_job_release(queued);
    close(grandchild);
    gate_close(&gate);
    pool_free(pool);
}

/* ---- stopped ---------------------------------------------------------------------------------------------------- */

static void test_servers_stopped_server_lets_callers_time_out(void **state)
{
    pool_t *pool = support_open(1, POOL_NONE);
    const pid_t server = stats_of(pool).fork_server_pid;
    struct gate gate;
    (void)state;
    gate_open(&gate);
    pool_job_t *running = gate_submit(pool, &gate, (pool_job_options_t){0});
    gate_await(&gate);
    pool_job_t *queued = support_submit(pool, tell_runs, NULL, 0, NULL);
    stop(server);
    gate_release(&gate, 1);
    assert_int_equal(pool_job_wait(running, 100), -ETIMEDOUT); /* not reaped, so not settled */
    assert_int_equal(pool_job_wait(queued, 0), -ETIMEDOUT);
    assert_int_equal(kill(server, SIGCONT), 0);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    support_expect(support_wait(queued), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(running);
    pool_job_release(queued);
    gate_close(&gate);
    pool_free(pool);
}

/* A job runs, one is queued, and then these are stopped: KILL ends it all the same. */
static void close_stopped(bool stop_keeper, bool stop_server, int64_t bound_ms)
{
    pool_t *pool = support_open(1, POOL_NONE);
    const pool_stats_t stats = stats_of(pool);
    struct gate gate;
    gate_open(&gate);
    pool_job_t *running = gate_submit(pool, &gate, (pool_job_options_t){0});
    const int worker = pidfd_of(gate_await(&gate)), server = pidfd_of(stats.fork_server_pid);
    pool_job_t *queued = support_submit(pool, tell_runs, NULL, 0, NULL);
    if (stop_keeper)
        stop(stats.keeper_pid);
    if (stop_server)
        stop(stats.fork_server_pid);
    const int64_t start = now_ms();
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    assert_in_range(now_ms() - start, 0, bound_ms);
    support_expect(support_wait(running), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    support_expect(support_wait(queued), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_true(ended_by(server, 0));
    assert_true(ended_by(worker, 0));
    close(server);
    close(worker);
    pool_job_release(running);
    pool_job_release(queued);
    gate_close(&gate);
    pool_free(pool);
}

static void test_servers_stopped_server_does_not_stop_a_kill(void **state)
{
    (void)state;
    close_stopped(false, true, 8000);
}

static void test_servers_stopped_keeper_does_not_stop_a_kill(void **state)
{
    (void)state;
    close_stopped(true, false, 8000);
}

static void test_servers_both_stopped_do_not_stop_a_kill(void **state)
{
    (void)state;
    close_stopped(true, true, 8000);
}

/* ---- the host killed -------------------------------------------------------------------------------------------- */

/* How the host of the next test ends, in a process of its own. */
enum host_end { HOST_KILLED, HOST_KILLED_HELD, HOST_EXECS };

struct host {
    struct gate gate;
    int life[2]; /* open as long as the test lives; a byte: exec */
    enum host_end end;
};

#define HOST_JOBS 2
#define HOST_PIDS (2 + 2 * HOST_JOBS) /* keeper and fork server, workers and their grandchildren */

static int say_both_and_wait(pool_call_t *call)
{
    gate_say(call, getpid());
    return gate_with_grandchild(call);
}

/* Another child of the host's that has copies of all its descriptors. */
static void start_holder(const struct host *host)
{
    char byte;
    if (fork() != 0)
        return;
    close(host->life[1]);
    const ssize_t got = read(host->life[0], &byte, 1);
    _exit(got == 0 ? 0 : 1);
}

/* Opens a pool, runs jobs that daemonise, says all pids. Never returns. */
_Noreturn static void host_main(const struct host *host)
{
    const pool_job_options_t options = gate_options(&host->gate);
    const pool_options_t pool_options = {.workers = HOST_JOBS};
    pool_stats_t stats;
    pool_t *pool;
    if (pool_open(&pool, &pool_options, NULL) < 0 || pool_stats(pool, &stats) < 0)
        _exit(1);
    for (int i = 0; i < HOST_JOBS; i++)
        if (pool_submit(pool, say_both_and_wait, NULL, 0, &options, NULL) < 0)
            _exit(1);
    const pid_t pids[] = {stats.keeper_pid, stats.fork_server_pid};
    if (host->end == HOST_KILLED_HELD) /* before we say what the test waits for: it kills us then */
        start_holder(host);
    if (write(host->gate.ready[1], pids, sizeof pids) != sizeof pids)
        _exit(1);
    close(host->life[1]);
    dup2(host->life[0], STDIN_FILENO);
    if (support_await_byte(STDIN_FILENO) == 'x')
        execlp("cat", "cat", (char *)NULL); /* lives as long as the test does, too */
    _exit(1);
}

/* Every process that the host's pool had ends in time. */
static void assert_all_end(const int *pidfds, size_t count)
{
    const int64_t deadline = now_ms() + GONE_WITHIN_MS;
    for (size_t i = 0; i < count; i++)
        if (!ended_by(pidfds[i], deadline))
            fail_msg("process %zu of %zu is still there after %d ms", i, count, GONE_WITHIN_MS);
}

/* Orphans come to us: reaps until there are none, or none but those that still run. */
static void reap_orphans(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void end_host(enum host_end end)
{
    struct host host = {.end = end};
    int pidfds[HOST_PIDS];
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    gate_open(&host.gate);
    support_pipe(host.life);
    const pid_t pid = fork();
    if (pid == 0)
        host_main(&host);
    assert_true(pid > 0);
    for (int i = 0; i < HOST_PIDS; i++)
        pidfds[i] = pidfd_of(gate_await(&host.gate));
    if (end == HOST_EXECS)
        assert_int_equal(write(host.life[1], "x", 1), 1);
    else
        kill(pid, SIGKILL);
    assert_all_end(pidfds, HOST_PIDS);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    reap_orphans();
    assert_int_equal(support_descendants(getpid()), end == HOST_KILLED_HELD ? 1 : 0);
    close(host.life[0]);
    close(host.life[1]);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    for (int i = 0; i < HOST_PIDS; i++)
        close(pidfds[i]);
    gate_close(&host.gate);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_servers_host_killed_takes_all_with_it(void **state)
{
    (void)state;
    end_host(HOST_KILLED);
}

static void test_servers_host_killed_with_its_descriptors_held(void **state)
{
    (void)state;
    end_host(HOST_KILLED_HELD);
}

static void test_servers_host_that_execs_takes_all_with_it(void **state)
{
    (void)state;
    end_host(HOST_EXECS);
}

/* ---- signals to all of them ---------------------------------------------------------------------------------------
 */

/* A job that lets no signal end it: it is there for as long as its gate is closed. */
static int hold_signals(pool_call_t *call)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    gate_pass(call);
    return 0;
}

/* What is sent to each process of the tree, keeper and fork server among them, ends no job that can stand it, and none
 * that waits; idle workers may die of it. The host, which gets it as well, is the one to decide. */
static void test_servers_signals_to_the_whole_tree_lose_nothing(void **state)
{
    const int signals[] = {SIGTERM, SIGINT,  SIGQUIT, SIGUSR1,      SIGUSR2, SIGHUP, SIGALRM,
                           SIGABRT, SIGXCPU, SIGPIPE, SIGRTMIN + 1, SIGPWR,  SIGPROF};
    enum { WORKERS = 16, WAITING = 40 };
    pool_job_t *waiting[WAITING];
    struct gate gate;
    (void)state;
    gate_open(&gate);
    pool_t *pool = support_open(WORKERS, WORKERS);
    const pool_stats_t before = stats_of(pool);
    const pool_job_options_t options = gate_options(&gate);
    pool_job_t *job = support_submit(pool, hold_signals, NULL, 0, &options);
    gate_await(&gate);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_true(support_signal_descendants(getpid(), signals[i]) >= 3);
        for (size_t j = 0; j < WAITING; j++)
            waiting[j] = support_submit(pool, tell_runs, NULL, 0, NULL);
        for (size_t j = 0; j < WAITING; j++) {
            support_expect(support_wait(waiting[j]), POOL_DONE, POOL_CAUSE_EXITED);
            pool_job_release(waiting[j]);
        }
    }
    gate_release(&gate, 1);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_true(pool_job_result(job)->usage.memory_method != POOL_MEMORY_UNMEASURED);
    const pool_stats_t after = stats_of(pool);
    assert_int_equal(after.fork_servers_lost, 0);
    assert_int_equal(after.keeper_pid, before.keeper_pid);
    assert_int_equal(after.fork_server_pid, before.fork_server_pid);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- on_start --------------------------------------------------------------------------------------------------- */

static int start_refuses(void *arg, pool_error_t *error)
{
    (void)arg;
    snprintf(error->message, sizeof error->message, "there is no model file");
    return 3;
}

static int start_refuses_silently(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    return 7;
}

static int start_crashes(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    raise(SIGSEGV);
    return 0;
}

static int start_exits(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    _exit(3);
}

static void *wait_for_ever(void *unused)
{
    while (true)
        pause();
    return unused;
}

static int start_leaves_a_thread(void *arg, pool_error_t *error)
{
    pthread_t thread;
    (void)arg;
    (void)error;
    return pthread_create(&thread, NULL, wait_for_ever, NULL);
}

static void assert_open_fails(int (*on_start)(void *, pool_error_t *), const char *words)
{
    const pool_options_t options = {.workers = 1, .on_start = on_start};
    pool_error_t error;
    pool_t *pool = (pool_t *)&error;
    assert_int_equal(pool_open(&pool, &options, &error), -ECANCELED);
    assert_null(pool);
    assert_int_equal(error.code, -ECANCELED);
    assert_contains(error.message, words);
    assert_string_equal(pool_message(), error.message);
}

static void test_servers_on_start_failing_fails_open(void **state)
{
    (void)state;
    assert_open_fails(start_refuses, "there is no model file");
    assert_open_fails(start_refuses_silently, "on_start returned 7");
    assert_open_fails(start_crashes, "signal 11");
    assert_open_fails(start_exits, "exit 3");
    assert_open_fails(start_leaves_a_thread, "thread");
}

/* Succeeds the first time only. */
static int start_once(void *arg, pool_error_t *error)
{
    if (++*(volatile int *)arg == 1)
        return 0;
    snprintf(error->message, sizeof error->message, "the model file has gone");
    return 1;
}

static void test_servers_on_start_failing_later_ends_in_an_error(void **state)
{
    int *starts = shared_counter();
    struct watched watched;
    pool_job_t *job;
    (void)state;
    watched_open(&watched, 1, start_once, starts);
    kill_server(&watched);
    if (pool_submit(watched.pool, tell_runs, NULL, 0, NULL, &job) == 0) { /* before it has given up */
        support_expect(support_wait(job), POOL_LOST, POOL_CAUSE_LOST);
        assert_contains(pool_job_result(job)->message, "the model file has gone");
        pool_job_release(job);
    }
    assert_int_equal(pool_submit(watched.pool, tell_runs, NULL, 0, NULL, &job), -EIO);
    assert_contains(pool_message(), "the model file has gone");
    assert_true(*starts > 2);
    watched_free(&watched);
    munmap(starts, sizeof *starts);
}

/* Looks for the file whose inode is the argument among its descriptors. */
static int look_for_file(pool_call_t *call)
{
    const ino_t *wanted = pool_call_arg(call, NULL);
    struct stat found;
    for (int fd = 0; fd < 65536; fd++)
        if (fstat(fd, &found) == 0 && found.st_ino == *wanted)
            return pool_call_fail(call, 1, "descriptor %d is open here", fd);
    return 0;
}

static bool is_hung_up(int fd)
{
    struct pollfd end = {.fd = fd};
    return poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0;
}

static void expect_no_file(pool_t *pool, ino_t wanted)
{
    pool_job_t *job;
    assert_int_equal(pool_submit(pool, look_for_file, &wanted, sizeof wanted, NULL, &job), 0);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
}

static void test_servers_hold_what_the_host_has_closed(void **state)
{
    int ends[2];
    struct stat file;
    pool_t *pool;
    (void)state;
    support_pipe(ends);
    assert_int_equal(fstat(ends[1], &file), 0);
    const pool_options_t options = {.workers = 1, .held = &ends[1], .held_count = 1};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    close(ends[1]);
    expect_no_file(pool, file.st_ino);
    assert_false(is_hung_up(ends[0]));
    kill(stats_of(pool).fork_server_pid, SIGKILL);
    while (stats_of(pool).fork_servers_lost == 0)
        sched_yield();
    expect_no_file(pool, file.st_ino);
    assert_false(is_hung_up(ends[0]));
    pool_free(pool);
    assert_true(is_hung_up(ends[0]));
    close(ends[0]);
}

/* Leaves a process in a session of its own, tells its pid, and waits. */
static int leave_a_process(pool_call_t *call)
{
    const pid_t pid = fork();
    if (pid == 0) {
        setsid();
        for (;;)
            pause();
    }
    pool_call_emit(call, &pid, sizeof pid);
    return pause();
}

static void tell_pid(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    if (event->kind != POOL_EVENT_PARTIAL)
        return;
    const ssize_t wrote = write(*(int *)user, event->data, event->size);
    (void)wrote;
}

/* What a host does that starts again after all of its pool was killed. */
static void test_servers_sweep_ends_what_nobody_ends(void **state)
{
    static const uint32_t none = 0;
    int pids[2];
    pid_t pid;
    pool_t *pool;
    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    support_pipe(pids);
    assert_int_equal(pool_open(&pool, &(pool_options_t){.workers = 1}, NULL), 0);
    const pool_job_options_t options = {.on_event = tell_pid, .user = &pids[1]};
    assert_int_equal(pool_submit(pool, leave_a_process, NULL, 0, &options, NULL), 0);
    assert_int_equal(read(pids[0], &pid, sizeof pid), sizeof pid);
    const uint32_t tag = stats_of(pool).tag;
    assert_int_not_equal(tag, 0);
    assert_int_equal(pool_sweep(&none, 1), -EINVAL);
    assert_int_equal(pool_sweep(NULL, 0), 0);
    assert_int_equal(pool_sweep(&(uint32_t){tag ^ 1}, 1), 0); /* another's */
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(pool_sweep(&tag, 1), 0);
    pool_free(pool);
    assert_int_equal(kill(pid, 0), -1);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    close(pids[0]);
    close(pids[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_servers_killed_idle_ten_times),
        SUPPORT_TEST(test_servers_killed_loses_what_runs_and_no_more),
        SUPPORT_TEST(test_servers_lost_job_runs_again_where_it_may),
        SUPPORT_TEST(test_servers_unread_task_runs_elsewhere),
        SUPPORT_TEST(test_servers_hold_what_the_host_has_closed),
        SUPPORT_TEST(test_servers_sweep_ends_what_nobody_ends),
        SUPPORT_TEST(test_servers_keeper_killed_idle_is_a_clear_error),
        SUPPORT_TEST(test_servers_keeper_killed_mid_job_leaves_nothing),
        SUPPORT_TEST(test_servers_stopped_server_lets_callers_time_out),
        SUPPORT_TEST(test_servers_stopped_server_does_not_stop_a_kill),
        SUPPORT_TEST(test_servers_stopped_keeper_does_not_stop_a_kill),
        SUPPORT_TEST(test_servers_both_stopped_do_not_stop_a_kill),
        SUPPORT_TEST(test_servers_host_killed_takes_all_with_it),
        SUPPORT_TEST(test_servers_host_killed_with_its_descriptors_held),
        SUPPORT_TEST(test_servers_host_that_execs_takes_all_with_it),
        SUPPORT_TEST(test_servers_signals_to_the_whole_tree_lose_nothing),
        SUPPORT_TEST(test_servers_on_start_failing_fails_open),
        SUPPORT_TEST(test_servers_on_start_failing_later_ends_in_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
