/* What becomes of a job: limits, cancels, retries, output, failures, and on_release exactly once in every case. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

/* Long enough for a job to set itself up before, also on a machine that has other things to do. */
#define SETUP_MS 1000

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

static int wait_for_signals(pool_call_t *call)
{
    gate_say(call, getpid());
    while (pause() < 0)
        ;
    return 0;
}

static int wait_and_ignore_sigterm(pool_call_t *call)
{
    signal(SIGTERM, SIG_IGN);
    return wait_for_signals(call);
}

/* Leaves a child that ignores SIGTERM, and one in a session of its own; says all pids. */
static int wait_with_a_family(pool_call_t *call)
{
    for (int i = 0; i < 2; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            signal(SIGTERM, SIG_IGN);
            if (i == 1)
                setsid();
            wait_for_signals(call);
        }
    }
    return wait_for_signals(call);
}

static void leave(int signal_number)
{
    (void)signal_number;
    _exit(3);
}

static int leave_on_sigterm(pool_call_t *call)
{
    signal(SIGTERM, leave);
    return wait_for_signals(call);
}

/* Ends well when it is asked to. */
static int say_goodbye(pool_call_t *call)
{
    sigset_t term;
    int signal_number;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    gate_say(call, getpid());
    sigwait(&term, &signal_number);
    return pool_call_return(call, "goodbye", 7);
}

static const pool_result_t *run_at_gate(pool_t *pool, const struct gate *gate, pool_fn fn, pool_job_options_t options,
                                        pool_job_t **job)
{
    options.fds = gate->fds;
    options.fd_count = 2;
    *job = support_submit(pool, fn, NULL, 0, &options);
    return support_wait(*job);
}

static void test_outcomes_timeout_ends_by_sigterm(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = 50, .kill_after_ms = 60000};
    const double start = now();
    const pool_result_t *result = run_at_gate(pool, &gate, wait_for_signals, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->signal, SIGTERM);
    assert_true(now() - start < BOUND_SECONDS);
    assert_true(result->usage.wall_seconds >= 0.05);
    assert_non_null(strstr(result->message, "0.05 s"));
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_timeout_kills_after_the_grace(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = 100};
    const pool_result_t *result = run_at_gate(pool, &gate, wait_and_ignore_sigterm, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->signal, SIGKILL);
    assert_true(result->usage.wall_seconds >= 1.1);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_timeout_without_grace_kills_at_once(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = 50, .kill_after_ms = POOL_NONE};
    const pool_result_t *result = run_at_gate(pool, &gate, wait_for_signals, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->signal, SIGKILL);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_timeout_ends_the_whole_tree(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = 50};
    const pool_result_t *result = run_at_gate(pool, &gate, wait_with_a_family, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(gate_await(&gate), 0), -1);
    assert_int_equal(result->usage.processes, 3);
    assert_int_equal(result->usage.processes_killed, 2);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* SIGKILL for everybody at once, by the group, counts as killed, too. */
static void test_outcomes_killed_group_is_counted(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = POOL_NONE};
    const pool_result_t *result = run_at_gate(pool, &gate, wait_with_a_family, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->usage.processes, 3);
    assert_int_equal(result->usage.processes_killed, 2);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_a_whole_result_wins_over_the_timeout(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = 60000};
    const pool_result_t *result = run_at_gate(pool, &gate, say_goodbye, options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_memory_equal(result->data, "goodbye", 7);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_leaving_on_sigterm_is_still_the_timeout(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = 60000};
    const pool_result_t *result = run_at_gate(pool, &gate, leave_on_sigterm, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

static void test_outcomes_deadline_passes_in_the_queue(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    const pool_job_options_t options = {.deadline_ms = 30};
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->usage.attempt, 0);
    assert_true(result->usage.complete);
    assert_int_equal(result->usage.memory_method, POOL_MEMORY_UNMEASURED);
    gate_release(&gate, 1);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    pool_job_release(running);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_deadline_ends_a_running_job(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.deadline_ms = SETUP_MS, .timeout_ms = 60000, .retries = 5};
    const pool_result_t *result = run_at_gate(pool, &gate, wait_for_signals, options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->usage.attempt, 1); /* no time is left for another */
    assert_true(result->usage.wall_seconds > 0);
    assert_int_not_equal(result->usage.memory_method, POOL_MEMORY_UNMEASURED);
    assert_non_null(strstr(result->message, "killed: over its deadline"));
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static int crash(pool_call_t *call)
{
    (void)call;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return 0;
}

static void test_outcomes_deadline_passes_before_the_next_attempt(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.deadline_ms = 2 * SETUP_MS, .retries = 1, .retry_delay_ms = 600000};
    pool_job_t *job = support_submit(pool, crash, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->usage.attempt, 1);
    assert_true(result->usage.started > 0); /* the attempt that there was is reported */
    assert_true(result->usage.ended >= result->usage.started);
    assert_int_not_equal(result->usage.memory_method, POOL_MEMORY_UNMEASURED);
    assert_non_null(strstr(result->message, "again"));
    pool_job_release(job);
    pool_free(pool);
}

/* ---- CPU time, descriptors, niceness ----------------------------------------------------------------------------- */

static int burn(pool_call_t *call)
{
    (void)call;
    for (volatile unsigned long odd = 1; odd != 0; odd += 2)
        ;
    return 0;
}

static int burn_stubbornly(pool_call_t *call)
{
    signal(SIGXCPU, SIG_IGN);
    return burn(call);
}

static void expect_cpu_limit(pool_fn fn, int signal_number)
{
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.cpu_ms = 300};
    pool_job_t *job = support_submit(pool, fn, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_CPU_LIMIT);
    assert_int_equal(result->signal, signal_number);
    assert_true(result->usage.user_seconds + result->usage.system_seconds > 0.5);
    pool_job_release(job);
    pool_free(pool);
}

static void test_outcomes_cpu_limit(void **state)
{
    (void)state;
    expect_cpu_limit(burn, SIGXCPU);
    expect_cpu_limit(burn_stubbornly, SIGKILL);
}

static int tell_limits(pool_call_t *call)
{
    struct rlimit nofile;
    getrlimit(RLIMIT_NOFILE, &nofile);
    const int told[] = {(int)nofile.rlim_cur, (int)nofile.rlim_max, getpriority(PRIO_PROCESS, 0)};
    return pool_call_return(call, told, sizeof told);
}

static void test_outcomes_nofile_and_nice(void **state)
{
    (void)state;
    const int nice_here = getpriority(PRIO_PROCESS, 0);
    const pool_job_options_t options = {.nofile = 40, .nice = 3};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, tell_limits, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    const int *told = result->data;
    assert_int_equal(told[0], 40);
    assert_int_equal(told[1], 40);
    assert_int_equal(told[2], nice_here + 3 < 19 ? nice_here + 3 : 19);
    pool_job_release(job);
    pool_free(pool);
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static void test_outcomes_cancel_in_the_queue(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    pool_job_t *queued = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    assert_int_equal(pool_job_cancel(queued), 0);
    const pool_result_t *result = support_wait(queued);
    support_expect(result, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(result->usage.attempt, 0);
    assert_int_equal(pool_job_cancel(queued), -EALREADY);
    assert_null(pool_job_result(running));
    gate_release(&gate, 1);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(running);
    pool_job_release(queued);
    pool_free(pool);
    gate_close(&gate);
}

static void cancel_running(pool_fn fn, int64_t kill_after_ms, int signal_number)
{
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.fds = gate.fds, .fd_count = 2, .kill_after_ms = kill_after_ms, .retries = 3};
    pool_job_t *job = support_submit(pool, fn, NULL, 0, &options);
    const pid_t pid = gate_await(&gate);
    assert_int_equal(pool_job_cancel(job), 0);
    pool_job_cancel(job); /* again: changes nothing */
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(result->signal, signal_number);
    assert_int_equal(result->usage.attempt, 1);
    assert_int_equal(kill(pid, 0), -1);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_cancel_running(void **state)
{
    (void)state;
    cancel_running(wait_for_signals, 60000, SIGTERM);
    cancel_running(wait_and_ignore_sigterm, 50, SIGKILL);
    cancel_running(wait_for_signals, POOL_NONE, SIGKILL);
}

static void test_outcomes_cancel_between_attempts(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.retries = 1, .retry_delay_ms = 600000};
    pool_job_t *job = support_submit(pool, crash, NULL, 0, &options);
    pool_stats_t stats = {0};
    while (stats.retried == 0)
        assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(pool_job_cancel(job), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(result->usage.attempt, 1);
    pool_job_release(job);
    pool_free(pool);
}

/* ---- retries ----------------------------------------------------------------------------------------------------- */

struct history {
    size_t started, retried;
    pool_outcome_t outcome;
    uint32_t last_attempt;
    bool settled_last; /* no event came after it was settled */
    bool settled;
};

static void note_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct history *history = user;
    (void)job;
    history->settled_last = false;
    history->last_attempt = event->attempt;
    if (event->kind == POOL_EVENT_STARTED)
        history->started++;
    if (event->kind == POOL_EVENT_RETRIED) {
        history->retried++;
        history->outcome = event->outcome;
    }
}

static void note_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct history *history = user;
    (void)job;
    (void)result;
    history->settled = history->settled_last = true;
}

/* Succeeds at the attempt that the argument says. */
static int succeed_at(pool_call_t *call)
{
    const uint32_t *attempt = pool_call_arg(call, NULL);
    const uint32_t mine = pool_call_attempt(call);
    if (mine < *attempt)
        return crash(call);
    return pool_call_return(call, &mine, sizeof mine);
}

static void test_outcomes_retry_until_it_works(void **state)
{
    (void)state;
    static struct history history;
    const uint32_t third = 3;
    history = (struct history){0};
    const pool_job_options_t options = {
        .retries = 5, .retry_delay_ms = 20, .on_event = note_event, .on_settled = note_settled, .user = &history};
    pool_t *pool = support_open(1, 0);
    pool_stats_t stats;
    pool_job_t *job = support_submit(pool, succeed_at, &third, sizeof third, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(*(const uint32_t *)result->data, 3);
    assert_int_equal(result->usage.attempt, 3);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(history.started, 3);
    assert_int_equal(history.retried, 2);
    assert_int_equal(history.last_attempt, 3);
    assert_int_equal(history.outcome, POOL_CRASHED);
    assert_true(history.settled && history.settled_last);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.retried, 2);
    assert_int_equal(stats.settled[POOL_DONE], 1);
    assert_int_equal(stats.settled[POOL_CRASHED], 0);
    pool_job_release(job);
    pool_free(pool);
}

static int fail_seven(pool_call_t *call)
{
    return pool_call_fail(call, 7, "no luck at attempt %u", pool_call_attempt(call));
}

static void expect_attempts(pool_t *pool, pool_fn fn, pool_job_options_t options, pool_outcome_t outcome,
                            uint32_t attempts)
{
    pool_job_t *job = support_submit(pool, fn, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    assert_int_equal(result->outcome, outcome);
    assert_int_equal(result->usage.attempt, attempts);
    pool_job_release(job);
}

static void test_outcomes_retry_only_after_what_was_asked_for(void **state)
{
    (void)state;
    const uint32_t on_failure = POOL_RETRY_ON(POOL_FAILED), on_timeout = POOL_RETRY_ON(POOL_TIMED_OUT);
    pool_t *pool = support_open(1, 0);
    expect_attempts(pool, crash, (pool_job_options_t){.retries = 0}, POOL_CRASHED, 1);
    expect_attempts(pool, crash, (pool_job_options_t){.retries = 2}, POOL_CRASHED, 3);
    expect_attempts(pool, crash, (pool_job_options_t){.retries = 2, .retry_on = on_failure}, POOL_CRASHED, 1);
    expect_attempts(pool, fail_seven, (pool_job_options_t){.retries = 2}, POOL_FAILED, 1);
    expect_attempts(pool, fail_seven, (pool_job_options_t){.retries = 2, .retry_on = on_failure}, POOL_FAILED, 3);
    expect_attempts(pool, burn, (pool_job_options_t){.retries = 1, .timeout_ms = 30}, POOL_TIMED_OUT, 2);
    expect_attempts(pool, burn, (pool_job_options_t){.retries = 1, .timeout_ms = 30, .retry_on = on_timeout},
                    POOL_TIMED_OUT, 2);
    expect_attempts(pool, burn, (pool_job_options_t){.retries = 1, .timeout_ms = 30, .retry_on = on_failure},
                    POOL_TIMED_OUT, 1);
    pool_free(pool);
}

static void test_outcomes_retry_waits_for_its_delay(void **state)
{
    (void)state;
    const double start = now();
    pool_t *pool = support_open(1, 0);
    expect_attempts(pool, crash, (pool_job_options_t){.retries = 2, .retry_delay_ms = 100}, POOL_CRASHED, 3);
    assert_true(now() - start >= 0.2);
    pool_free(pool);
}

/* ---- the job's own word ------------------------------------------------------------------------------------------ */

static int return_five(pool_call_t *call)
{
    pool_call_return(call, "bytes", 5);
    return 5;
}

static int fail_zero(pool_call_t *call)
{
    return pool_call_fail(call, 0, "nothing special");
}

static int fail_at_length(pool_call_t *call)
{
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    return pool_call_fail(call, -3, "%s", text);
}

/* value NULL: none. */
static void expect_failure(pool_t *pool, pool_fn fn, int code, const char *message, const char *value)
{
    pool_job_t *job = support_submit(pool, fn, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, code);
    assert_int_equal(result->size, value == NULL ? 0 : strlen(value));
    if (value == NULL)
        assert_null(result->data);
    else
        assert_memory_equal(result->data, value, result->size);
    if (message != NULL)
        assert_string_equal(result->message, message);
    else
        assert_int_equal(strlen(result->message), 1023);
    pool_job_release(job);
}

static void test_outcomes_failures_keep_code_and_text(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_failure(pool, fail_seven, 7, "no luck at attempt 1", NULL);
    expect_failure(pool, fail_zero, 1, "nothing special", NULL);
    expect_failure(pool, fail_at_length, -3, NULL, NULL);
    expect_failure(pool, return_five, 5, "returned 5", "bytes");
    pool_free(pool);
}

/* Asks for what it must not; each refusal sets a bit. */
static int misuse_results(pool_call_t *call)
{
    uint32_t wrong = 0;
    wrong |= pool_call_return(call, NULL, 4) == -EINVAL ? 0 : 1;
    wrong |= pool_call_alloc_result(call, 0) == NULL && errno == EINVAL ? 0 : 2;
    wrong |= pool_call_fd(call, 0) == -EBADF ? 0 : 4;
    wrong |= pool_call_return(call, &wrong, sizeof wrong) == 0 ? 0 : 8;
    wrong |= pool_call_return(call, &wrong, sizeof wrong) == -EALREADY ? 0 : 16;
    wrong |= pool_call_alloc_result(call, 5) == NULL && errno == EALREADY ? 0 : 32;
    return (int)wrong;
}

static void test_outcomes_results_are_given_once(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, misuse_results, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    assert_int_equal(result->code, 0);
    assert_int_equal(result->size, sizeof(uint32_t));
    pool_job_release(job);
    pool_free(pool);
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static int speak(pool_call_t *call)
{
    (void)call;
    printf("to standard output");
    fprintf(stderr, "to standard error");
    return 0;
}

static int speak_without_end(pool_call_t *call)
{
    static char block[1 << 16];
    (void)call;
    memset(block, 'b', sizeof block);
    for (;;)
        if (write(STDOUT_FILENO, block, sizeof block) < 0)
            return 1;
}

static void test_outcomes_output_is_captured(void **state)
{
    (void)state;
    const pool_job_options_t options = {.output = POOL_OUTPUT_CAPTURE};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, speak, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_string_equal(result->out, "to standard output");
    assert_int_equal(result->out_size, strlen("to standard output"));
    assert_string_equal(result->err, "to standard error");
    assert_false(result->truncated);
    pool_job_release(job);
    job = support_submit(pool, nothing, NULL, 0, &options);
    result = support_wait(job);
    assert_string_equal(result->out, "");
    assert_int_equal(result->out_size, 0);
    pool_job_release(job);
    pool_free(pool);
}

/* Runs speak() with standard output of the whole pool in a file, and gives what came there. */
static void run_with_stdout(int fd, pool_output_t output)
{
    const pool_job_options_t options = {.output = output};
    fflush(stdout);
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    pool_t *pool;
    pool_job_t *job = NULL;
    const int opened = pool_open(&pool, NULL, NULL);
    const int submitted = opened == 0 ? pool_submit(pool, speak, NULL, 0, &options, &job) : -1;
    if (submitted == 0)
        pool_job_wait(job, -1);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    assert_int_equal(opened, 0);
    assert_int_equal(submitted, 0);
    support_expect(pool_job_result(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_null(pool_job_result(job)->out);
    pool_job_release(job);
    pool_free(pool);
}

static void test_outcomes_output_is_inherited_or_discarded(void **state)
{
    (void)state;
    char text[128] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    run_with_stdout(fileno(file), POOL_OUTPUT_DISCARD);
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
    run_with_stdout(fileno(file), POOL_OUTPUT_INHERIT);
    rewind(file);
    const size_t got = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(got, strlen("to standard output") + strlen("to standard error"));
    assert_non_null(strstr(text, "to standard output"));
    assert_non_null(strstr(text, "to standard error"));
    fclose(file);
}

static void test_outcomes_output_limit_ends_a_job(void **state)
{
    (void)state;
    const pool_job_options_t options = {.output = POOL_OUTPUT_CAPTURE, .output_limit = 100000};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, speak_without_end, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT);
    assert_true(result->truncated);
    assert_int_equal(result->out_size, 100000);
    for (size_t i = 0; i < result->out_size; i++)
        assert_int_equal(((const char *)result->out)[i], 'b');
    pool_job_release(job);
    pool_free(pool);
}

/* Processes that write faster together than one can read. */
static int speak_in_chorus(pool_call_t *call)
{
    for (int i = 0; i < 4; i++)
        if (fork() == 0)
            break;
    return speak_without_end(call);
}

static void test_outcomes_a_flood_of_output_holds_up_nobody(void **state)
{
    (void)state;
    const pool_job_options_t flood = {.output = POOL_OUTPUT_CAPTURE, .output_limit = 1 << 20};
    const double start = now();
    pool_t *pool = support_open(2, 0);
    pool_job_t *loud = support_submit(pool, speak_in_chorus, NULL, 0, &flood);
    pool_job_t *quiet = support_submit(pool, nothing, NULL, 0, NULL);
    support_expect(support_wait(quiet), POOL_DONE, POOL_CAUSE_EXITED);
    support_expect(support_wait(loud), POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT);
    assert_true(now() - start < BOUND_SECONDS);
    pool_job_release(loud);
    pool_job_release(quiet);
    pool_free(pool);
}

static void test_outcomes_no_output_at_all_is_a_limit_too(void **state)
{
    (void)state;
    const pool_job_options_t options = {.output = POOL_OUTPUT_CAPTURE, .output_limit = POOL_NONE};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &options);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    job = support_submit(pool, speak_without_end, NULL, 0, &options);
    support_expect(support_wait(job), POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT);
    assert_int_equal(pool_job_result(job)->out_size, 0);
    pool_job_release(job);
    pool_free(pool);
}

/* ---- early ------------------------------------------------------------------------------------------------------- */

/* Its value is whole when it returns; a child of its holds up the reaping of nothing but the tree. */
static int return_early(pool_call_t *call)
{
    void *big = pool_call_alloc_result(call, 1 << 20);
    memset(big, 'e', 1 << 20);
    return pool_call_return(call, big, 1 << 20);
}

static void note_completeness(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    *(int *)user = result->usage.complete ? 1 : 2;
}

static void test_outcomes_early_settles_before_the_reaping(void **state)
{
    (void)state;
    int complete = 0;
    const pool_job_options_t options = {.early = true, .on_settled = note_completeness, .user = &complete};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, return_early, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, 1 << 20);
    assert_int_equal(((const char *)result->data)[(1 << 20) - 1], 'e');
    assert_int_equal(pool_job_cancel(job), -EALREADY);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(complete, 2);
    assert_int_equal(support_descendants(getpid()), 0);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    pool_free(pool);
}

/* The fork server is stopped: nothing can be reaped, and only `early` can settle. */
static void test_outcomes_early_needs_no_reaping(void **state)
{
    (void)state;
    struct gate gate;
    pool_stats_t stats;
    gate_open(&gate);
    pool_t *pool = support_open(2, 0);
    pool_job_t *late = gate_submit(pool, &gate, gate_options(&gate));
    pool_job_t *early = gate_submit(pool, &gate, (pool_job_options_t){.early = true});
    gate_await(&gate);
    gate_await(&gate);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(kill(stats.fork_server_pid, SIGSTOP), 0);
    gate_release(&gate, 2);
    assert_int_equal(pool_job_wait(early, -1), 0);
    assert_int_equal(pool_job_wait(late, 50), -ETIMEDOUT);
    assert_int_equal(kill(stats.fork_server_pid, SIGCONT), 0);
    support_expect(support_wait(late), POOL_DONE, POOL_CAUSE_EXITED);
    assert_true(pool_job_result(late)->usage.complete);
    assert_false(pool_job_result(early)->usage.complete);
    pool_job_release(late);
    pool_job_release(early);
    pool_free(pool);
    gate_close(&gate);
}

static void test_outcomes_early_failure_and_crash(void **state)
{
    (void)state;
    const pool_job_options_t options = {.early = true};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, fail_seven, NULL, 0, &options);
    support_expect(support_wait(job), POOL_FAILED, POOL_CAUSE_EXITED);
    assert_int_equal(pool_job_result(job)->code, 7);
    pool_job_release(job);
    job = support_submit(pool, crash, NULL, 0, &options);
    support_expect(support_wait(job), POOL_CRASHED, POOL_CAUSE_SIGNALLED);
    assert_true(pool_job_result(job)->usage.complete);
    pool_job_release(job);
    expect_attempts(pool, fail_seven,
                    (pool_job_options_t){.early = true, .retries = 2, .retry_on = POOL_RETRY_ON(POOL_FAILED)},
                    POOL_FAILED, 3);
    pool_free(pool);
}

/* ---- on_release -------------------------------------------------------------------------------------------------- */

enum { RELEASES = 8 };

static atomic_int releases[RELEASES];

static void count_release(void *user)
{
    atomic_fetch_add(&releases[(intptr_t)user], 1);
}

static pool_job_options_t release_options(intptr_t index)
{
    return (pool_job_options_t){.on_release = count_release, .user = (void *)index};
}

static void expect_releases(const int *expected)
{
    for (int i = 0; i < RELEASES; i++)
        assert_int_equal(atomic_load(&releases[i]), expected[i]);
}

static void test_outcomes_on_release_runs_exactly_once(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *collected, *refused;
    gate_open(&gate);
    memset(releases, 0, sizeof releases);
    pool_t *pool = support_open(1, 0);
    pool_job_options_t options = release_options(0);
    pool_job_t *held = support_submit(pool, nothing, NULL, 0, &options);
    support_wait(held);
    options = release_options(1);
    assert_int_equal(pool_submit(pool, crash, NULL, 0, &options, NULL), 0);
    options = release_options(2);
    options.collect = true;
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    assert_int_equal(pool_next(pool, -1, &collected), 0);
    options = release_options(3);
    options.output_limit = -9;
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &refused), -EINVAL);
    pool_job_t *running = gate_submit(pool, &gate, release_options(4));
    gate_await(&gate);
    pool_job_t *queued = gate_submit(pool, &gate, release_options(5));
    options = release_options(6);
    options.collect = true;
    pool_job_release(gate_submit(pool, &gate, options)); /* that nobody fetches */
    expect_releases((const int[RELEASES]){0, 1, 0, 0, 0, 0, 0, 0});
    assert_int_equal(pool_close(pool, POOL_CLOSE_KILL), 0);
    options = release_options(7);
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), -ESHUTDOWN);
    expect_releases((const int[RELEASES]){0, 1, 0, 0, 0, 0, 0, 0});
    pool_job_retain(held);
    pool_job_release(held);
    pool_job_release(running);
    pool_job_release(collected);
    expect_releases((const int[RELEASES]){0, 1, 1, 0, 1, 0, 0, 0});
    pool_free(pool);
    pool_job_release(held);
    pool_job_release(queued);
    expect_releases((const int[RELEASES]){1, 1, 1, 0, 1, 1, 1, 0});
    gate_close(&gate);
}

static void test_outcomes_on_release_after_early(void **state)
{
    (void)state;
    memset(releases, 0, sizeof releases);
    pool_job_options_t options = release_options(0);
    options.early = true;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, return_early, NULL, 0, &options);
    support_wait(job);
    pool_job_release(job);
    options.user = (void *)(intptr_t)1;
    assert_int_equal(pool_submit(pool, return_early, NULL, 0, &options, NULL), 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    expect_releases((const int[RELEASES]){1, 1, 0, 0, 0, 0, 0, 0});
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_outcomes_timeout_ends_by_sigterm),
        SUPPORT_TEST(test_outcomes_timeout_kills_after_the_grace),
        SUPPORT_TEST(test_outcomes_timeout_without_grace_kills_at_once),
        SUPPORT_TEST(test_outcomes_timeout_ends_the_whole_tree),
        SUPPORT_TEST(test_outcomes_killed_group_is_counted),
        SUPPORT_TEST(test_outcomes_a_whole_result_wins_over_the_timeout),
        SUPPORT_TEST(test_outcomes_leaving_on_sigterm_is_still_the_timeout),
        SUPPORT_TEST(test_outcomes_deadline_passes_in_the_queue),
        SUPPORT_TEST(test_outcomes_deadline_ends_a_running_job),
        SUPPORT_TEST(test_outcomes_deadline_passes_before_the_next_attempt),
        SUPPORT_TEST(test_outcomes_cpu_limit),
        SUPPORT_TEST(test_outcomes_nofile_and_nice),
        SUPPORT_TEST(test_outcomes_cancel_in_the_queue),
        SUPPORT_TEST(test_outcomes_cancel_running),
        SUPPORT_TEST(test_outcomes_cancel_between_attempts),
        SUPPORT_TEST(test_outcomes_retry_until_it_works),
        SUPPORT_TEST(test_outcomes_retry_only_after_what_was_asked_for),
        SUPPORT_TEST(test_outcomes_retry_waits_for_its_delay),
        SUPPORT_TEST(test_outcomes_failures_keep_code_and_text),
        SUPPORT_TEST(test_outcomes_results_are_given_once),
        SUPPORT_TEST(test_outcomes_output_is_captured),
        SUPPORT_TEST(test_outcomes_output_is_inherited_or_discarded),
        SUPPORT_TEST(test_outcomes_output_limit_ends_a_job),
        SUPPORT_TEST(test_outcomes_a_flood_of_output_holds_up_nobody),
        SUPPORT_TEST(test_outcomes_no_output_at_all_is_a_limit_too),
        SUPPORT_TEST(test_outcomes_early_settles_before_the_reaping),
        SUPPORT_TEST(test_outcomes_early_needs_no_reaping),
        SUPPORT_TEST(test_outcomes_early_failure_and_crash),
        SUPPORT_TEST(test_outcomes_on_release_runs_exactly_once),
        SUPPORT_TEST(test_outcomes_on_release_after_early),
    };
    return cmocka_run_group_tests_name("outcomes", tests, NULL, NULL);
}
