/* Memory and a worker reserved for a job that is not in the pool yet: who gets it, in which turn, and that it comes
 * back whatever happens. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB     ((int64_t)1 << 20)
#define BUDGET  (100 * MIB)
#define WORKERS 4

static pool_t *open_pool(pool_options_t options)
{
    pool_t *pool;
    pool_error_t error;
    options.workers = options.workers == 0 ? WORKERS : options.workers;
    options.memory_budget = options.memory_budget == 0 ? BUDGET : options.memory_budget;
    options.memory_floor = options.memory_floor == 0 ? POOL_NONE : options.memory_floor;
    if (pool_open(&pool, &options, &error) < 0)
        fail_msg("pool_open: %s", error.message);
    return pool;
}

static pool_job_options_t expecting(int64_t mib)
{
    return (pool_job_options_t){.name = "job", .memory_expected = mib * MIB};
}

static pool_reservation_t *make(pool_t *pool, int64_t mib)
{
    const pool_job_options_t options = expecting(mib);
    pool_reservation_t *reservation;
    if (pool_reservation_new(pool, &options, &reservation) < 0)
        fail_msg("pool_reservation_new: %s", pool_message());
    return reservation;
}

/* Which of them is reserved for; -1: none now. */
static int reserve(pool_t *pool, pool_reservation_t *const *reservations, size_t count)
{
    size_t which = count;
    const int rc = pool_reserve(pool, reservations, count, &which, NULL);
    if (rc == -EAGAIN)
        return -1;
    if (rc < 0)
        fail_msg("pool_reserve: %s", pool_message());
    assert_true(which < count);
    return (int)which;
}

static void hold(pool_t *pool, pool_reservation_t *reservation)
{
    assert_int_equal(reserve(pool, &reservation, 1), 0);
}

static pool_reservation_t *make_held(pool_t *pool, int64_t mib)
{
    pool_reservation_t *reservation = make(pool, mib);
    hold(pool, reservation);
    return reservation;
}

/* Nothing is held any more: all of the budget can be had, and every worker. */
static void expect_all_back(pool_t *pool)
{
    pool_stats_t stats;
    pool_reservation_t *all[WORKERS];
    all[0] = make_held(pool, BUDGET / MIB);
    for (int i = 1; i < WORKERS; i++) {
        const pool_job_options_t options = {.name = "nothing", .memory_expected = POOL_NONE};
        assert_int_equal(pool_reservation_new(pool, &options, &all[i]), 0);
        hold(pool, all[i]);
    }
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.running, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        pool_reservation_free(all[i]);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.running, 0);
}

static void finish(pool_job_t *job)
{
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

static void test_reservation_the_first_that_may(void **state)
{
    (void)state;
    pool_memory_t memory;
    int64_t again = 0;
    pool_t *pool = open_pool((pool_options_t){0});
    pool_reservation_t *all[] = {make(pool, 60), make(pool, 50), NULL, make(pool, 30), make(pool, 10)};
    pool_reservation_t *const first = all[0], *const fourth = all[3];
    assert_int_equal(reserve(pool, all, 5), 0);
    all[0] = NULL;
    assert_int_equal(reserve(pool, all, 5), 3); /* passes the second */
    all[3] = NULL;
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_int_equal(memory.reserved_for_jobs, 90 * MIB);
    assert_int_equal(pool_reserve(pool, all, 2, NULL, &again), -EAGAIN);
    assert_in_range(again, 1, 100);
    pool_reservation_free(first);
    assert_int_equal(reserve(pool, all, 5), 1);
    pool_reservation_free(all[1]);
    pool_reservation_free(all[4]);
    pool_reservation_free(fourth);
    expect_all_back(pool);
    pool_free(pool);
}

static void test_reservation_needs_a_worker(void **state)
{
    (void)state;
    int64_t again = 0;
    pool_t *pool = open_pool((pool_options_t){0});
    pool_reservation_t *all[WORKERS], *more = make(pool, 1);
    for (int i = 0; i < WORKERS; i++)
        all[i] = make_held(pool, 1);
    assert_int_equal(pool_reserve(pool, &more, 1, NULL, &again), -EAGAIN);
    assert_int_equal(again, -1);
    pool_reservation_free(all[0]);
    hold(pool, more);
    pool_reservation_free(more);
    for (int i = 1; i < WORKERS; i++)
        pool_reservation_free(all[i]);
    expect_all_back(pool);
    pool_free(pool);
}

/* Small ones pass a large one twice for each worker, and no more. */
static void test_reservation_is_passed_a_bounded_number_of_times(void **state)
{
    (void)state;
    int passes = 0;
    pool_t *pool = open_pool((pool_options_t){0});
    pool_reservation_t *holder = make_held(pool, 60);
    pool_reservation_t *both[] = {make(pool, 90), make(pool, 10)};
    for (; reserve(pool, both, 2) == 1; passes++) {
        pool_reservation_free(both[1]);
        both[1] = make(pool, 10);
    }
    assert_int_equal(passes, 2 * WORKERS);
    pool_reservation_free(holder);
    assert_int_equal(reserve(pool, both, 2), 0);
    pool_reservation_free(both[0]);
    pool_reservation_free(both[1]);
    pool_free(pool);
}

/* The same for a job in the pool's queue, which is before all of them. */
static void test_reservation_passes_the_queue_a_bounded_number_of_times(void **state)
{
    (void)state;
    int passes = 0;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){0});
    pool_reservation_t *holder = make_held(pool, 60), *small = make(pool, 10);
    pool_job_t *large = gate_submit(pool, &gate, expecting(90));
    for (; reserve(pool, &small, 1) == 0; passes++) {
        pool_reservation_free(small);
        small = make(pool, 10);
    }
    assert_int_equal(passes, 2 * WORKERS);
    assert_int_equal(pool_job_state(large), POOL_STATE_QUEUED);
    pool_reservation_free(holder);
    gate_await(&gate);
    hold(pool, small);
    gate_release(&gate, 1);
    finish(large);
    pool_reservation_free(small);
    expect_all_back(pool);
    pool_free(pool);
    gate_close(&gate);
}

/* What jobs of its name have needed is known; and of one of which nothing is known, its limit counts. */
static void test_reservation_of_what_is_learned_and_limited(void **state)
{
    (void)state;
    pool_memory_t memory;
    pool_reservation_t *reservation;
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t limited = {.name = "limited", .memory_limit = 70 * MIB};
    assert_int_equal(pool_reservation_new(pool, &limited, &reservation), 0);
    hold(pool, reservation);
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_int_equal(memory.reserved_for_jobs, 70 * MIB);
    pool_job_options_t options = limited;
    options.reservation = reservation;
    finish(support_submit(pool, nothing, NULL, 0, &options));
    assert_int_equal(pool_reservation_new(pool, &limited, &reservation), 0);
    hold(pool, reservation);
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_true(memory.reserved_for_jobs < (uint64_t)(10 * MIB));
    pool_reservation_free(reservation);
    pool_free(pool);
}

/* ---- with a job -------------------------------------------------------------------------------------------------- */

static pool_job_t *submit_held(pool_t *pool, const struct gate *gate, pool_reservation_t *reservation, int64_t mib)
{
    pool_job_options_t options = expecting(mib);
    options.reservation = reservation;
    return gate_submit(pool, gate, options);
}

/* It starts before all that wait, and what it holds is counted once. */
static void test_reservation_job_starts_at_once(void **state)
{
    (void)state;
    struct gate gate;
    pool_stats_t stats;
    pool_memory_t memory;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){.workers = 2});
    pool_reservation_t *reservation = make_held(pool, 60);
    pool_job_options_t urgent = expecting(50);
    urgent.priority = 1000;
    pool_job_t *waits = gate_submit(pool, &gate, urgent);
    pool_job_t *job = submit_held(pool, &gate, reservation, 60);
    gate_await(&gate);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(pool_memory(pool, &memory), 0);
    assert_int_equal(stats.running, 1);
    assert_int_equal(stats.queued, 1);
    assert_int_equal(memory.reserved_for_jobs, 60 * MIB);
    assert_int_equal(pool_job_state(job), POOL_STATE_RUNNING);
    assert_int_equal(pool_job_state(waits), POOL_STATE_QUEUED);
    pool_reservation_t *second = make_held(pool, 40), *third = make(pool, 1);
    assert_int_equal(reserve(pool, &third, 1), -1);
    gate_release(&gate, 1);
    finish(job);
    gate_await(&gate);
    gate_release(&gate, 1);
    finish(waits);
    pool_reservation_free(second);
    pool_reservation_free(third);
    pool_free(pool);
    gate_close(&gate);
}

/* Where the pool waits for room in its queue, or a worker has to be forked first. */
static void test_reservation_job_needs_no_room_in_the_queue(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_pool(
        (pool_options_t){.workers = 2, .warm = POOL_NONE, .queue_limit = POOL_NONE, .queue_full = POOL_QUEUE_REFUSE});
    pool_job_options_t options = expecting(10);
    options.fds = gate.fds;
    options.fd_count = 2;
    pool_reservation_t *first = make_held(pool, 10), *second = make_held(pool, 10);
    assert_int_equal(pool_submit(pool, gate_job, NULL, 0, &options, NULL), -EAGAIN);
    pool_job_t *jobs[] = {submit_held(pool, &gate, first, 10), submit_held(pool, &gate, second, 10)};
    gate_await(&gate);
    gate_await(&gate);
    gate_release(&gate, 2);
    finish(jobs[0]);
    finish(jobs[1]);
    pool_free(pool);
    gate_close(&gate);
}

static void test_reservation_of_a_command(void **state)
{
    (void)state;
    const char *const argv[] = {"true", NULL};
    const pool_command_t command = {.argv = argv};
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_t *job;
    pool_job_options_t options = expecting(100);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit_command(pool, &command, &options, &job), 0);
    finish(job);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit_command(pool, &(pool_command_t){0}, &options, &job), -EINVAL);
    expect_all_back(pool);
    pool_free(pool);
}

/* Whatever a submit fails of, what was reserved is there again. */
static void test_reservation_is_given_back_when_a_submit_fails(void **state)
{
    (void)state;
    pool_job_t *job;
    const pool_bytes_t bytes = {0};
    pool_t *pool = open_pool((pool_options_t){0}), *other = open_pool((pool_options_t){0});
    pool_job_options_t options = expecting(100);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit(pool, NULL, NULL, 0, &options, &job), -EINVAL);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit(pool, nothing, NULL, 7, &options, &job), -EINVAL);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_map(pool, nothing, &bytes, 1, &options, &job), -EINVAL);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit(other, nothing, NULL, 0, &options, &job), -EINVAL);
    assert_null(job);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit(NULL, nothing, NULL, 0, &options, &job), -EINVAL);
    options.reservation = make_held(pool, 100);
    options.memory_limit = 90 * MIB;
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &job), -EINVAL);
    assert_non_null(strstr(pool_message(), "memory_limit is 94371840, the reservation's is -1"));
    options = expecting(50);
    options.reservation = make_held(pool, 100);
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &job), -EINVAL);
    assert_non_null(strstr(pool_message(), "memory_expected is 52428800, the reservation's is 104857600"));
    options.reservation = make(pool, 50); /* nobody has reserved for it */
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &job), -EINVAL);
    assert_non_null(strstr(pool_message(), "holds nothing"));
    expect_all_back(pool);
    expect_all_back(other);
    pool_free(pool);
    pool_free(other);
}

/* No worker is forked meanwhile: it is taken out of where admitted jobs wait. */
static void test_reservation_is_given_back_when_its_job_does_not_run(void **state)
{
    (void)state;
    pool_stats_t stats;
    pool_t *pool = open_pool((pool_options_t){.warm = POOL_NONE});
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(kill(stats.fork_server_pid, SIGSTOP), 0);
    pool_job_options_t options = expecting(60);
    options.reservation = make_held(pool, 60);
    pool_job_t *cancelled = support_submit(pool, nothing, NULL, 0, &options);
    assert_int_equal(pool_job_state(cancelled), POOL_STATE_STARTING);
    options = expecting(40);
    options.reservation = make_held(pool, 40);
    options.deadline_ms = 1;
    pool_job_t *late = support_submit(pool, nothing, NULL, 0, &options);
    assert_int_equal(pool_job_cancel(cancelled), 0);
    support_expect(support_wait(cancelled), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    support_expect(support_wait(late), POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(pool_job_result(cancelled)->usage.attempt, 0);
    assert_int_equal(kill(stats.fork_server_pid, SIGCONT), 0);
    pool_job_release(cancelled);
    pool_job_release(late);
    expect_all_back(pool);
    pool_free(pool);
}

/* Those that had their worker taken away wait as others do, also for a retry. */
static int crash_once(pool_call_t *call)
{
    size_t size;
    _Atomic int *const *runs = pool_call_arg(call, &size);
    if (atomic_fetch_add(*runs, 1) == 0)
        abort();
    return 0;
}

static void test_reservation_job_is_retried(void **state)
{
    (void)state;
    _Atomic int *runs = mmap(NULL, sizeof *runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(runs, MAP_FAILED);
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_options_t options = expecting(60);
    options.reservation = make_held(pool, 60);
    options.retries = 1;
    options.retry_delay_ms = 1;
    pool_job_t *job = support_submit(pool, crash_once, &runs, sizeof runs, &options);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_job_result(job)->usage.attempt, 2);
    pool_job_release(job);
    expect_all_back(pool);
    pool_free(pool);
    munmap((void *)(uintptr_t)runs, sizeof *runs);
}

/* ---- the pool's end ---------------------------------------------------------------------------------------------- */

static void test_reservation_does_not_hold_up_a_close(void **state)
{
    (void)state;
    struct gate gate;
    pool_job_t *job;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){0});
    pool_reservation_t *held = make_held(pool, 100), *waits = make(pool, 60), *late = make(pool, 60);
    pool_job_t *queued = gate_submit(pool, &gate, expecting(60)); /* nothing but the reservation keeps it */
    gate_release(&gate, 1);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    finish(queued);
    pool_job_options_t options = expecting(100);
    options.reservation = held;
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &job), -ESHUTDOWN);
    assert_int_equal(pool_reserve(pool, &waits, 1, NULL, NULL), -ESHUTDOWN);
    pool_reservation_free(waits);
    pool_free(pool);
    pool_reservation_free(late);
    gate_close(&gate);
}

static void test_reservation_outlives_its_pool(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    pool_reservation_t *held = make_held(pool, 60), *waits = make(pool, 60), *freed = make_held(pool, 40);
    pool_reservation_free(freed);
    pool_free(pool);
    pool_reservation_free(held);
    pool_reservation_free(waits);
    pool = open_pool((pool_options_t){0});
    held = make_held(pool, 60);
    assert_int_equal(pool_seal(pool), 0);
    assert_int_equal(pool_reserve(pool, &held, 1, NULL, NULL), -ESHUTDOWN);
    pool_free(pool);
    pool_reservation_free(held);
}

/* ---- whoever runs the loop --------------------------------------------------------------------------------------- */

struct waiting {
    pool_job_t *job;
    int tell[2]; /* the thread's number */
};

static void *wait_for(void *argument)
{
    const struct waiting *waiting = argument;
    const pid_t thread = gettid();
    assert_int_equal(write(waiting->tell[1], &thread, sizeof thread), sizeof thread);
    finish(waiting->job);
    return NULL;
}

/* A thread that waits for a job runs the loop: it lets it go for a moment. */
static void test_reservation_beside_a_thread_that_waits(void **state)
{
    (void)state;
    struct gate gate;
    struct waiting waiting;
    pthread_t thread;
    pid_t number;
    gate_open(&gate);
    support_pipe(waiting.tell);
    pool_t *pool = open_pool((pool_options_t){0});
    waiting.job = gate_submit(pool, &gate, expecting(10));
    gate_await(&gate);
    assert_int_equal(pthread_create(&thread, NULL, wait_for, &waiting), 0);
    assert_int_equal(read(waiting.tell[0], &number, sizeof number), sizeof number);
    gate_await_asleep(number);
    pool_reservation_t *reservation = make_held(pool, 90);
    pool_job_t *second = submit_held(pool, &gate, reservation, 90);
    gate_await(&gate);
    gate_release(&gate, 2);
    finish(second);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_all_back(pool);
    close(waiting.tell[0]);
    close(waiting.tell[1]);
    pool_free(pool);
    gate_close(&gate);
}

struct in_callback {
    pool_t *pool;
    pool_reservation_t *waits, *held, *spare;
    pool_job_t *next;
    int reserved, submitted;
    sem_t over;
};

static void on_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct in_callback *in = user;
    (void)job;
    (void)result;
    in->reserved = pool_reserve(in->pool, &in->waits, 1, NULL, NULL);
    pool_reservation_free(in->spare);
    pool_job_options_t options = expecting(50);
    options.reservation = in->held;
    in->submitted = pool_submit(in->pool, nothing, NULL, 0, &options, &in->next);
    sem_post(&in->over);
}

static void test_reservation_in_a_callback(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    struct in_callback in = {
        .pool = pool, .waits = make(pool, 1), .held = make_held(pool, 50), .spare = make_held(pool, 40)};
    const pool_job_options_t options = {.on_settled = on_settled, .user = &in, .memory_expected = MIB};
    assert_int_equal(sem_init(&in.over, 0, 0), 0);
    pool_job_release(support_submit(pool, nothing, NULL, 0, &options));
    while (sem_wait(&in.over) < 0)
        assert_int_equal(errno, EINTR);
    assert_int_equal(in.reserved, -EDEADLK);
    assert_int_equal(in.submitted, 0);
    finish(in.next);
    pool_reservation_free(in.waits);
    expect_all_back(pool);
    pool_free(pool);
    sem_destroy(&in.over);
}

/* Many threads at once: what is reserved never exceeds the budget, and all of it comes back. */
struct many {
    pool_t *pool;
    atomic_int *most_jobs; /* MiB in jobs, now and at most: in memory that jobs share */
};

static int count_use(pool_call_t *call)
{
    size_t size;
    atomic_int *const *shared = pool_call_arg(call, &size);
    const int now = atomic_fetch_add(&(*shared)[0], 30) + 30;
    int most = atomic_load(&(*shared)[1]);
    while (now > most && !atomic_compare_exchange_weak(&(*shared)[1], &most, now))
        ;
    atomic_fetch_sub(&(*shared)[0], 30);
    return 0;
}

static void *reserve_and_submit(void *argument)
{
    const struct many *many = argument;
    for (int i = 0; i < (SUPPORT_SANITIZED ? 15 : 60);) {
        pool_reservation_t *two[] = {make(many->pool, 30), make(many->pool, 20)};
        const int which = reserve(many->pool, two, 2);
        pool_job_options_t options = expecting(30);
        options.reservation = which == 0 ? two[0] : NULL;
        if (which == 0) {
            finish(support_submit(many->pool, count_use, &many->most_jobs, sizeof many->most_jobs, &options));
            i++;
        } else {
            pool_reservation_free(two[0]);
        }
        pool_reservation_free(two[1]);
    }
    return NULL;
}

static void test_reservation_by_many_threads(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    struct many many = {0};
    many.most_jobs = mmap(NULL, 2 * sizeof(atomic_int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(many.most_jobs, MAP_FAILED);
    pool_t *pool = many.pool = open_pool((pool_options_t){0});
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reserve_and_submit, &many), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(atomic_load(&many.most_jobs[1]), 30, BUDGET / MIB);
    expect_all_back(pool);
    pool_free(pool);
    munmap((void *)(uintptr_t)many.most_jobs, 2 * sizeof(atomic_int));
}

static void count_lines(const char *line, void *user)
{
    if (strstr(line, "jobs wait: less memory is available than memory_floor") != NULL)
        atomic_fetch_add((atomic_int *)user, 1);
}

/* Nothing starts, and the log is told that something waits, once. */
static void test_reservation_below_the_floor(void **state)
{
    (void)state;
    atomic_int lines = 0;
    int64_t again = 0;
    pool_t *pool = open_pool((pool_options_t){.memory_floor = INT64_MAX / 4, .log = count_lines, .log_user = &lines});
    pool_reservation_t *reservation = make(pool, 1);
    do {
        assert_int_equal(pool_reserve(pool, &reservation, 1, NULL, &again), -EAGAIN);
        assert_in_range(again, 1, 100);
        usleep(1000);
    } while (atomic_load(&lines) == 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(pool_reserve(pool, &reservation, 1, NULL, NULL), -EAGAIN);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(atomic_load(&lines), 1);
    pool_reservation_free(reservation);
    pool_free(pool);
}

/* ---- misuse ------------------------------------------------------------------------------------------------------ */

static int use_in_a_child(void *argument)
{
    pool_reservation_t *const *held = argument, *made;
    pool_job_options_t options = expecting(1);
    pool_t *pool = *(pool_t *const *)(const void *)(held + 1);
    CHILD_CHECK(pool_reservation_new(pool, &options, &made) == -EPERM);
    CHILD_CHECK(pool_reserve(pool, held, 1, NULL, NULL) == -EPERM);
    options.reservation = *held;
    CHILD_CHECK(pool_submit(pool, nothing, NULL, 0, &options, NULL) == -EPERM);
    return 0;
}

static void test_reservation_misused(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0}), *other = open_pool((pool_options_t){0});
    pool_reservation_t *reservation = make(pool, 50), *made = reservation;
    pool_job_options_t options = expecting(1);
    assert_int_equal(pool_reservation_new(NULL, &options, &made), -EINVAL);
    assert_null(made);
    assert_int_equal(pool_reservation_new(pool, &options, NULL), -EINVAL);
    assert_int_equal(pool_reservation_new(pool, NULL, &made), -EINVAL);
    assert_int_equal(pool_reservation_new(pool, &(pool_job_options_t){0}, &made), -EINVAL);
    assert_int_equal(pool_reservation_new(pool, &(pool_job_options_t){.name = "x", .memory_limit = 5}, &made), -EINVAL);
    options = expecting(BUDGET / MIB + 1);
    assert_int_equal(pool_reservation_new(pool, &options, &made), -E2BIG);
    assert_null(made);
    assert_int_equal(pool_reserve(NULL, &reservation, 1, NULL, NULL), -EINVAL);
    assert_int_equal(pool_reserve(pool, NULL, 1, NULL, NULL), -EINVAL);
    assert_int_equal(pool_reserve(pool, &reservation, 0, NULL, NULL), -EINVAL);
    assert_int_equal(pool_reserve(pool, &made, 1, NULL, NULL), -EINVAL);
    assert_int_equal(pool_reserve(other, &reservation, 1, NULL, NULL), -EINVAL);
    hold(pool, reservation);
    assert_int_equal(pool_reserve(pool, &reservation, 1, NULL, NULL), -EINVAL);
    assert_non_null(strstr(pool_message(), "reservations[0] already holds"));
    struct {
        pool_reservation_t *held;
        pool_t *pool;
    } both = {reservation, pool};
    child_run(false, use_in_a_child, &both);
    pool_reservation_t *twice[2] = {make(pool, 60), NULL};
    twice[1] = twice[0];
    assert_int_equal(reserve(pool, twice, 2), -1);
    pool_reservation_free(reservation);
    assert_int_equal(reserve(pool, twice, 2), 0);
    pool_reservation_free(twice[0]);
    pool_reservation_free(NULL);
    expect_all_back(pool);
    pool_free(other);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_reservation_the_first_that_may),
        SUPPORT_TEST(test_reservation_needs_a_worker),
        SUPPORT_TEST(test_reservation_is_passed_a_bounded_number_of_times),
        SUPPORT_TEST(test_reservation_passes_the_queue_a_bounded_number_of_times),
        SUPPORT_TEST(test_reservation_of_what_is_learned_and_limited),
        SUPPORT_TEST(test_reservation_job_starts_at_once),
        SUPPORT_TEST(test_reservation_job_needs_no_room_in_the_queue),
        SUPPORT_TEST(test_reservation_of_a_command),
        SUPPORT_TEST(test_reservation_is_given_back_when_a_submit_fails),
        SUPPORT_TEST(test_reservation_is_given_back_when_its_job_does_not_run),
        SUPPORT_TEST(test_reservation_job_is_retried),
        SUPPORT_TEST(test_reservation_does_not_hold_up_a_close),
        SUPPORT_TEST(test_reservation_outlives_its_pool),
        SUPPORT_TEST(test_reservation_beside_a_thread_that_waits),
        SUPPORT_TEST(test_reservation_in_a_callback),
        SUPPORT_TEST(test_reservation_by_many_threads),
        SUPPORT_TEST(test_reservation_below_the_floor),
        SUPPORT_TEST(test_reservation_misused),
    };
    return cmocka_run_group_tests_name("reservation", tests, NULL, NULL);
}
