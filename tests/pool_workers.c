/* What becomes of a job whose worker comes to grief: every way to die, at every point of the conversation. */
#include "gate.h"
#include "message.h"
#include "support.h"
#include "thief.h"

#include <fcntl.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* In backtraces by name, so neither static nor inlined. */
int workers_raise(pool_call_t *call);
int workers_abort(pool_call_t *call);
int workers_wild_pointer(pool_call_t *call);
int workers_past_the_end(pool_call_t *call);
int workers_divide(pool_call_t *call);
int workers_recurse(volatile int *depth);
void *workers_wild_thread(void *unused);

/* One job, alone in its pool. */
static void run_alone(pool_fn fn, const void *arg, size_t size, void (*check)(const pool_result_t *))
{
    pool_t *pool = support_open(1, POOL_NONE);
    pool_job_t *job = support_submit(pool, fn, arg, size, NULL);
    check(support_wait(job));
    pool_job_release(job);
    pool_free(pool);
}

static void assert_contains(const char *text, const char *part)
{
    assert_non_null(text);
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

/* CRASHED of a signal, no value, and the note names signal and function. */
static void assert_noted(const pool_result_t *result, int signal, const char *function)
{
    char note[32];
    support_expect(result, POOL_CRASHED, POOL_CAUSE_SIGNALLED);
    assert_int_equal(result->signal, signal);
    assert_null(result->data);
    assert_int_equal(result->size, 0);
    snprintf(note, sizeof note, "signal %d (", signal);
    assert_contains(result->message, note);
    assert_contains(result->crash, note);
    assert_contains(result->crash, function);
}

/* ---- signals --------------------------------------------------------------------------------------------------- */

__attribute__((noinline)) int workers_raise(pool_call_t *call)
{
    const int *signal = pool_call_arg(call, NULL);
    raise(*signal);
    return 0;
}

static void test_workers_signals_are_named_with_a_note(void **state)
{
    static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    enum { COUNT = sizeof signals / sizeof *signals };
    pool_t *pool = support_open(2, 0);
    pool_job_t *jobs[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        jobs[i] = support_submit(pool, workers_raise, &signals[i], sizeof signals[i], NULL);
    for (size_t i = 0; i < COUNT; i++) {
        assert_noted(support_wait(jobs[i]), signals[i], "workers_raise");
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
}

static void check_terminated(const pool_result_t *result)
{
    support_expect(result, POOL_CRASHED, POOL_CAUSE_SIGNALLED);
    assert_int_equal(result->signal, SIGTERM);
    assert_null(result->crash);
}

static void test_workers_signal_without_handler_has_no_note(void **state)
{
    const int signal = SIGTERM;
    (void)state;
    run_alone(workers_raise, &signal, sizeof signal, check_terminated);
}

static void check_killed(const pool_result_t *result)
{
    support_expect(result, POOL_CRASHED, POOL_CAUSE_KILLED);
    assert_int_equal(result->signal, SIGKILL);
    assert_null(result->crash);
    assert_null(result->data);
}

static void test_workers_sigkill_is_someone_elses(void **state)
{
    const int signal = SIGKILL;
    (void)state;
    run_alone(workers_raise, &signal, sizeof signal, check_killed);
}

/* ---- real faults ----------------------------------------------------------------------------------------------- */

static volatile uintptr_t wild_address = 64;

static void touch(uintptr_t address)
{
    *(volatile char *)address = 1;
}

__attribute__((noinline)) int workers_wild_pointer(pool_call_t *call)
{
    (void)call;
    touch(wild_address);
    return 0;
}

static void check_wild_pointer(const pool_result_t *result)
{
    assert_noted(result, SIGSEGV, "workers_wild_pointer");
    assert_contains(result->crash, "at address 0x40\n");
}

static void test_workers_segv_tells_its_address(void **state)
{
    (void)state;
    run_alone(workers_wild_pointer, NULL, 0, check_wild_pointer);
}

/* A mapping beyond its file's end. */
__attribute__((noinline)) int workers_past_the_end(pool_call_t *call)
{
    const int fd = memfd_create("empty", 0);
    char *empty = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)call;
    if (empty == MAP_FAILED)
        return 1;
    touch((uintptr_t)empty);
    return 0;
}

static void check_past_the_end(const pool_result_t *result)
{
    assert_noted(result, SIGBUS, "workers_past_the_end");
    assert_contains(result->crash, "at address 0x");
}

static void test_workers_bus_error_tells_its_address(void **state)
{
    (void)state;
    run_alone(workers_past_the_end, NULL, 0, check_past_the_end);
}

__attribute__((noinline)) int workers_abort(pool_call_t *call)
{
    (void)call;
    abort();
}

static void check_abort(const pool_result_t *result)
{
    assert_noted(result, SIGABRT, "workers_abort");
}

static void test_workers_abort_is_noted(void **state)
{
    (void)state;
    run_alone(workers_abort, NULL, 0, check_abort);
}

/* Never ends, but the compiler cannot know. */
__attribute__((noinline)) int workers_recurse(volatile int *depth)
{
    volatile char room[1024];
    room[0] = (char)*depth;
    if (*depth < 0)
        return 0;
    return workers_recurse(depth) + room[0];
}

static int overflow_stack(pool_call_t *call)
{
    volatile int depth = 1;
    (void)call;
    return workers_recurse(&depth);
}

static void check_overflow(const pool_result_t *result)
{
    assert_noted(result, SIGSEGV, "workers_recurse");
}

static void test_workers_stack_overflow_is_noted(void **state)
{
    (void)state;
    run_alone(overflow_stack, NULL, 0, check_overflow);
}

__attribute__((noinline)) void *workers_wild_thread(void *unused)
{
    (void)unused;
    touch(wild_address);
    return NULL;
}

static int crash_in_thread(pool_call_t *call)
{
    pthread_t thread;
    (void)call;
    if (pthread_create(&thread, NULL, workers_wild_thread, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return 0;
}

static void check_thread(const pool_result_t *result)
{
    assert_noted(result, SIGSEGV, "workers_wild_thread");
}

static void test_workers_crash_in_a_thread_is_noted(void **state)
{
    (void)state;
    run_alone(crash_in_thread, NULL, 0, check_thread);
}

/* A crash in a process that the job forked is that process's own business. */
static int crash_in_child(pool_call_t *call)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSEGV);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
        return pool_call_fail(call, 1, "child status %x", (unsigned)status);
    return pool_call_return(call, "fine", 4);
}

static void check_fine(const pool_result_t *result)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, 4);
    assert_memory_equal(result->data, "fine", 4);
    assert_null(result->crash);
}

static void test_workers_crash_in_a_child_is_not_the_jobs(void **state)
{
    (void)state;
    run_alone(crash_in_child, NULL, 0, check_fine);
}

/* ---- in the middle of the conversation -------------------------------------------------------------------------- */

/* How a worker leaves that has written raw bytes. */
enum leaving { LEAVE_KILLED, LEAVE_CRASHED, LEAVE_EXIT };

struct writing {
    size_t part; /* bytes of the frame, 0: all */
    enum leaving leaving;
};

/* Writes a legal result frame with a value, or a part of it, itself. */
static int write_result(pool_call_t *call)
{
    const struct writing *writing = pool_call_arg(call, NULL);
    const struct message_result result = {.payload = PAYLOAD_INLINE, .size = 5, .data = {"value", 5}};
    uint8_t frame[256];
    const ssize_t size = message_pack(frame, sizeof frame, MESSAGE_RESULT, &result);
    if (size < 0)
        return 1;
    if (!thief_write(frame, writing->part != 0 ? writing->part : (size_t)size))
        return 1;
    if (writing->leaving == LEAVE_EXIT)
        _exit(0);
    raise(writing->leaving == LEAVE_KILLED ? SIGKILL : SIGSEGV);
    return 1;
}

static void run_writing(size_t part, enum leaving leaving, void (*check)(const pool_result_t *))
{
    const struct writing writing = {.part = part, .leaving = leaving};
    run_alone(write_result, &writing, sizeof writing, check);
}

static void check_left_early(const pool_result_t *result)
{
    support_expect(result, POOL_CRASHED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, 0);
    assert_null(result->data);
    assert_contains(result->message, "before its result was complete");
}

static void test_workers_killed_within_a_frame_has_no_value(void **state)
{
    (void)state;
    run_writing(1, LEAVE_KILLED, check_killed);
    run_writing(FRAME_HEADER_SIZE, LEAVE_KILLED, check_killed);
    run_writing(FRAME_HEADER_SIZE + 3, LEAVE_KILLED, check_killed);
}

static void test_workers_exit_within_a_frame_is_a_crash(void **state)
{
    (void)state;
    run_writing(FRAME_HEADER_SIZE + 3, LEAVE_EXIT, check_left_early);
}

/* A value counts only from a worker that left well: what it was about to say or do is not known. */
static void test_workers_killed_after_a_whole_frame_is_a_crash(void **state)
{
    (void)state;
    run_writing(0, LEAVE_KILLED, check_killed);
}

static void check_value(const pool_result_t *result)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, 5);
    assert_memory_equal(result->data, "value", 5);
}

/* Says that the two tests above write what counts. */
static void test_workers_exit_after_a_whole_frame_is_done(void **state)
{
    (void)state;
    run_writing(0, LEAVE_EXIT, check_value);
}

/* ---- leaving without a word ------------------------------------------------------------------------------------- */

static int leave_by_exit(pool_call_t *call)
{
    const int *code = pool_call_arg(call, NULL);
    exit(*code);
}

static int leave_by_underscore_exit(pool_call_t *call)
{
    const int *code = pool_call_arg(call, NULL);
    _exit(*code);
}

/* A leak checker has its say at exit, and may choose the code. */
static void check_exited(const pool_result_t *result)
{
    support_expect(result, POOL_CRASHED, POOL_CAUSE_EXITED);
    assert_null(result->data);
}

static void check_exit_7(const pool_result_t *result)
{
    support_expect(result, POOL_CRASHED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, 7);
    assert_int_equal(result->signal, 0);
}

static void test_workers_exit_without_result_is_a_crash(void **state)
{
    const int zero = 0, seven = 7;
    (void)state;
    run_alone(leave_by_exit, &zero, sizeof zero, SUPPORT_SANITIZED ? check_exited : check_left_early);
    run_alone(leave_by_underscore_exit, &zero, sizeof zero, check_left_early);
    run_alone(leave_by_underscore_exit, &seven, sizeof seven, check_exit_7);
}

#if !SUPPORT_SANITIZED /* they have their say at a thread's end */
static int leave_by_thread_end(pool_call_t *call)
{
    (void)call;
    pthread_exit(NULL);
}

static void test_workers_last_thread_ending_is_a_crash(void **state)
{
    (void)state;
    run_alone(leave_by_thread_end, NULL, 0, check_left_early);
}
#endif

/* ---- what a job leaves ------------------------------------------------------------------------------------------ */

/* A daemonised grandchild that keeps every descriptor, the result pipe among them. Returns its pid. */
static pid_t daemonise(void)
{
    int told[2];
    pid_t pid = -1;
    if (pipe(told) < 0)
        return -1;
    const pid_t child = fork();
    if (child == 0) {
        setsid();
        pid = fork();
        if (pid == 0)
            while (true)
                pause();
        const ssize_t wrote = write(told[1], &pid, sizeof pid);
        _exit(wrote == sizeof pid ? 0 : 1);
    }
    if (waitpid(child, NULL, 0) != child || read(told[0], &pid, sizeof pid) != sizeof pid)
        return -1;
    return pid;
}

static int leave_grandchild(pool_call_t *call)
{
    const pid_t pid = daemonise();
    return pid < 0 ? 1 : pool_call_return(call, &pid, sizeof pid);
}

static void check_grandchild_gone(const pool_result_t *result)
{
    pid_t pid;
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, sizeof pid);
    memcpy(&pid, result->data, sizeof pid);
    assert_int_equal(kill(pid, 0), -1); /* reaped, not only dead */
    assert_int_equal(result->usage.processes_killed, 1);
    assert_false(result->usage.unkillable);
}

static void test_workers_grandchild_with_the_pipe_does_not_delay(void **state)
{
    (void)state;
    run_alone(leave_grandchild, NULL, 0, check_grandchild_gone);
}

/* ---- two at once ------------------------------------------------------------------------------------------------ */

static int fast(pool_call_t *call)
{
    return pool_call_return(call, "fast", 4);
}

static void test_workers_fast_one_settles_before_slow_one(void **state)
{
    pool_t *pool = support_open(2, 0);
    struct gate gate;
    (void)state;
    gate_open(&gate);
    pool_job_t *slow = gate_submit(pool, &gate, (pool_job_options_t){0});
    gate_await(&gate);
    pool_job_t *quick = support_submit(pool, fast, NULL, 0, NULL);
    support_expect(support_wait(quick), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_job_state(slow), POOL_STATE_RUNNING);
    gate_release(&gate, 1);
    support_expect(support_wait(slow), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(slow);
    pool_job_release(quick);
    gate_close(&gate);
    pool_free(pool);
}

/* A crash touches no other job: one that ran all the while, and those that come after it. */
static void test_workers_crash_leaves_others_alone(void **state)
{
    const int signal = SIGSEGV;
    pool_t *pool = support_open(2, 0);
    struct gate gate;
    (void)state;
    gate_open(&gate);
    pool_job_t *steady = gate_submit(pool, &gate, (pool_job_options_t){0});
    gate_await(&gate);
    for (int i = 0; i < 10; i++) {
        pool_job_t *crash = support_submit(pool, workers_raise, &signal, sizeof signal, NULL);
        support_expect(support_wait(crash), POOL_CRASHED, POOL_CAUSE_SIGNALLED);
        pool_job_release(crash);
    }
    assert_int_equal(pool_job_state(steady), POOL_STATE_RUNNING);
    gate_release(&gate, 1);
    support_expect(support_wait(steady), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(steady);
    gate_close(&gate);
    pool_free(pool);
}

#if defined(__x86_64__) || defined(__i386__)
/* Elsewhere a division by zero is no fault. */
__attribute__((noinline, no_sanitize("undefined"))) int workers_divide(pool_call_t *call)
{
    volatile int one = 1, zero = 0;
    (void)call;
    return one / zero;
}

static void check_divide(const pool_result_t *result)
{
    assert_noted(result, SIGFPE, "workers_divide");
    assert_contains(result->crash, "at address 0x");
}

static void test_workers_division_by_zero_tells_its_address(void **state)
{
    (void)state;
    run_alone(workers_divide, NULL, 0, check_divide);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_workers_signals_are_named_with_a_note),
        SUPPORT_TEST(test_workers_signal_without_handler_has_no_note),
        SUPPORT_TEST(test_workers_sigkill_is_someone_elses),
        SUPPORT_TEST(test_workers_segv_tells_its_address),
        SUPPORT_TEST(test_workers_bus_error_tells_its_address),
        SUPPORT_TEST(test_workers_abort_is_noted),
        SUPPORT_TEST(test_workers_stack_overflow_is_noted),
        SUPPORT_TEST(test_workers_crash_in_a_thread_is_noted),
        SUPPORT_TEST(test_workers_crash_in_a_child_is_not_the_jobs),
        SUPPORT_TEST(test_workers_killed_within_a_frame_has_no_value),
        SUPPORT_TEST(test_workers_exit_within_a_frame_is_a_crash),
        SUPPORT_TEST(test_workers_killed_after_a_whole_frame_is_a_crash),
        SUPPORT_TEST(test_workers_exit_after_a_whole_frame_is_done),
        SUPPORT_TEST(test_workers_exit_without_result_is_a_crash),
#if !SUPPORT_SANITIZED
        SUPPORT_TEST(test_workers_last_thread_ending_is_a_crash),
#endif
        SUPPORT_TEST(test_workers_grandchild_with_the_pipe_does_not_delay),
        SUPPORT_TEST(test_workers_fast_one_settles_before_slow_one),
        SUPPORT_TEST(test_workers_crash_leaves_others_alone),
#if defined(__x86_64__) || defined(__i386__)
        SUPPORT_TEST(test_workers_division_by_zero_tells_its_address),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
