/* What is put right after a fork: seeds, signals, descriptors, stdio, and dying with the parent. */
#include "process.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What each of libc's generators says first. */
struct draw {
    int rand;
    long random, lrand48;
};

static struct draw draw_in_a_fork(uint64_t seed)
{
    struct draw draw;
    int ends[2];
    support_pipe(ends);
    const pid_t pid = fork();
    if (pid == 0) {
        if (seed != 0)
            process_seed(seed);
        draw = (struct draw){.random = random(), .rand = rand(), .lrand48 = lrand48()};
        _exit(write(ends[1], &draw, sizeof draw) == sizeof draw ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &draw, sizeof draw), sizeof draw);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ends[0]);
    close(ends[1]);
    return draw;
}

static void test_process_seed_makes_forks_differ(void **state)
{
    (void)state;
    const struct draw plain = draw_in_a_fork(0), same = draw_in_a_fork(0);
    assert_int_equal(plain.random, same.random); /* without it they are the same */
    struct draw draws[8];
    for (size_t i = 0; i < 8; i++) {
        uint64_t seed;
        assert_int_equal(process_random(&seed, sizeof seed), 0);
        draws[i] = draw_in_a_fork(seed);
        for (size_t j = 0; j < i; j++) {
            const bool differ = draws[i].random != draws[j].random || draws[i].rand != draws[j].rand;
            assert_true(differ && draws[i].lrand48 != draws[j].lrand48);
        }
    }
}

/* ---- dying with the parent -------------------------------------------------------------------------------------- */

/* A child of a child: says what process_die_with gave, and waits to be killed. held: to be closed. */
_Noreturn static void dependant(pid_t parent, int say)
{
    const unsigned char rc = (unsigned char)-process_die_with(parent);
    if (write(say, &rc, 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* Forks a parent that has such a child. The parent ends when go does. */
static pid_t start_parent(pid_t claimed, int say[2], int go[2])
{
    support_pipe(say);
    support_pipe(go);
    const pid_t pid = fork();
    if (pid == 0) {
        close(say[0]);
        close(go[1]);
        const pid_t self = getpid();
        if (fork() == 0) {
            close(go[0]);
            dependant(claimed == 0 ? self : claimed, say[1]);
        }
        close(say[1]);
        support_await_byte(go[0]);
        _exit(0);
    }
    close(say[1]);
    close(go[0]);
    return pid;
}

static void test_process_die_with_the_parent(void **state)
{
    (void)state;
    int say[2], go[2];
    const pid_t parent = start_parent(0, say, go);
    assert_int_equal(support_await_byte(say[0]), 0);
    close(go[1]);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(support_await_byte(say[0]), -1); /* its end of the pipe is closed: it is dead */
    close(say[0]);
}

static void test_process_die_with_a_parent_that_is_gone(void **state)
{
    (void)state;
    int say[2], go[2];
    const pid_t parent = start_parent(1, say, go); /* 1 is not its parent: as if it had been adopted before */
    assert_int_equal(support_await_byte(say[0]), ESRCH);
    close(go[1]);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(support_await_byte(say[0]), -1);
    close(say[0]);
}

/* ---- signals ---------------------------------------------------------------------------------------------------- */

static void ignore_nothing(int signal)
{
    (void)signal;
}

static bool has_disposition(int signal, void (*handler)(int))
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == handler;
}

static int check_signals(void *arg)
{
    (void)arg;
    struct process_origin origin;
    sigset_t mask, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR1, ignore_nothing);
    process_origin_take(&origin, &mask);
    CHILD_CHECK(origin.group == getpgrp());
    sigfillset(&now);
    sigprocmask(SIG_SETMASK, &now, NULL);

    process_signals_reset(&origin);
    process_signal_ignore(SIGTTOU);
    CHILD_CHECK(has_disposition(SIGHUP, SIG_DFL) && has_disposition(SIGUSR1, SIG_DFL));
    CHILD_CHECK(has_disposition(SIGTERM, SIG_DFL) && has_disposition(SIGTTOU, SIG_IGN));

    process_signals_restore(&origin);
    CHILD_CHECK(has_disposition(SIGHUP, SIG_IGN) && has_disposition(SIGPIPE, SIG_DFL));
    CHILD_CHECK(has_disposition(SIGUSR1, SIG_DFL) && has_disposition(SIGTTOU, SIG_DFL));
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHILD_CHECK(sigismember(&now, SIGUSR2) == 1 && sigismember(&now, SIGTERM) == 0);
    return 0;
}

static int check_noted_signals(void *arg)
{
    (void)arg;
    struct process_origin origin;
    sigset_t mask;
    sigemptyset(&mask);
    signal(SIGUSR1, SIG_IGN);
    process_origin_take(&origin, &mask);
    process_signals_reset(&origin);
    process_signal_ignore(SIGHUP);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    process_signals_note();
    signal(SIGHUP, ignore_nothing); /* neither ignored here nor there: not looked at */
    process_signals_restore(&origin);
    CHILD_CHECK(has_disposition(SIGUSR1, SIG_IGN) && has_disposition(SIGPIPE, SIG_DFL));
    CHILD_CHECK(has_disposition(SIGTTOU, SIG_DFL) && has_disposition(SIGHUP, ignore_nothing));
    return 0;
}

static void test_process_signals_reset_and_restore(void **state)
{
    (void)state;
    child_run(false, check_noted_signals, NULL);
    child_run(false, check_signals, NULL);
}

/* What the fork server is allowed to be, its children are not. */
static int check_nice(void *arg)
{
    const int nice = *(const int *)arg;
    struct process_origin origin;
    sigset_t mask;
    int status;
    sigemptyset(&mask);
    CHILD_CHECK(setpriority(PRIO_PROCESS, 0, nice) == 0);
    process_origin_take(&origin, &mask);
    CHILD_CHECK(origin.nice == nice);
    process_be_prompt(&origin);
    CHILD_CHECK(getpriority(PRIO_PROCESS, 0) <= nice);
    const pid_t pid = fork();
    if (pid == 0) {
        process_be_ordinary(&origin);
        _exit(getpriority(PRIO_PROCESS, 0) == nice ? 0 : 1);
    }
    CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

static void test_process_prompt_and_children_as_the_host(void **state)
{
    (void)state;
    for (int nice = getpriority(PRIO_PROCESS, 0); nice < 16; nice += 5) { /* less than it is needs a privilege */
        child_run(false, check_nice, &nice);
        child_run(true, check_nice, &nice);
    }
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int check_lift(void *arg)
{
    (void)arg;
    int first = dup(0), second = dup(0), none = -1;
    const int old = first;
    CHILD_CHECK(process_descriptor_lift(&first) == 0 && process_descriptor_lift(&second) == 0);
    CHILD_CHECK(first >= process_descriptor_floor() && second > first);
    CHILD_CHECK(!is_open(old) && is_open(first));
    CHILD_CHECK((fcntl(first, F_GETFD) & FD_CLOEXEC) != 0);
    CHILD_CHECK(process_descriptor_lift(&none) == -EBADF && none == -1);
    return 0;
}

/* With a small table, too, it finds a place. */
static int check_lift_with_few_numbers(void *arg)
{
    (void)arg;
    static const rlim_t tables[] = {256, 96, 64, 16};
    int fd = dup(0);
    const struct rlimit limit = {.rlim_cur = tables[*(const size_t *)arg], .rlim_max = 1024};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_CHECK(process_descriptor_lift(&fd) == 0);
    CHILD_CHECK(is_open(fd) && fd < (int)limit.rlim_cur);
    return 0;
}

static void test_process_descriptor_lift(void **state)
{
    (void)state;
    child_run(false, check_lift, NULL);
    for (size_t i = 0; i < 4; i++)
        child_run(false, check_lift_with_few_numbers, &i);
}

/* What the test and its child share about a file that stdio has not written yet. */
struct unflushed {
    int number; /* where the host has it */
    int file;
};

static int check_keep(void *arg)
{
    const struct unflushed *unflushed = arg;
    int first = dup(0), second = dup(0), none = -1;
    int *keep[] = {&first, &none, &second};
    CHILD_CHECK(dup2(0, 400) == 400 && dup2(0, 900) == 900);
    CHILD_CHECK(dup2(unflushed->file, unflushed->number) == unflushed->number);
    FILE *file = fdopen(unflushed->number, "w");
    CHILD_CHECK(file != NULL && fputs("the host's", file) >= 0);
    CHILD_CHECK(fputs("the host's, to standard output", stdout) >= 0);

    process_descriptors_keep(3, keep, 3);
    CHILD_CHECK(is_open(first) && is_open(second) && none == -1);
    CHILD_CHECK(first >= process_descriptor_floor() && second >= process_descriptor_floor());
    for (int fd = 3; fd < 1000; fd++)
        CHILD_CHECK(is_open(fd) == (fd == first || fd == second));
    CHILD_CHECK(is_open(0) && is_open(1) && is_open(2));
    char byte;
    CHILD_CHECK(read(0, &byte, 1) == 0); /* /dev/null */
    fflush(NULL);
    return 0;
}

/* What stdio had not written goes nowhere, however high the number it was for. */
static void test_process_descriptors_keep(void **state)
{
    (void)state;
    static const int numbers[] = {20, 450, 600, 999};
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 1000)
        skip();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct unflushed unflushed = {.number = numbers[i], .file = memfd_create("test", MFD_CLOEXEC)};
        child_run(false, check_keep, &unflushed);
        assert_int_equal(lseek(unflushed.file, 0, SEEK_END), 0);
        close(unflushed.file);
    }
}

static int check_keep_without_stdio(void *arg)
{
    (void)arg;
    int fd = dup(0);
    int *keep[] = {&fd};
    close(0);
    close(1);
    process_descriptors_keep(3, keep, 1);
    CHILD_CHECK(is_open(0) && is_open(1) && is_open(2) && is_open(fd));
    CHILD_CHECK(write(1, "x", 1) == 1); /* to nowhere */
    return 0;
}

static void test_process_descriptors_keep_fills_stdio(void **state)
{
    (void)state;
    child_run(false, check_keep_without_stdio, NULL);
}

/* Below the first number everything stays as it is. */
static int check_keep_the_gap(void *arg)
{
    (void)arg;
    int fd = dup(0);
    int *keep[] = {&fd};
    CHILD_CHECK(process_descriptor_lift(&fd) == 0);
    CHILD_CHECK(dup2(0, 3) == 3 && dup2(0, 4) == 4 && dup2(0, 5) == 5);
    process_descriptors_keep(5, keep, 1);
    CHILD_CHECK(is_open(3) && is_open(4) && !is_open(5) && is_open(fd));
    return 0;
}

static void test_process_descriptors_keep_the_gap(void **state)
{
    (void)state;
    child_run(false, check_keep_the_gap, NULL);
}

static int check_gap_end(void *arg)
{
    (void)arg;
    close(3);
    close(4);
    CHILD_CHECK(process_gap_end() == 3);
    CHILD_CHECK(dup2(0, 3) == 3);
    CHILD_CHECK(process_gap_end() == 4);
    CHILD_CHECK(dup2(0, 4) == 4);
    CHILD_CHECK(process_gap_end() == 5);
    return 0;
}

static void test_process_gap_end(void **state)
{
    (void)state;
    child_run(false, check_gap_end, NULL);
}

/* ---- forking ---------------------------------------------------------------------------------------------------- */

static int handlers_run;

static void count_handler(void)
{
    handlers_run++;
}

static int check_fork_without_handlers(void *arg)
{
    (void)arg;
    int status;
    CHILD_CHECK(pthread_atfork(count_handler, NULL, count_handler) == 0);
    const pid_t pid = process_fork();
    if (pid == 0)
        _exit(handlers_run == 0 ? 7 : 1);
    CHILD_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHILD_CHECK(handlers_run == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return 0;
}

static void test_process_fork_runs_no_handlers(void **state)
{
    (void)state;
    child_run(false, check_fork_without_handlers, NULL);
}

static void test_process_now_goes_forward(void **state)
{
    (void)state;
    int64_t last = process_now_ms();
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        const int64_t now = process_now_ms();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_process_seed_makes_forks_differ),
        SUPPORT_TEST(test_process_die_with_the_parent),
        SUPPORT_TEST(test_process_die_with_a_parent_that_is_gone),
        SUPPORT_TEST(test_process_signals_reset_and_restore),
        SUPPORT_TEST(test_process_prompt_and_children_as_the_host),
        SUPPORT_TEST(test_process_descriptor_lift),
        SUPPORT_TEST(test_process_descriptors_keep),
        SUPPORT_TEST(test_process_descriptors_keep_fills_stdio),
        SUPPORT_TEST(test_process_descriptors_keep_the_gap),
        SUPPORT_TEST(test_process_gap_end),
        SUPPORT_TEST(test_process_fork_runs_no_handlers),
        SUPPORT_TEST(test_process_now_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
