/* Waits that a signal ends, a job's descriptor, and the cancelling of what has not started. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS  100
#define SIGNALS (SUPPORT_SANITIZED ? 300 : 3000)
#define THREADS 6
#define MANY    300
#define RACES   (SUPPORT_SANITIZED ? 300 : 3000)

/* ---- the caller -------------------------------------------------------------------------------------------------- */

static atomic_int handled;

static void on_signal(int signal_number)
{
    (void)signal_number;
    atomic_fetch_add(&handled, 1);
}

/* Has SIGUSR1 handled, with SA_RESTART, and blocks it in this thread and those that it starts; *mask lets it in. */
static void block_signal(sigset_t *mask)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigset_t set;
    atomic_store(&handled, 0);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, mask), 0);
}

static void unblock_signal(const sigset_t *mask)
{
    assert_int_equal(pthread_sigmask(SIG_SETMASK, mask, NULL), 0);
    assert_true(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
}

static bool is_blocked(void)
{
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, SIGUSR1) == 1;
}

static void ignore_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    (void)result;
    (void)user;
}

/* A job that waits at the gate. claimed: the loop is the pool thread's alone, so that the caller cannot run it. */
static pool_job_t *submit_waiting(pool_t *pool, const struct gate *gate, bool claimed)
{
    pool_job_t *job =
        gate_submit(pool, gate, (pool_job_options_t){.collect = true, .on_settled = claimed ? ignore_settled : NULL});
    gate_await(gate);
    return job;
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static int wait_one(pool_t *pool, pool_job_t *job, int64_t timeout_ms, const sigset_t *mask)
{
    (void)pool;
    return pool_job_wait_masked(job, timeout_ms, mask);
}

static int wait_any(pool_t *pool, pool_job_t *job, int64_t timeout_ms, const sigset_t *mask)
{
    pool_job_t *jobs[40] = {[0] = job, [39] = job}; /* more than fit on the stack of the call */
    (void)pool;
    return pool_wait_any_masked(jobs, 40, timeout_ms, mask, NULL);
}

static int wait_next(pool_t *pool, pool_job_t *job, int64_t timeout_ms, const sigset_t *mask)
{
    pool_job_t *next;
    const int rc = pool_next_masked(pool, timeout_ms, mask, &next);
    if (rc == 0) {
        assert_ptr_equal(next, job);
        pool_job_release(next);
    } else {
        assert_null(next);
    }
    return rc;
}

typedef int (*wait_fn)(pool_t *pool, pool_job_t *job, int64_t timeout_ms, const sigset_t *mask);

static const wait_fn all_waits[] = {wait_one, wait_any, wait_next};

/* Runs a test for each kind of wait, by a thread that runs the loop and by one that cannot. */
static void for_each_wait(void (*body)(wait_fn wait, pool_t *pool, pool_job_t *job, const struct gate *gate,
                                       const sigset_t *mask))
{
    for (size_t i = 0; i < 2 * sizeof all_waits / sizeof all_waits[0]; i++) {
        struct gate gate;
        sigset_t mask;
        gate_open(&gate);
        block_signal(&mask);
        pool_t *pool = support_open(1, 0);
        pool_job_t *job = submit_waiting(pool, &gate, i % 2 == 1);
        body(all_waits[i / 2], pool, job, &gate, &mask);
        gate_release(&gate, 1);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        assert_true(is_blocked());
        pool_job_release(job);
        pool_free(pool);
        unblock_signal(&mask);
        gate_close(&gate);
    }
}

static void interrupt_before(wait_fn wait, pool_t *pool, pool_job_t *job, const struct gate *gate, const sigset_t *mask)
{
    (void)gate;
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(pthread_kill(pthread_self(), SIGUSR1), 0);
        assert_int_equal(atomic_load(&handled), i);
        assert_int_equal(wait(pool, job, i % 2 == 0 ? -1 : 60000, mask), -EINTR);
        assert_non_null(strstr(pool_message(), "signal"));
        assert_int_equal(atomic_load(&handled), i + 1);
        assert_true(is_blocked());
    }
}

/* A signal that comes between the caller's check and the wait is not lost. */
static void test_waits_signal_just_before(void **state)
{
    (void)state;
    for_each_wait(interrupt_before);
}

static void *kill_when_asleep(void *waiting)
{
    const pid_t thread = *(pid_t *)waiting;
    gate_await_asleep(thread);
    kill(getpid(), SIGUSR1); /* all other threads block it */
    return NULL;
}

static void interrupt_asleep(wait_fn wait, pool_t *pool, pool_job_t *job, const struct gate *gate, const sigset_t *mask)
{
    pid_t self = gettid();
    pthread_t killer;
    (void)gate;
    assert_int_equal(pthread_create(&killer, NULL, kill_when_asleep, &self), 0);
    assert_int_equal(wait(pool, job, -1, mask), -EINTR);
    assert_int_equal(atomic_load(&handled), 1);
    pthread_join(killer, NULL);
}

static void test_waits_signal_while_asleep(void **state)
{
    (void)state;
    for_each_wait(interrupt_asleep);
}

static void interrupt_own_mask(wait_fn wait, pool_t *pool, pool_job_t *job, const struct gate *gate,
                               const sigset_t *mask)
{
    pid_t self = gettid();
    pthread_t killer;
    sigset_t blocked;
    (void)gate;
    assert_int_equal(pthread_kill(pthread_self(), SIGUSR1), 0);
    assert_int_equal(wait(pool, job, 20, NULL), -ETIMEDOUT);
    assert_int_equal(wait(pool, job, 0, NULL), -ETIMEDOUT);
    assert_int_equal(atomic_load(&handled), 0);
    assert_int_equal(wait(pool, job, 0, mask), -EINTR);
    assert_int_equal(wait(pool, job, 0, mask), -ETIMEDOUT);
    assert_int_equal(pthread_create(&killer, NULL, kill_when_asleep, &self), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, mask, &blocked), 0);
    assert_int_equal(wait(pool, job, -1, NULL), -EINTR);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &blocked, NULL), 0);
    assert_int_equal(atomic_load(&handled), 2);
    pthread_join(killer, NULL);
}

/* Without a mask the thread's own counts. */
static void test_waits_own_mask(void **state)
{
    (void)state;
    for_each_wait(interrupt_own_mask);
}

static void interrupt_settled(wait_fn wait, pool_t *pool, pool_job_t *job, const struct gate *gate,
                              const sigset_t *mask)
{
    assert_int_equal(wait(pool, job, 20, mask), -ETIMEDOUT);
    gate_release(gate, 1);
    assert_int_equal(pool_job_wait(job, -1), 0);
    assert_int_equal(pthread_kill(pthread_self(), SIGUSR1), 0);
    assert_int_equal(wait(pool, job, -1, mask), -EINTR);
    assert_int_equal(atomic_load(&handled), 1);
    assert_int_equal(wait(pool, job, -1, mask), 0);
}

/* Jobs that settle one after the other keep no signal out; it takes nothing away. */
static void test_waits_signal_comes_before_a_settled_job(void **state)
{
    (void)state;
    for_each_wait(interrupt_settled);
}

/* A wait without a mask is none of the signals'. */
static void test_waits_without_a_mask_go_on(void **state)
{
    (void)state;
    struct gate gate;
    sigset_t mask;
    pid_t self = gettid();
    pthread_t killer;
    gate_open(&gate);
    block_signal(&mask);
    pool_t *pool = support_open(1, 0);
    for (int claimed = 0; claimed < 2; claimed++) {
        pool_job_t *job = submit_waiting(pool, &gate, claimed != 0), *next;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&killer, NULL, kill_when_asleep, &self), 0);
            assert_int_equal(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
            assert_int_equal(i == 0 ? pool_job_wait(job, 50) : pool_next(pool, 50, &next), -ETIMEDOUT);
            pthread_join(killer, NULL);
            assert_int_equal(atomic_load(&handled), 1);
            block_signal(&mask);
        }
        gate_release(&gate, 1);
        assert_int_equal(pool_next(pool, -1, &next), 0);
        assert_ptr_equal(next, job);
        pool_job_release(next);
        pool_job_release(job);
    }
    pool_free(pool);
    unblock_signal(&mask);
    gate_close(&gate);
}

/* ---- a storm ----------------------------------------------------------------------------------------------------- */

struct storm {
    pthread_t target;
    sem_t ended; /* a wait was ended by a signal */
    int count;
};

/* Each signal waits until the one before has ended a wait: were one lost, the next would never come. */
static void *send_storm(void *user)
{
    struct storm *storm = user;
    unsigned random = 1;
    for (int i = 0; i < storm->count; i++) {
        random = random * 1103515245 + 12345;
        for (unsigned spin = random >> 18; spin > 0; spin--)
            __asm__ volatile("");
        pthread_kill(storm->target, SIGUSR1);
        while (sem_wait(&storm->ended) != 0)
            ;
    }
    return NULL;
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

/* Jobs come and settle meanwhile; each comes out of pool_next once. */
static void weather_storm(bool claimed)
{
    const pool_job_options_t options = {.collect = true, .on_settled = claimed ? ignore_settled : NULL};
    struct storm storm = {.target = pthread_self(), .count = SIGNALS};
    int ended = 0, submitted = 0, got = 0;
    pthread_t sender;
    sigset_t mask;
    block_signal(&mask);
    pool_t *pool = support_open(2, 0);
    sem_init(&storm.ended, 0, 0);
    assert_int_equal(pthread_create(&sender, NULL, send_storm, &storm), 0);
    while (ended < storm.count) {
        pool_job_t *job;
        for (; submitted - got < 4; submitted++)
            assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
        const int rc = pool_next_masked(pool, -1, &mask, &job);
        if (rc == 0) {
            got++;
            support_expect(pool_job_result(job), POOL_DONE, POOL_CAUSE_EXITED);
            pool_job_release(job);
            continue;
        }
        assert_int_equal(rc, -EINTR);
        assert_int_equal(atomic_load(&handled), ++ended);
        sem_post(&storm.ended);
    }
    pthread_join(sender, NULL);
    for (pool_job_t *job; pool_next(pool, -1, &job) == 0; got++)
        pool_job_release(job);
    assert_int_equal(got, submitted);
    sem_destroy(&storm.ended);
    pool_free(pool);
    unblock_signal(&mask);
}

static void test_waits_storm(void **state)
{
    (void)state;
    weather_storm(false);
    weather_storm(true);
}

/* ---- several threads --------------------------------------------------------------------------------------------- */

struct client {
    pthread_t thread;
    pool_job_t *job;
    const sigset_t *mask; /* NULL: waits without */
    pool_outcome_t outcome;
};

static void *wait_for_job(void *user)
{
    struct client *client = user;
    const int rc =
        client->mask == NULL ? pool_job_wait(client->job, -1) : pool_job_wait_masked(client->job, -1, client->mask);
    client->outcome = rc == 0 ? pool_job_result(client->job)->outcome : POOL_PENDING;
    return NULL;
}

static void count_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    (void)result;
    atomic_fetch_add((atomic_int *)user, 1);
}

/* The thread that came first runs the loop, the others sleep. It is interrupted and leaves: they and the callbacks go
 * on. */
static void interrupt_driver(pool_t *pool, bool has_callbacks, const sigset_t *mask)
{
    struct client clients[THREADS];
    struct gate gate;
    atomic_int settled = 0;
    gate_open(&gate);
    pool_job_options_t options = {.on_settled = has_callbacks ? count_settled : NULL, .user = &settled};
    pool_job_t *mine = gate_submit(pool, &gate, options);
    assert_int_equal(pthread_kill(pthread_self(), SIGUSR1), 0);
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.job = gate_submit(pool, &gate, options), .mask = i % 2 == 0 ? NULL : mask};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, wait_for_job, &clients[i]), 0);
    }
    assert_int_equal(pool_job_wait_masked(mine, -1, mask), -EINTR);
    gate_release(&gate, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].outcome, POOL_DONE);
        pool_job_release(clients[i].job);
    }
    assert_int_equal(pool_job_wait_masked(mine, -1, mask), 0);
    pool_job_release(mine);
    pool_close(pool, POOL_CLOSE_WAIT); /* the callbacks have run */
    assert_int_equal(atomic_load(&settled), has_callbacks ? THREADS + 1 : 0);
    gate_close(&gate);
}

struct interrupted {
    pthread_t thread;
    pool_job_t *job;
    const sigset_t *mask;
    atomic_int tid;
    int rc;
};

static void *wait_until_interrupted(void *user)
{
    struct interrupted *waiting = user;
    atomic_store(&waiting->tid, gettid());
    waiting->rc = pool_job_wait_masked(waiting->job, -1, waiting->mask);
    return NULL;
}

/* Threads sleep in waits, of which one runs the loop: which, nobody knows. One after the other is interrupted. */
static void test_waits_each_thread_is_interrupted(void **state)
{
    (void)state;
    struct interrupted threads[THREADS];
    struct gate gate;
    sigset_t mask;
    gate_open(&gate);
    block_signal(&mask);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = submit_waiting(pool, &gate, false);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct interrupted){.job = job, .mask = &mask};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, wait_until_interrupted, &threads[i]), 0);
        while (atomic_load(&threads[i].tid) == 0)
            sched_yield();
        gate_await_asleep(atomic_load(&threads[i].tid));
    }
    for (int i = 0; i < THREADS / 2; i++) { /* the driver first */
        assert_int_equal(pthread_kill(threads[i].thread, SIGUSR1), 0);
        pthread_join(threads[i].thread, NULL);
        assert_int_equal(threads[i].rc, -EINTR);
    }
    gate_release(&gate, 1);
    for (int i = THREADS / 2; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        assert_int_equal(threads[i].rc, 0);
    }
    pool_job_release(job);
    pool_free(pool);
    unblock_signal(&mask);
    gate_close(&gate);
}

static void test_waits_interrupted_driver_stops_nobody(void **state)
{
    (void)state;
    sigset_t mask;
    block_signal(&mask);
    for (int i = 0; i < 10; i++) {
        pool_t *pool = support_open(THREADS + 1, 0);
        interrupt_driver(pool, i % 2 == 1, &mask);
        pool_free(pool);
    }
    unblock_signal(&mask);
}

/* ---- in a callback, and without descriptors ---------------------------------------------------------------------- */

struct tried {
    pool_t *pool;
    pool_job_t *other;
    sigset_t mask;
    int one, any, next, look, fd, cancel, settled;
};

static void try_in_callback(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct tried *tried = user;
    pool_job_t *next;
    (void)result;
    tried->one = pool_job_wait_masked(tried->other, -1, &tried->mask);
    tried->any = pool_wait_any_masked(&tried->other, 1, 1000, &tried->mask, NULL);
    tried->next = pool_next_masked(tried->pool, -1, &tried->mask, &next);
    tried->look = pool_job_wait_masked(tried->other, 0, &tried->mask);
    tried->fd = pool_job_fd(tried->other);
    tried->cancel = pool_job_cancel_queued(tried->other);
    tried->settled = pool_job_cancel_queued(job);
}

static void test_waits_in_a_callback(void **state)
{
    (void)state;
    struct gate gate;
    struct tried tried = {0};
    gate_open(&gate);
    block_signal(&tried.mask);
    tried.pool = support_open(1, 0);
    pool_job_t *job =
        gate_submit(tried.pool, &gate, (pool_job_options_t){.on_settled = try_in_callback, .user = &tried});
    tried.other = gate_submit(tried.pool, &gate, (pool_job_options_t){.collect = true});
    gate_release(&gate, 1);
    support_expect(support_wait(tried.other), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(tried.one, -EDEADLK);
    assert_int_equal(tried.any, -EDEADLK);
    assert_int_equal(tried.next, -EDEADLK);
    assert_int_equal(tried.look, -ETIMEDOUT);
    assert_true(tried.fd >= 0);
    assert_int_equal(tried.cancel, 0);
    assert_int_equal(tried.settled, -EALREADY);
    pool_job_release(tried.other);
    pool_job_release(job);
    pool_free(tried.pool);
    unblock_signal(&tried.mask);
    gate_close(&gate);
}

static void test_waits_without_descriptors(void **state)
{
    (void)state;
    struct gate gate;
    struct rlimit old;
    sigset_t mask;
    pool_job_t *next;
    gate_open(&gate);
    block_signal(&mask);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = submit_waiting(pool, &gate, true);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int one = pool_job_wait_masked(job, -1, &mask);
    const int collected = pool_next_masked(pool, -1, &mask, &next);
    const int fd = pool_job_fd(job);
    const bool has_words = strstr(pool_message(), "gate_job") != NULL;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(one, -EMFILE);
    assert_int_equal(collected, -EMFILE);
    assert_int_equal(fd, -EMFILE);
    assert_true(has_words);
    gate_release(&gate, 1);
    assert_int_equal(pool_job_wait_masked(job, -1, &mask), 0);
    pool_job_release(job);
    pool_free(pool);
    unblock_signal(&mask);
    gate_close(&gate);
}

/* ---- a job's descriptor ------------------------------------------------------------------------------------------ */

static bool is_readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 1;
}

static void test_waits_fd_is_level_triggered(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = submit_waiting(pool, &gate, false);
    const size_t before = support_fds();
    struct pollfd polled = {.fd = pool_job_fd(job), .events = POLLIN};
    assert_true(polled.fd >= 0);
    assert_true((fcntl(polled.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(support_fds(), before + 1);
    assert_false(is_readable(polled.fd));
    gate_release(&gate, 1);
    assert_int_equal(poll(&polled, 1, -1), 1);
    assert_int_equal(pool_job_state(job), POOL_STATE_SETTLED);
    for (int i = 0; i < 3; i++)
        assert_true(is_readable(polled.fd));
    assert_int_equal(pool_job_wait(job, 0), 0);
    assert_int_equal(pool_job_fd(job), polled.fd);
    pool_free(pool);
    assert_true(is_readable(polled.fd));
    pool_job_retain(job);
    pool_job_release(job);
    assert_true(is_readable(polled.fd));
    pool_job_release(job); /* collected once, dropped with the pool */
    assert_int_equal(fcntl(polled.fd, F_GETFD), -1);
    gate_close(&gate);
}

/* Made when the job is settled; of a job that was never looked at; after the pool's end. */
static void test_waits_fd_of_a_settled_job(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *first = submit_waiting(pool, &gate, false);
    pool_job_t *queued = support_submit(pool, nothing, NULL, 0, NULL);
    const int early = pool_job_fd(queued);
    assert_false(is_readable(early));
    assert_int_equal(pool_job_cancel_queued(queued), 0);
    support_expect(support_wait(queued), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_true(is_readable(early));
    gate_release(&gate, 1);
    support_expect(support_wait(first), POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
    assert_true(is_readable(pool_job_fd(first)));
    pool_job_release(first);
    pool_job_release(queued);
    gate_close(&gate);
}

/* All are polled at once; those whose last reference is dropped leave the epoll. */
static void test_waits_fd_of_many_jobs(void **state)
{
    (void)state;
    pool_job_t *jobs[MANY];
    pool_t *pool = support_open(2, 0);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < MANY; i++) {
        jobs[i] = support_submit(pool, nothing, NULL, 0, NULL);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pool_job_fd(jobs[i]), &event), 0);
    }
    for (size_t left = MANY; left > 0; left--) {
        struct epoll_event event;
        assert_int_equal(epoll_wait(epoll, &event, 1, -1), 1);
        pool_job_t *job = jobs[event.data.u64];
        assert_non_null(job);
        jobs[event.data.u64] = NULL;
        assert_int_equal(pool_job_state(job), POOL_STATE_SETTLED);
        /* before the pool has dropped its own reference it is level-triggered still */
        epoll_ctl(epoll, EPOLL_CTL_DEL, pool_job_fd(job), NULL);
        pool_job_release(job);
    }
    close(epoll);
    pool_free(pool);
}

/* ---- what has not started ---------------------------------------------------------------------------------------- */

static void test_waits_cancel_queued(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *running = submit_waiting(pool, &gate, false);
    pool_job_t *queued = support_submit(pool, nothing, NULL, 0, &(pool_job_options_t){.deadline_ms = 600000});
    pool_job_t *other = support_submit(pool, nothing, NULL, 0, NULL);
    assert_int_equal(pool_job_cancel_queued(running), -EBUSY);
    assert_non_null(strstr(pool_message(), "gate_job"));
    for (int i = 0; i < 3; i++) {
        const int rc = pool_job_cancel_queued(queued);
        assert_true(rc == 0 || (i > 0 && rc == -EALREADY));
    }
    support_expect(support_wait(queued), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(pool_job_result(queued)->usage.attempt, 0);
    assert_int_equal(pool_job_cancel_queued(queued), -EALREADY);
    assert_int_equal(pool_job_cancel(other), 0); /* the loop may not have seen that yet */
    const int rc = pool_job_cancel_queued(other);
    assert_true(rc == 0 || rc == -EALREADY);
    support_expect(support_wait(other), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    gate_release(&gate, 1);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_job_cancel_queued(running), -EALREADY);
    pool_job_release(running);
    pool_job_release(queued);
    pool_job_release(other);
    pool_free(pool);
    gate_close(&gate);
}

static int return_seven(pool_call_t *call)
{
    (void)call;
    return 7;
}

static void post_retried(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    if (event->kind == POOL_EVENT_RETRIED)
        sem_post(user);
}

/* It ran, and waits for another attempt: there is none. */
static void test_waits_cancel_queued_before_a_retry(void **state)
{
    (void)state;
    sem_t retried;
    sem_init(&retried, 0, 0);
    const pool_job_options_t options = {.retries = 3,
                                        .retry_on = POOL_RETRY_ON(POOL_FAILED),
                                        .retry_delay_ms = 600000,
                                        .on_event = post_retried,
                                        .user = &retried};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, return_seven, NULL, 0, &options);
    while (sem_wait(&retried) != 0)
        ;
    int rc;
    while ((rc = pool_job_cancel_queued(job)) == -EBUSY) /* the event comes before the delay */
        sched_yield();
    assert_int_equal(rc, 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(result->usage.attempt, 1);
    pool_job_release(job);
    pool_free(pool);
    sem_destroy(&retried);
}

struct held_loop {
    sem_t entered, leave;
};

static void hold_loop(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct held_loop *held = user;
    (void)job;
    (void)result;
    sem_post(&held->entered);
    while (sem_wait(&held->leave) != 0)
        ;
}

static pool_reservation_t *reserve(pool_t *pool)
{
    pool_reservation_t *reservation;
    int rc;
    assert_int_equal(pool_reservation_new(pool, &(pool_job_options_t){.name = "reserved"}, &reservation), 0);
    while ((rc = pool_reserve(pool, &reservation, 1, NULL, NULL)) == -EAGAIN)
        sched_yield(); /* until the worker of the job before is reaped */
    assert_int_equal(rc, 0);
    return reservation;
}

/* A reservation that it came with is given back. */
static void test_waits_cancel_queued_with_a_reservation(void **state)
{
    (void)state;
    struct held_loop held;
    sem_init(&held.entered, 0, 0);
    sem_init(&held.leave, 0, 0);
    pool_t *pool = support_open(2, 0);
    pool_job_options_t options = {.name = "reserved", .reservation = reserve(pool)};
    pool_job_t *holder =
        support_submit(pool, nothing, NULL, 0, &(pool_job_options_t){.on_settled = hold_loop, .user = &held});
    while (sem_wait(&held.entered) != 0)
        ;
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &options); /* nobody starts it now */
    assert_int_equal(pool_job_cancel_queued(job), 0);
    sem_post(&held.leave);
    support_expect(support_wait(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    pool_reservation_t *both[] = {reserve(pool), reserve(pool)};
    pool_reservation_free(both[0]);
    pool_reservation_free(both[1]);
    pool_job_release(job);
    pool_job_release(holder);
    pool_free(pool);
    sem_destroy(&held.entered);
    sem_destroy(&held.leave);
}

static void cancel_other(pool_job_t *job, const pool_result_t *result, void *user)
{
    pool_job_t **other = user;
    (void)job;
    (void)result;
    if (pool_job_cancel_queued(*other) != 0)
        *other = NULL;
}

/* Within one step of the loop, after it has looked for cancelled jobs and before it looks for one to start. */
static void test_waits_cancel_queued_within_a_step(void **state)
{
    (void)state;
    const struct timespec deadline = {.tv_nsec = 200000000};
    struct gate gate;
    struct held_loop held;
    pool_job_t *job = NULL, *other = NULL;
    gate_open(&gate);
    sem_init(&held.entered, 0, 0);
    sem_init(&held.leave, 0, 0);
    pool_t *pool = support_open(1, 0);
    pool_job_t *holder = gate_submit(pool, &gate, (pool_job_options_t){.on_settled = hold_loop, .user = &held});
    gate_await(&gate);
    const pool_job_options_t options = {.deadline_ms = 200, .on_settled = cancel_other, .user = &other};
    pool_job_t *late = support_submit(pool, nothing, NULL, 0, &options);
    job = other = support_submit(pool, nothing, NULL, 0, NULL);
    gate_release(&gate, 1);
    while (sem_wait(&held.entered) != 0)
        ;
    nanosleep(&deadline, NULL); /* the step that comes settles `late`, and has a worker for the job */
    sem_post(&held.leave);
    support_expect(support_wait(late), POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(result->usage.attempt, 0);
    assert_ptr_equal(other, job);
    pool_job_release(job);
    pool_job_release(late);
    pool_job_release(holder);
    pool_free(pool);
    sem_destroy(&held.entered);
    sem_destroy(&held.leave);
    gate_close(&gate);
}

static int say_byte(pool_call_t *call)
{
    return write(pool_call_fd(call, 0), "x", 1) == 1 ? 0 : 1;
}

static void *run_loop(void *user)
{
    return (void *)(intptr_t)pool_job_wait(user, -1);
}

/* While another thread runs the loop: a job that was cancelled has not run, one that a worker had goes on. */
static void test_waits_cancel_queued_races_with_the_loop(void **state)
{
    (void)state;
    struct gate gate;
    pthread_t driver;
    int said[2], busy = 0, ran = 0, cancelled = 0;
    gate_open(&gate);
    support_pipe(said);
    const pool_job_options_t options = {.fds = &said[1], .fd_count = 1};
    pool_t *pool = support_open(2, 0);
    pool_job_t *held = submit_waiting(pool, &gate, false); /* for the thread that runs the loop to wait for */
    assert_int_equal(pthread_create(&driver, NULL, run_loop, held), 0);
    for (int i = 0; i < RACES; i++) {
        pool_job_t *blocker = support_submit(pool, nothing, NULL, 0, NULL);
        pool_job_t *job = support_submit(pool, say_byte, NULL, 0, &options);
        while (i % 2 == 0 && pool_job_state(blocker) != POOL_STATE_SETTLED)
            ; /* a worker is free, or about to be */
        const int rc = pool_job_cancel_queued(job);
        assert_true(rc == 0 || rc == -EBUSY || rc == -EALREADY);
        const pool_result_t *result = support_wait(job);
        assert_int_equal(result->outcome, rc == 0 ? POOL_CANCELLED : POOL_DONE);
        assert_int_equal(result->usage.attempt, rc == 0 ? 0 : 1);
        busy += rc != 0;
        cancelled += rc == 0;
        pool_job_release(job);
        pool_job_release(blocker);
    }
    gate_release(&gate, 1);
    pthread_join(driver, NULL);
    pool_job_release(held);
    pool_free(pool);
    close(said[1]);
    for (; support_await_byte(said[0]) >= 0; ran++)
        ;
    close(said[0]);
    assert_int_equal(ran, busy);
    assert_true(cancelled > 0 && ran > 0);
    gate_close(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_waits_signal_just_before),
        SUPPORT_TEST(test_waits_signal_while_asleep),
        SUPPORT_TEST(test_waits_own_mask),
        SUPPORT_TEST(test_waits_signal_comes_before_a_settled_job),
        SUPPORT_TEST(test_waits_without_a_mask_go_on),
        SUPPORT_TEST(test_waits_storm),
        SUPPORT_TEST(test_waits_each_thread_is_interrupted),
        SUPPORT_TEST(test_waits_interrupted_driver_stops_nobody),
        SUPPORT_TEST(test_waits_in_a_callback),
        SUPPORT_TEST(test_waits_without_descriptors),
        SUPPORT_TEST(test_waits_fd_is_level_triggered),
        SUPPORT_TEST(test_waits_fd_of_a_settled_job),
        SUPPORT_TEST(test_waits_fd_of_many_jobs),
        SUPPORT_TEST(test_waits_cancel_queued),
        SUPPORT_TEST(test_waits_cancel_queued_before_a_retry),
        SUPPORT_TEST(test_waits_cancel_queued_with_a_reservation),
        SUPPORT_TEST(test_waits_cancel_queued_within_a_step),
        SUPPORT_TEST(test_waits_cancel_queued_races_with_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
