/* The loop that threads share, alone: which thread runs a step, and that none is forgotten. */
#include "drive.h"

#include "process.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* A loop with its thread, and what its steps have done. */
struct fixture {
    struct drive drive;
    pthread_mutex_t lock;
    pthread_t thread;

    pthread_cond_t stepped;
    int steps;        /* under lock */
    pthread_t last;   /* the thread that ran the last of them */
    int64_t next_at;  /* what each step asks for, once */
    bool ends;        /* the next step closes the loop */
    bool is_urgent;   /* the priority event was heard */
    pthread_t urgent; /* by that thread */
};

static void step(void *user)
{
    struct fixture *f = user;
    pthread_mutex_lock(&f->lock);
    f->steps++;
    f->last = pthread_self();
    const bool ends = f->ends;
    drive_set_next(&f->drive, f->next_at);
    f->next_at = MOMENT_NEVER;
    pthread_cond_broadcast(&f->stepped);
    pthread_mutex_unlock(&f->lock);
    if (ends)
        drive_finish(&f->drive);
}

static void *pool_thread(void *user)
{
    struct fixture *f = user;
    drive_main(&f->drive);
    drive_close(&f->drive);
    return NULL;
}

static void fixture_open(struct fixture *f, size_t claims)
{
    *f = (struct fixture){.next_at = MOMENT_NEVER};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->stepped, NULL);
    drive_init(&f->drive, &f->lock, step, f, claims);
    assert_int_equal(drive_open(&f->drive), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, pool_thread, f), 0);
}

static void wake(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    drive_wake(&f->drive);
    pthread_mutex_unlock(&f->lock);
}

static void fixture_close(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->ends = true;
    drive_wake(&f->drive);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    wake(f); /* harmless by now */
    drive_deinit(&f->drive);
    pthread_cond_destroy(&f->stepped);
    pthread_mutex_destroy(&f->lock);
}

static int steps(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    const int count = f->steps;
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* Waits for a step after so many; the thread that ran the last. */
static pthread_t await_step(struct fixture *f, int after)
{
    pthread_mutex_lock(&f->lock);
    while (f->steps <= after)
        pthread_cond_wait(&f->stepped, &f->lock);
    const pthread_t last = f->last;
    pthread_mutex_unlock(&f->lock);
    return last;
}

static bool is_thread(pthread_t a, pthread_t b)
{
    return pthread_equal(a, b) != 0;
}

static void test_drive_wake_steps_on_the_pool_thread(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    for (int i = 0; i < 100; i++) {
        const int before = steps(&f);
        wake(&f);
        assert_true(is_thread(await_step(&f, before), f.thread));
    }
    fixture_close(&f);
}

/* The pool thread owns the loop until it sleeps: from then on a step is run by the thread that tells of news. */
static void test_drive_tell_steps_at_once(void **state)
{
    (void)state;
    struct fixture f;
    pthread_t last = {0};
    fixture_open(&f, 0);
    do {
        const int before = steps(&f);
        drive_tell(&f.drive);
        last = await_step(&f, before);
    } while (!is_thread(last, pthread_self()));
    fixture_close(&f);
}

static void test_drive_tell_leaves_a_claimed_loop_alone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 1);
    for (int i = 0; i < 100; i++) {
        const int before = steps(&f);
        drive_tell(&f.drive);
        assert_true(is_thread(await_step(&f, before), f.thread));
    }
    fixture_close(&f);
}

static void test_drive_tell_in_a_callback_does_not_step(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    drive_begin_callback();
    for (int i = 0; i < 100; i++) {
        const int before = steps(&f);
        drive_tell(&f.drive);
        assert_true(is_thread(await_step(&f, before), f.thread));
    }
    drive_end_callback();
    fixture_close(&f);
}

/* Owns the loop, which the pool thread may have for a moment yet. */
static void enter(struct fixture *f, const struct moment_wait *wait, int *cancel_state)
{
    while (!drive_enter(&f->drive, wait, cancel_state))
        sched_yield();
}

static void *wake_from_outside(void *user)
{
    wake(user);
    return NULL;
}

static const struct moment_wait for_ever = {.until = MOMENT_NEVER};
static const struct moment_wait with_signals = {.until = MOMENT_NEVER, .by_signals = true};

static void wait_runs_the_steps_here(const struct moment_wait *wait)
{
    struct fixture f;
    pthread_t other;
    int cancel_state;
    fixture_open(&f, 0);
    enter(&f, wait, &cancel_state);
    const int before = steps(&f);
    assert_int_equal(pthread_create(&other, NULL, wake_from_outside, &f), 0);
    while (steps(&f) == before)
        assert_int_equal(drive_wait(&f.drive, wait), DRIVE_AGAIN);
    assert_true(is_thread(f.last, pthread_self()));
    pthread_join(other, NULL);
    drive_leave(&f.drive, cancel_state);
    const int then = steps(&f);
    wake(&f); /* the pool thread has the loop again */
    assert_true(is_thread(await_step(&f, then), f.thread));
    fixture_close(&f);
}

static void test_drive_wait_runs_the_steps_here(void **state)
{
    (void)state;
    wait_runs_the_steps_here(&for_ever);
    wait_runs_the_steps_here(&with_signals);
}

static void test_drive_wait_ends_in_time(void **state)
{
    (void)state;
    struct fixture f;
    int cancel_state;
    fixture_open(&f, 0);
    for (int by_signals = 0; by_signals < 2; by_signals++) {
        const struct moment_wait wait = {.until = moment_in(20), .by_signals = by_signals != 0};
        const int64_t begin = process_now_ms();
        enum drive_answer answer;
        enter(&f, &wait, &cancel_state);
        while ((answer = drive_wait(&f.drive, &wait)) == DRIVE_AGAIN)
            ;
        assert_int_equal(answer, DRIVE_LATE);
        assert_true(process_now_ms() - begin >= 19);
        drive_leave(&f.drive, cancel_state);
    }
    fixture_close(&f);
}

static void *claim(void *user)
{
    struct fixture *f = user;
    drive_claim(&f->drive);
    return NULL;
}

static void claim_ends_a_wait(const struct moment_wait *wait)
{
    struct fixture f;
    pthread_t other;
    int cancel_state;
    fixture_open(&f, 0);
    enter(&f, wait, &cancel_state);
    assert_int_equal(pthread_create(&other, NULL, claim, &f), 0);
    enum drive_answer answer;
    while ((answer = drive_wait(&f.drive, wait)) == DRIVE_AGAIN)
        ;
    assert_int_equal(answer, DRIVE_CLAIMED);
    drive_leave(&f.drive, cancel_state);
    pthread_join(other, NULL);
    assert_false(drive_enter(&f.drive, wait, &cancel_state));
    drive_unclaim(&f.drive);
    enter(&f, wait, &cancel_state);
    drive_leave(&f.drive, cancel_state);
    fixture_close(&f);
}

static void test_drive_claim_ends_a_wait(void **state)
{
    (void)state;
    claim_ends_a_wait(&for_ever);
    claim_ends_a_wait(&with_signals);
}

static volatile sig_atomic_t signals;

static void count_signal(int signal_number)
{
    (void)signal_number;
    signals++;
}

/* Blocks SIGUSR1, which is counted; the mask before. */
static sigset_t block_signal(void)
{
    const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    sigset_t set, mask;
    signals = 0;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &mask), 0);
    return mask;
}

/* A signal that came before the wait ends it; the pool thread has the loop afterwards. */
static void test_drive_signal_ends_a_wait(void **state)
{
    (void)state;
    struct fixture f;
    int cancel_state;
    const sigset_t mask = block_signal();
    const struct moment_wait wait = {.until = MOMENT_NEVER, .by_signals = true, .mask = &mask};
    fixture_open(&f, 0);
    for (int i = 0; i < 100; i++) {
        enum drive_answer answer;
        enter(&f, &wait, &cancel_state);
        pthread_kill(pthread_self(), SIGUSR1);
        while ((answer = drive_wait(&f.drive, &wait)) == DRIVE_AGAIN)
            ;
        assert_int_equal(answer, DRIVE_INTERRUPTED);
        assert_int_equal(signals, i + 1);
        drive_leave(&f.drive, cancel_state);
        const int before = steps(&f);
        wake(&f);
        assert_true(is_thread(await_step(&f, before), f.thread));
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    fixture_close(&f);
}

/* Events that never cease keep no signal out. */
static void test_drive_signals_come_before_events(void **state)
{
    (void)state;
    struct fixture f;
    int cancel_state;
    const sigset_t mask = block_signal();
    const struct moment_wait wait = {.until = MOMENT_NEVER, .by_signals = true, .mask = &mask};
    fixture_open(&f, 0);
    enter(&f, &wait, &cancel_state);
    const int before = steps(&f);
    wake(&f);
    pthread_kill(pthread_self(), SIGUSR1);
    assert_int_equal(drive_wait(&f.drive, &wait), DRIVE_INTERRUPTED);
    assert_int_equal(signals, 1);
    assert_int_equal(steps(&f), before);
    while (steps(&f) == before)
        assert_int_equal(drive_wait(&f.drive, &wait), DRIVE_AGAIN);
    drive_leave(&f.drive, cancel_state);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    fixture_close(&f);
}

/* The closing of the loop's last handle is no event of its descriptor. */
static void test_drive_wait_ends_with_the_loop(void **state)
{
    (void)state;
    struct fixture f;
    int cancel_state;
    enum drive_answer answer;
    fixture_open(&f, 0);
    enter(&f, &with_signals, &cancel_state);
    pthread_mutex_lock(&f.lock);
    f.ends = true;
    drive_wake(&f.drive);
    pthread_mutex_unlock(&f.lock);
    while ((answer = drive_wait(&f.drive, &with_signals)) == DRIVE_AGAIN)
        ;
    assert_int_equal(answer, DRIVE_CLAIMED);
    assert_int_equal(drive_wait(&f.drive, &with_signals), DRIVE_CLAIMED);
    drive_leave(&f.drive, cancel_state);
    fixture_close(&f);
}

/* Each step asks for a next one; nothing else wakes anybody. */
static void test_drive_time_is_kept_by_the_pool_thread(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    for (int i = 0; i < 10; i++) {
        const int before = steps(&f);
        const int64_t at = process_now_ms() + 3;
        pthread_mutex_lock(&f.lock);
        f.next_at = at;
        drive_wake(&f.drive);
        pthread_mutex_unlock(&f.lock);
        assert_true(is_thread(await_step(&f, before + 1), f.thread));
        assert_true(process_now_ms() >= at);
    }
    fixture_close(&f);
}

static void test_drive_time_is_kept_while_another_thread_waits(void **state)
{
    (void)state;
    struct fixture f;
    int cancel_state;
    fixture_open(&f, 0);
    enter(&f, &for_ever, &cancel_state);
    f.next_at = process_now_ms() + 3;
    drive_step(&f.drive);
    const int before = steps(&f);
    while (steps(&f) == before)
        assert_int_equal(drive_wait(&f.drive, &for_ever), DRIVE_AGAIN);
    assert_true(is_thread(f.last, pthread_self()));
    drive_leave(&f.drive, cancel_state);
    fixture_close(&f);
}

static void test_drive_take_keeps_steps_out(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    drive_take(&f.drive);
    const int before = steps(&f);
    wake(&f);
    for (int i = 0; i < 100; i++)
        sched_yield();
    assert_int_equal(steps(&f), before);
    drive_give(&f.drive);
    assert_true(is_thread(await_step(&f, before), f.thread));
    fixture_close(&f);
}

static void on_urgent(void *user)
{
    struct fixture *f = user;
    pthread_mutex_lock(&f->lock);
    f->is_urgent = true;
    f->urgent = pthread_self();
    pthread_mutex_unlock(&f->lock);
}

/* A socket has EPOLLPRI for out-of-band data (tcp(7); unix sockets of Linux 5.15, unix(7), too). */
static void test_drive_listens_for_priority_events(void **state)
{
    (void)state;
    struct fixture f;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fixture_open(&f, 0);
    assert_int_equal(drive_listen(&f.drive, ends[0], on_urgent, &f), 0);
    const int before = steps(&f);
    if (send(ends[1], "!", 1, MSG_OOB) != 1) {
        print_message("this kernel's unix sockets have no out-of-band data\n");
    } else {
        await_step(&f, before);
        assert_true(f.is_urgent);
        assert_true(is_thread(f.urgent, f.thread));
    }
    drive_unlisten(&f.drive, ends[0]);
    fixture_close(&f);
    close(ends[0]);
    close(ends[1]);
}

static void test_drive_abandoned_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f = {.next_at = MOMENT_NEVER};
    pthread_mutex_init(&f.lock, NULL);
    drive_init(&f.drive, &f.lock, step, &f, 0);
    assert_int_equal(drive_open(&f.drive), 0);
    drive_abandon(&f.drive);
    drive_deinit(&f.drive);
    pthread_mutex_destroy(&f.lock);
    assert_int_equal(f.steps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_drive_wake_steps_on_the_pool_thread),
        SUPPORT_TEST(test_drive_tell_steps_at_once),
        SUPPORT_TEST(test_drive_tell_leaves_a_claimed_loop_alone),
        SUPPORT_TEST(test_drive_tell_in_a_callback_does_not_step),
        SUPPORT_TEST(test_drive_wait_runs_the_steps_here),
        SUPPORT_TEST(test_drive_wait_ends_in_time),
        SUPPORT_TEST(test_drive_claim_ends_a_wait),
        SUPPORT_TEST(test_drive_signal_ends_a_wait),
        SUPPORT_TEST(test_drive_signals_come_before_events),
        SUPPORT_TEST(test_drive_wait_ends_with_the_loop),
        SUPPORT_TEST(test_drive_time_is_kept_by_the_pool_thread),
        SUPPORT_TEST(test_drive_time_is_kept_while_another_thread_waits),
        SUPPORT_TEST(test_drive_take_keeps_steps_out),
        SUPPORT_TEST(test_drive_listens_for_priority_events),
        SUPPORT_TEST(test_drive_abandoned_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
