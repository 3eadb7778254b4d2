/* A bell between threads and between processes: no ring is lost, whatever comes first and whatever interrupts. */
#include "bell.h"

#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS  (SUPPORT_SANITIZED ? 5000 : 20000)
#define WAITERS 4
#define ODD     77 /* an errno that nothing sets */

/* In memory that forks share. */
static _Atomic uint32_t *bells;

static int share_bells(void **state)
{
    bells = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return bells == MAP_FAILED ? 1 : support_begin(state);
}

static int unshare_bells(void **state)
{
    munmap((void *)bells, 4096);
    return support_end(state);
}

static void test_bell_rung_before_the_wait(void **state)
{
    (void)state;
    bell_ring(&bells[0], 5);
    errno = ODD;
    assert_int_equal(bell_await(&bells[0]), 5);
    assert_int_equal(errno, ODD);
}

static void test_bell_keeps_its_value(void **state)
{
    (void)state;
    bell_ring(&bells[0], BELL_FIRST);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bell_await(&bells[0]), BELL_FIRST);
    bell_ring(&bells[0], UINT32_MAX);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bell_await(&bells[0]), UINT32_MAX);
}

/* ---- a thread waits ---------------------------------------------------------------------------------------------- */

struct waiter {
    pthread_t thread;
    _Atomic pid_t tid;
    uint32_t value;
    int error; /* errno after the wait */
};

static void *await_bell(void *argument)
{
    struct waiter *waiter = argument;
    errno = ODD;
    atomic_store(&waiter->tid, (pid_t)syscall(SYS_gettid));
    waiter->value = bell_await(&bells[0]);
    waiter->error = errno;
    return NULL;
}

static void start(struct waiter *waiter)
{
    atomic_store(&waiter->tid, 0);
    assert_int_equal(pthread_create(&waiter->thread, NULL, await_bell, waiter), 0);
    while (atomic_load(&waiter->tid) == 0)
        sched_yield();
    gate_await_asleep(atomic_load(&waiter->tid));
}

static void finish(struct waiter *waiter, uint32_t value)
{
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
    assert_int_equal(waiter->value, value);
    assert_int_equal(waiter->error, ODD);
}

static void test_bell_rung_during_the_wait(void **state)
{
    struct waiter waiter;
    (void)state;
    start(&waiter);
    assert_int_equal(atomic_load(&bells[0]), 1);
    bell_ring(&bells[0], 9);
    finish(&waiter, 9);
}

static void test_bell_wakes_all_that_wait(void **state)
{
    struct waiter waiters[WAITERS];
    (void)state;
    for (int i = 0; i < WAITERS; i++)
        start(&waiters[i]);
    bell_ring(&bells[0], 3);
    for (int i = 0; i < WAITERS; i++)
        finish(&waiters[i], 3);
}

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

static void test_bell_wait_goes_on_after_a_signal(void **state)
{
    const struct sigaction nothing = {.sa_handler = do_nothing};
    struct sigaction before;
    struct waiter waiter;
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &nothing, &before), 0);
    start(&waiter);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_kill(waiter.thread, SIGUSR1), 0);
        gate_await_asleep(atomic_load(&waiter.tid));
    }
    bell_ring(&bells[0], 4);
    finish(&waiter, 4);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

/* Somebody wakes it without having rung. */
static void test_bell_wait_goes_on_after_a_stray_wake(void **state)
{
    struct waiter waiter;
    (void)state;
    start(&waiter);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(syscall(SYS_futex, (void *)bells, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
        gate_await_asleep(atomic_load(&waiter.tid));
    }
    bell_ring(&bells[0], 6);
    finish(&waiter, 6);
}

/* ---- a process waits --------------------------------------------------------------------------------------------- */

/* Answers each ring of the first bell with the second. */
static int answer(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHILD_CHECK(bell_await(&bells[0]) == BELL_FIRST + i);
        atomic_store(&bells[0], 0);
        bell_ring(&bells[1], BELL_FIRST + i);
    }
    return 0;
}

static void test_bell_loses_no_ring_between_processes(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(answer(NULL));
    }
    for (uint32_t i = 0; i < ROUNDS; i++) {
        bell_ring(&bells[0], BELL_FIRST + i);
        assert_int_equal(bell_await(&bells[1]), BELL_FIRST + i);
        atomic_store(&bells[1], 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- a filter refuses the call ----------------------------------------------------------------------------------- */

static bool refuse_futex(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int await_refused(void *arg)
{
    (void)arg;
    CHILD_CHECK(refuse_futex());
    errno = 0;
    CHILD_CHECK(syscall(SYS_futex, (void *)bells, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 && errno == EPERM);
    errno = ODD;
    CHILD_CHECK(bell_await(&bells[0]) == 8 && errno == ODD);
    bell_ring(&bells[1], 9); /* the other waits, and is not woken by this process */
    return 0;
}

/* State of a process, as proc(5) has it. */
static char state_of(pid_t pid)
{
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
    fclose(file);
    return state;
}

/* The test ends only if the process sleeps most of the time, and looks again by itself. */
static void test_bell_refused_futex_is_a_nap(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(await_refused(NULL));
    }
    while (atomic_load(&bells[0]) != 1)
        sched_yield();
    for (int looks = 0; looks < 10; poll(NULL, 0, 1))
        looks = state_of(child) == 'S' ? looks + 1 : 0;
    bell_ring(&bells[0], 8);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&bells[1]), 9);
}

#define BELL_TEST(function) cmocka_unit_test_setup_teardown(function, share_bells, unshare_bells)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BELL_TEST(test_bell_rung_before_the_wait),
        BELL_TEST(test_bell_keeps_its_value),
        BELL_TEST(test_bell_rung_during_the_wait),
        BELL_TEST(test_bell_wakes_all_that_wait),
        BELL_TEST(test_bell_wait_goes_on_after_a_signal),
        BELL_TEST(test_bell_wait_goes_on_after_a_stray_wake),
        BELL_TEST(test_bell_loses_no_ring_between_processes),
        BELL_TEST(test_bell_refused_futex_is_a_nap),
    };
    return cmocka_run_group_tests_name("bell", tests, NULL, NULL);
}
