/* Much at once, and at the worst moment: fault matrix 29 and 30b, and what ten thousand jobs leave behind. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB           ((uint64_t)1 << 20)
#define SMALL_JOBS    (SUPPORT_SANITIZED ? 1000 : 10000)
#define LARGE_JOBS    (SUPPORT_SANITIZED ? 10 : 100)
#define LARGE_SIZE    ((SUPPORT_SANITIZED ? 32 : 256) * MIB)
#define GROWTH_MAX    (SUPPORT_SANITIZED ? 64 * MIB : MIB) /* sanitizers keep what was freed */
#define CANCEL_ROUNDS (SUPPORT_SANITIZED ? 300 : 3000)
#define BIRTHS        (SUPPORT_SANITIZED ? 200 : 1000)
#define SOCKET_FULL   320 /* messages: a SEQPACKET takes 278 small ones */

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

static pool_t *open_limited(int workers, int64_t queue_limit)
{
    pool_t *pool;
    const pool_options_t options = {.workers = workers, .queue_limit = queue_limit};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    return pool;
}

/* ---- ten thousand ------------------------------------------------------------------------------------------------ */

static void run_many(pool_t *pool, pool_fn fn, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pool_submit(pool, fn, NULL, 0, NULL, NULL), 0);
    pool_job_t *last = support_submit(pool, nothing, NULL, 0, &(pool_job_options_t){.priority = -1});
    support_wait(last);
    pool_job_release(last);
}

/* Until no job runs and idle workers wait: only then are descriptors and processes numbers that can be compared. */
static void await_rest(pool_t *pool)
{
    pool_stats_t stats;
    do
        assert_int_equal(pool_stats(pool, &stats), 0);
    while ((stats.queued > 0 || stats.running > 0 || stats.warm < 2) && usleep(1000) == 0);
}

/* Processes below us: keeper, fork server, and no more workers than there may be. */
static void expect_few_processes(size_t workers)
{
    assert_in_range(support_descendants(getpid()), 2, 2 + 2 * workers + 1);
}

static void test_storm_ten_thousand_small_jobs(void **state)
{
    (void)state;
    pool_stats_t stats;
    pool_t *pool = open_limited(2, 64);
    run_many(pool, nothing, 200);
    await_rest(pool);
    const size_t fds = support_fds();
    const uint64_t before = support_rss();
    run_many(pool, nothing, SMALL_JOBS);
    await_rest(pool);
    assert_true(support_rss() < before + GROWTH_MAX);
    assert_true(support_fds() <= fds + 4); /* of a worker more or less */
    expect_few_processes(2);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.settled[POOL_DONE], SMALL_JOBS + 202);
    assert_int_equal(stats.submitted, SMALL_JOBS + 202);
    pool_free(pool);
}

static int use_much(pool_call_t *call)
{
    (void)call;
    const void *data =
        mmap(NULL, LARGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return data == MAP_FAILED ? 1 : 0;
}

static void test_storm_large_jobs_leave_the_host_small(void **state)
{
    (void)state;
    pool_stats_t stats;
    pool_t *pool = open_limited(2, 0);
    run_many(pool, use_much, 2);
    const uint64_t before = support_rss();
    run_many(pool, use_much, LARGE_JOBS);
    await_rest(pool);
    assert_true(support_rss() < before + GROWTH_MAX);
    expect_few_processes(2);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.settled[POOL_DONE], LARGE_JOBS + 4);
    pool_free(pool);
}

/* ---- cancel, in every state -------------------------------------------------------------------------------------- */

struct fate {
    pool_job_t *job;
    atomic_int settled;
    pool_outcome_t outcome;
};

static void note_fate(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct fate *fate = user;
    (void)job;
    fate->outcome = result->outcome;
    atomic_fetch_add(&fate->settled, 1);
}

static int linger(pool_call_t *call)
{
    const unsigned *turns = pool_call_arg(call, NULL);
    for (volatile unsigned i = 0; i < *turns; i++)
        ;
    return pool_call_return(call, "value", 5);
}

static void expect_one_fate(const struct fate *fate, size_t *outcomes)
{
    const pool_result_t *result = pool_job_result(fate->job);
    assert_non_null(result);
    assert_int_equal(atomic_load(&fate->settled), 1);
    assert_int_equal(result->outcome, fate->outcome);
    assert_true(result->outcome == POOL_DONE || result->outcome == POOL_CANCELLED);
    assert_int_equal(result->size, result->outcome == POOL_DONE ? 5 : 0);
    outcomes[result->outcome]++;
}

static void spin(unsigned turns)
{
    for (volatile unsigned i = 0; i < turns; i++)
        ;
}

/* One job at a time, its cancel later and later: from the queue over the start and the run to its end and after. */
static void race_cancels(bool early, int64_t kill_after_ms, size_t *outcomes)
{
    static struct fate fates[CANCEL_ROUNDS];
    pool_stats_t stats;
    pool_t *pool = support_open(2, 0);
    for (int i = 0; i < CANCEL_ROUNDS; i++) {
        const unsigned turns = (unsigned)(i * 7919 % 5 * 20000);
        const pool_job_options_t options = {
            .early = early, .kill_after_ms = kill_after_ms, .on_settled = note_fate, .user = &fates[i]};
        fates[i] = (struct fate){0};
        fates[i].job = support_submit(pool, linger, &turns, sizeof turns, &options);
        spin((unsigned)(i * 104729 % 997) * 600);
        const int rc = pool_job_cancel(fates[i].job);
        assert_true(rc == 0 || rc == -EALREADY);
        if (i % 3 == 0)
            assert_int_equal(pool_job_wait(fates[i].job, -1), 0);
    }
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    for (int i = 0; i < CANCEL_ROUNDS; i++) {
        expect_one_fate(&fates[i], outcomes);
        pool_job_release(fates[i].job);
    }
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.settled[POOL_DONE] + stats.settled[POOL_CANCELLED], CANCEL_ROUNDS);
    pool_free(pool);
}

static void test_storm_cancels_race_with_the_exit(void **state)
{
    (void)state;
    size_t outcomes[POOL_OUTCOME_COUNT_] = {0};
    race_cancels(false, 0, outcomes);
    race_cancels(false, POOL_NONE, outcomes);
    race_cancels(true, 0, outcomes);
    assert_true(outcomes[POOL_DONE] > 0); /* the race was one */
    assert_true(outcomes[POOL_CANCELLED] > 0);
}

struct canceller {
    pthread_t thread;
    struct fate *fates;
    int count;
};

static void *cancel_all(void *arg)
{
    const struct canceller *self = arg;
    for (int i = 0; i < self->count; i++)
        pool_job_cancel(self->fates[i].job);
    return NULL;
}

static void test_storm_cancels_from_many_threads(void **state)
{
    (void)state;
    enum { COUNT = 200, THREADS = 4 };
    static struct fate fates[COUNT];
    struct canceller cancellers[THREADS];
    size_t outcomes[POOL_OUTCOME_COUNT_] = {0};
    const unsigned turns = 1000;
    pool_t *pool = support_open(3, 0);
    for (int i = 0; i < COUNT; i++) {
        const pool_job_options_t options = {.on_settled = note_fate, .user = &fates[i]};
        fates[i] = (struct fate){0};
        fates[i].job = support_submit(pool, linger, &turns, sizeof turns, &options);
    }
    for (int i = 0; i < THREADS; i++) {
        cancellers[i] = (struct canceller){.fates = fates, .count = COUNT};
        assert_int_equal(pthread_create(&cancellers[i].thread, NULL, cancel_all, &cancellers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(cancellers[i].thread, NULL);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    for (int i = 0; i < COUNT; i++) {
        expect_one_fate(&fates[i], outcomes);
        pool_job_release(fates[i].job);
    }
    pool_free(pool);
}

/* ---- a host that does not read ----------------------------------------------------------------------------------- */

/* Blocks the pool's thread in a callback until it is let go. */
struct block {
    sem_t inside, leave;
};

static void block_thread(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct block *block = user;
    (void)job;
    (void)result;
    sem_post(&block->inside);
    while (sem_wait(&block->leave) < 0 && errno == EINTR)
        ;
}

static void block_start(struct block *block, pool_t *pool)
{
    sem_init(&block->inside, 0, 0);
    sem_init(&block->leave, 0, 0);
    const pool_job_options_t options = {.on_settled = block_thread, .user = block, .priority = 1};
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    while (sem_wait(&block->inside) < 0 && errno == EINTR)
        ;
}

static void block_end(struct block *block)
{
    sem_post(&block->leave);
}

static void block_free(struct block *block)
{
    sem_destroy(&block->inside);
    sem_destroy(&block->leave);
}

/* Every so often a callback holds up the pool's thread until the fork server has nothing left to do but to wait. */
static void pause_now_and_then(pool_job_t *job, const pool_result_t *result, void *user)
{
    atomic_int *settled = user;
    (void)job;
    (void)result;
    if (atomic_fetch_add(settled, 1) % 50 == 0)
        usleep(20000);
}

static void test_storm_births_while_the_host_does_not_read(void **state)
{
    (void)state;
    struct block block;
    atomic_int settled = 0;
    const pool_job_options_t options = {.on_settled = pause_now_and_then, .user = &settled};
    pool_stats_t stats;
    pool_t *pool = support_open(BIRTHS / 4, POOL_NONE);
    block_start(&block, pool);
    for (int i = 0; i < BIRTHS; i++)
        assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    block_end(&block);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(settled, BIRTHS);
    assert_int_equal(stats.settled[POOL_DONE], BIRTHS + 1);
    pool_free(pool);
    block_free(&block);
}

/* A crowd of jobs that wait at a gate. */
struct crowd {
    struct gate gate;
    pool_t *pool;
    pool_job_t *jobs[SOCKET_FULL];
    pid_t pids[SOCKET_FULL];
};

static void crowd_start(struct crowd *crowd)
{
    gate_open(&crowd->gate);
    crowd->pool = support_open(SOCKET_FULL + 2, POOL_NONE);
    for (int i = 0; i < SOCKET_FULL; i++)
        crowd->jobs[i] =
            gate_submit(crowd->pool, &crowd->gate, (pool_job_options_t){.kill_after_ms = POOL_NONE, .nice = 1});
    for (int i = 0; i < SOCKET_FULL; i++)
        crowd->pids[i] = gate_await(&crowd->gate);
}

static void crowd_end(struct crowd *crowd, pool_outcome_t outcome, pool_cause_t cause)
{
    for (int i = 0; i < SOCKET_FULL; i++) {
        support_expect(support_wait(crowd->jobs[i]), outcome, cause);
        pool_job_release(crowd->jobs[i]);
    }
    for (int i = 0; i < SOCKET_FULL; i++) /* which is whose is not known */
        assert_false(support_alive(crowd->pids[i]));
    pool_free(crowd->pool);
    gate_close(&crowd->gate);
}

/* More news than its socket takes, and nobody reads: the fork server goes on enforcing. */
static void test_storm_gone_while_the_host_does_not_read(void **state)
{
    (void)state;
    static struct crowd crowd;
    struct block block;
    struct gate gate;
    gate_open(&gate);
    crowd_start(&crowd);
    pool_job_t *late = gate_submit(crowd.pool, &gate, (pool_job_options_t){.timeout_ms = 4000, .kill_after_ms = 1});
    const pid_t pid = gate_await(&gate);
    block_start(&block, crowd.pool);
    gate_release(&crowd.gate, SOCKET_FULL);
    for (int i = 0; i < SOCKET_FULL; i++)
        support_await_death(crowd.pids[i]);
    support_await_death(pid); /* at its timeout, though the host has heard nothing yet */
    assert_int_equal(pool_job_state(late), POOL_STATE_RUNNING);
    block_end(&block);
    support_expect(support_wait(late), POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    pool_job_release(late);
    crowd_end(&crowd, POOL_DONE, POOL_CAUSE_EXITED);
    gate_close(&gate);
    block_free(&block);
}

/* More wishes than its socket takes, and the fork server does not read: the host goes on, and all are heard. */
static void test_storm_cancels_while_the_fork_server_does_not_read(void **state)
{
    (void)state;
    static struct crowd crowd;
    struct gate gate; /* of its own: who dies at the crowd's may still take a byte along */
    pool_stats_t stats;
    gate_open(&gate);
    crowd_start(&crowd);
    assert_int_equal(pool_stats(crowd.pool, &stats), 0);
    assert_int_equal(kill(stats.fork_server_pid, SIGSTOP), 0);
    for (int i = 0; i < SOCKET_FULL; i++)
        assert_int_equal(pool_job_cancel(crowd.jobs[i]), 0);
    pool_job_t *queued[4];
    for (int i = 0; i < 4; i++)
        queued[i] = gate_submit(crowd.pool, &gate, gate_options(&gate));
    assert_int_equal(pool_job_cancel(queued[3]), 0); /* the host's thread is not held up */
    support_expect(support_wait(queued[3]), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    assert_int_equal(pool_job_wait(crowd.jobs[0], 0), -ETIMEDOUT);
    assert_int_equal(kill(stats.fork_server_pid, SIGCONT), 0);
    for (int i = 0; i < 3; i++)
        gate_await(&gate);
    gate_release(&gate, 3);
    for (int i = 0; i < 4; i++) {
        support_wait(queued[i]);
        pool_job_release(queued[i]);
    }
    crowd_end(&crowd, POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    gate_close(&gate);
}

/* ---- descriptors in flight --------------------------------------------------------------------------------------- */

/* An unprivileged user may have no more descriptors on their way than RLIMIT_NOFILE: others of its processes may use
 * them up. */
static int fill_flight(int socket, int fd)
{
    int count = 0;
    for (;; count++) {
        char byte = 'f';
        struct iovec iov = {&byte, 1};
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.bytes = {0}};
        struct msghdr message = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
        if (sendmsg(socket, &message, MSG_DONTWAIT) < 0)
            return errno == ETOOMANYREFS ? count : -errno;
    }
}

static int return_large(pool_call_t *call)
{
    static char value[200000];
    gate_pass(call);
    return pool_call_return(call, value, sizeof value);
}

/* Everything that needs a descriptor to travel waits, and goes on when there is room again. */
static int flight_is_used_up(void *unused)
{
    int sockets[2], ready[2], go[2];
    pid_t pid;
    pool_t *pool;
    pool_job_t *jobs[6];
    const struct rlimit limit = {150, 150};
    const pool_options_t two = {.workers = 1, .warm = POOL_NONE};
    (void)unused;
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    CHILD_CHECK(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
    const int fds[] = {ready[1], go[0]};
    const pool_job_options_t options = {.fds = fds, .fd_count = 2};
    CHILD_CHECK(pool_open(&pool, &two, NULL) == 0);
    CHILD_CHECK(pool_submit(pool, return_large, NULL, 0, &options, &jobs[0]) == 0);
    CHILD_CHECK(read(ready[0], &pid, sizeof pid) == sizeof pid);
    CHILD_CHECK(fill_flight(sockets[0], sockets[0]) > 100);
    for (int i = 1; i < 6; i++)
        CHILD_CHECK(pool_submit(pool, return_large, NULL, 0, &options, &jobs[i]) == 0);
    CHILD_CHECK(write(go[1], "gggggg", 6) == 6);
    CHILD_CHECK(pool_job_wait(jobs[0], 300) == -ETIMEDOUT); /* its value is on the ground */
    close(sockets[0]);
    close(sockets[1]);
    for (int i = 0; i < 6; i++) {
        CHILD_CHECK(pool_job_wait(jobs[i], -1) == 0);
        CHILD_CHECK(pool_job_result(jobs[i])->outcome == POOL_DONE);
        CHILD_CHECK(pool_job_result(jobs[i])->size == 200000);
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
    return 0;
}

static void test_storm_descriptors_in_flight_used_up(void **state)
{
    (void)state;
    child_run(true, flight_is_used_up, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_storm_ten_thousand_small_jobs),
        SUPPORT_TEST(test_storm_large_jobs_leave_the_host_small),
        SUPPORT_TEST(test_storm_cancels_race_with_the_exit),
        SUPPORT_TEST(test_storm_cancels_from_many_threads),
        SUPPORT_TEST(test_storm_births_while_the_host_does_not_read),
        SUPPORT_TEST(test_storm_gone_while_the_host_does_not_read),
        SUPPORT_TEST(test_storm_cancels_while_the_fork_server_does_not_read),
        SUPPORT_TEST(test_storm_descriptors_in_flight_used_up),
    };
    return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
