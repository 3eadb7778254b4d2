/* Submitting, waiting and fetching: what the host's side of the API promises. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS         16
#define JOBS_PER_THREAD (SUPPORT_SANITIZED ? 5 : 25)

int submit_echo(pool_call_t *call);

/* Returns its argument. Exported, so that it has a name. */
int submit_echo(pool_call_t *call)
{
    size_t size;
    const void *arg = pool_call_arg(call, &size);
    return pool_call_return(call, arg, size);
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

static int describe_arg(pool_call_t *call)
{
    size_t size = 99;
    const void *arg = pool_call_arg(call, &size);
    if (size == 0)
        return arg == NULL ? 0 : 1;
    return (uintptr_t)arg % 16 == 0 ? 0 : 2;
}

/* Calls submit_echo with what stands behind the first 16 bytes of its own argument. */
static int unwrap(pool_call_t *call)
{
    size_t size;
    const char *arg = pool_call_arg(call, &size);
    pool_call_set_arg(call, arg + 16, size - 16);
    return size == 16 && pool_call_arg(call, &size) != NULL ? 1 : submit_echo(call);
}

static void expect_bytes(const pool_result_t *result, const void *data, size_t size)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, size);
    assert_memory_equal(result->data, data, size);
}

/* ---- one job ----------------------------------------------------------------------------------------------------- */

static void test_submit_gives_the_value(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, submit_echo, "hello", 5, NULL);
    expect_bytes(support_wait(job), "hello", 5);
    assert_int_equal(pool_job_state(job), POOL_STATE_SETTLED);
    assert_int_equal((uintptr_t)pool_job_result(job)->data % 16, 0);
    pool_job_release(job);
    pool_free(pool);
}

static void test_submit_copies_argument_and_options(void **state)
{
    (void)state;
    struct gate gate;
    char arg[] = "before", name[] = "a name";
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *first = gate_submit(pool, &gate, gate_options(&gate));
    pool_job_options_t options = {.name = name};
    pool_job_t *job = support_submit(pool, submit_echo, arg, sizeof arg, &options);
    memset(arg, 'x', sizeof arg);
    memset(name, 'x', sizeof name - 1);
    memset(&options, 0xff, sizeof options);
    gate_release(&gate, 1);
    expect_bytes(support_wait(job), "before", sizeof "before");
    assert_string_equal(pool_job_name(job), "a name");
    pool_job_release(first);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_submit_aligns_arguments(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 17, 4096, 61440, 61441, 1 << 20};
    static char bytes[1 << 20];
    pool_t *pool = support_open(2, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pool_job_t *job = support_submit(pool, describe_arg, bytes, sizes[i], NULL);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        pool_job_release(job);
    }
    pool_free(pool);
}

static void test_submit_unwraps_arguments(void **state)
{
    (void)state;
    static const char bytes[] = "sixteen bytes...and what follows";
    pool_t *pool = support_open(1, 0);
    for (size_t size = 16; size < sizeof bytes; size++) {
        pool_job_t *job = support_submit(pool, unwrap, bytes, size, NULL);
        const pool_result_t *result = support_wait(job);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        assert_int_equal(result->size, size - 16);
        assert_true(size == 16 || memcmp(result->data, bytes + 16, size - 16) == 0);
        pool_job_release(job);
    }
    pool_free(pool);
}

static void expect_name(pool_job_t *job, const char *name)
{
    assert_string_equal(pool_job_name(job), name);
    pool_job_release(job);
}

static void test_submit_names_jobs(void **state)
{
    (void)state;
    const char *argv[] = {"true", "and", "more", NULL};
    const pool_command_t command = {.argv = argv};
    const pool_job_options_t named = {.name = "mine"};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    expect_name(support_submit(pool, submit_echo, NULL, 0, NULL), "submit_echo");
    expect_name(support_submit(pool, submit_echo, NULL, 0, &named), "mine");
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    expect_name(job, "true");
    assert_int_equal(pool_submit_command(pool, &command, &named, &job), 0);
    expect_name(job, "mine");
    job = support_submit(pool, nothing, NULL, 0, NULL);
    assert_ptr_equal(strstr(pool_job_name(job), "pool_submit+0x"), pool_job_name(job));
    pool_job_release(job);
    pool_free(pool);
}

static void test_submit_keeps_user(void **state)
{
    (void)state;
    int mine;
    const pool_job_options_t options = {.user = &mine};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &options);
    assert_ptr_equal(pool_job_user(job), &mine);
    pool_job_release(job);
    pool_free(pool);
}

static void test_submit_result_is_null_until_settled(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = gate_submit(pool, &gate, gate_options(&gate));
    pool_job_t *queued = support_submit(pool, nothing, NULL, 0, NULL);
    gate_await(&gate);
    assert_null(pool_job_result(job));
    assert_int_equal(pool_job_state(job), POOL_STATE_RUNNING);
    assert_int_equal(pool_job_state(queued), POOL_STATE_QUEUED);
    assert_int_equal(pool_job_wait(job, 0), -ETIMEDOUT);
    assert_int_equal(pool_job_wait(job, 20), -ETIMEDOUT);
    assert_null(pool_job_result(job));
    gate_release(&gate, 1);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_job_wait(job, 0), 0);
    pool_job_release(job);
    pool_job_release(queued);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

struct order {
    atomic_size_t count;
    intptr_t tags[16];
};

static struct order order;

static void note_order(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    (void)result;
    const size_t at = atomic_load(&order.count);
    order.tags[at] = (intptr_t)user;
    atomic_store(&order.count, at + 1);
}

static void test_submit_runs_higher_priorities_first(void **state)
{
    (void)state;
    static const int32_t priorities[] = {0, 5, -1, 5, 0};
    static const intptr_t expected[] = {1, 3, 0, 4, 2};
    struct gate gate;
    gate_open(&gate);
    atomic_store(&order.count, 0);
    pool_t *pool = support_open(1, 0);
    pool_job_t *first = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    for (intptr_t i = 0; i < 5; i++) {
        const pool_job_options_t options = {.priority = priorities[i], .user = (void *)i, .on_settled = note_order};
        assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    }
    gate_release(&gate, 1);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(order.count, 5);
    assert_memory_equal(order.tags, expected, sizeof expected);
    pool_job_release(first);
    pool_free(pool);
    gate_close(&gate);
}

static pool_t *open_limited(int64_t limit, pool_queue_full_t full)
{
    pool_t *pool;
    const pool_options_t options = {.workers = 1, .queue_limit = limit, .queue_full = full};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    return pool;
}

static void expect_refused(pool_t *pool)
{
    pool_job_t *job = (pool_job_t *)(void *)&pool;
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, NULL, &job), -EAGAIN);
    assert_null(job);
    assert_non_null(strstr(pool_message(), "queue"));
}

static void test_submit_refuses_above_queue_limit(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_limited(2, POOL_QUEUE_REFUSE);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    pool_job_t *a = support_submit(pool, nothing, NULL, 0, NULL);
    pool_job_t *b = support_submit(pool, nothing, NULL, 0, NULL);
    expect_refused(pool);
    assert_int_equal(pool_job_cancel(a), 0);
    support_expect(support_wait(a), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    pool_job_t *c = support_submit(pool, nothing, NULL, 0, NULL);
    gate_release(&gate, 1);
    support_expect(support_wait(b), POOL_DONE, POOL_CAUSE_EXITED);
    support_expect(support_wait(c), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_t *const jobs[] = {running, a, b, c};
    for (size_t i = 0; i < 4; i++)
        pool_job_release(jobs[i]);
    pool_free(pool);
    gate_close(&gate);
}

static void test_submit_needs_a_free_worker_without_queue(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_limited(POOL_NONE, POOL_QUEUE_REFUSE);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    expect_refused(pool); /* also before it has started */
    gate_await(&gate);
    expect_refused(pool);
    gate_release(&gate, 1);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(running);
    running = support_submit(pool, nothing, NULL, 0, NULL);
    support_expect(support_wait(running), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(running);
    pool_free(pool);
    gate_close(&gate);
}

struct submitter {
    pool_t *pool;
    pthread_t thread;
    atomic_int tid;
    atomic_bool *may_return;
    bool returned_in_time;
    int rc;
    pool_job_t *job;
};

static void *submit_blocking(void *arg)
{
    struct submitter *self = arg;
    atomic_store(&self->tid, gettid());
    self->rc = pool_submit(self->pool, nothing, NULL, 0, NULL, &self->job);
    self->returned_in_time = atomic_load(self->may_return);
    return NULL;
}

static void submitter_start(struct submitter *submitter)
{
    assert_int_equal(pthread_create(&submitter->thread, NULL, submit_blocking, submitter), 0);
    while (atomic_load(&submitter->tid) == 0)
        sched_yield();
    gate_await_asleep(atomic_load(&submitter->tid));
}

static void test_submit_blocks_above_queue_limit(void **state)
{
    (void)state;
    struct gate gate;
    atomic_bool may_return = false;
    gate_open(&gate);
    pool_t *pool = open_limited(1, POOL_QUEUE_BLOCK);
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    pool_job_t *queued = support_submit(pool, nothing, NULL, 0, NULL);
    struct submitter submitter = {.pool = pool, .may_return = &may_return};
    submitter_start(&submitter);
    atomic_store(&may_return, true);
    gate_release(&gate, 1);
    pthread_join(submitter.thread, NULL);
    assert_int_equal(submitter.rc, 0);
    assert_true(submitter.returned_in_time);
    support_expect(support_wait(submitter.job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(running);
    pool_job_release(queued);
    pool_job_release(submitter.job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

static void test_submit_map_keeps_the_order(void **state)
{
    (void)state;
    int numbers[20];
    pool_bytes_t args[20];
    pool_job_t *jobs[20];
    for (int i = 0; i < 20; i++) {
        numbers[i] = i * i;
        args[i] = (pool_bytes_t){&numbers[i], sizeof numbers[i]};
    }
    pool_t *pool = support_open(3, 0);
    assert_int_equal(pool_map(pool, submit_echo, args, 20, NULL, jobs), 0);
    for (int i = 0; i < 20; i++) {
        expect_bytes(support_wait(jobs[i]), &numbers[i], sizeof numbers[i]);
        pool_job_release(jobs[i]);
    }
    assert_int_equal(pool_map(pool, submit_echo, args, 20, NULL, NULL), 0);
    assert_int_equal(pool_map(pool, submit_echo, NULL, 0, NULL, NULL), 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.settled[POOL_DONE], 40);
    pool_free(pool);
}

static void expect_none_mapped(pool_t *pool, const pool_bytes_t *args, size_t count, int error)
{
    pool_job_t *jobs[8];
    pool_stats_t before, after;
    memset(jobs, 0xff, sizeof jobs);
    assert_int_equal(pool_stats(pool, &before), 0);
    assert_int_equal(pool_map(pool, submit_echo, args, count, NULL, jobs), error);
    assert_true(strlen(pool_message()) > 10);
    for (size_t i = 0; i < count; i++)
        assert_null(jobs[i]);
    assert_int_equal(pool_stats(pool, &after), 0);
    assert_int_equal(before.submitted, after.submitted);
}

static void test_submit_map_takes_all_or_none(void **state)
{
    (void)state;
    struct gate gate;
    const pool_bytes_t good[8] = {{0}};
    pool_bytes_t bad[4] = {{0}};
    bad[3].size = 1; /* of no data */
    gate_open(&gate);
    pool_t *pool = open_limited(3, POOL_QUEUE_REFUSE);
    expect_none_mapped(pool, bad, 4, -EINVAL);
    expect_none_mapped(pool, good, 5, -EINVAL); /* can never fit */
    pool_job_t *running = gate_submit(pool, &gate, gate_options(&gate));
    gate_await(&gate);
    expect_none_mapped(pool, good, 4, -EAGAIN);
    assert_int_equal(pool_map(pool, submit_echo, good, 3, NULL, NULL), 0);
    expect_none_mapped(pool, good, 1, -EAGAIN);
    gate_release(&gate, 1);
    pool_job_release(running);
    pool_free(pool);
    gate_close(&gate);
}

struct client {
    pool_t *pool;
    pthread_t thread;
    int id, wrong;
};

static void *submit_and_wait(void *arg)
{
    struct client *self = arg;
    for (int i = 0; i < JOBS_PER_THREAD; i++) {
        const int value[] = {self->id, i};
        pool_job_t *job;
        if (pool_submit(self->pool, submit_echo, value, sizeof value, NULL, &job) < 0) {
            self->wrong++;
            continue;
        }
        const pool_result_t *result = pool_job_wait(job, -1) < 0 ? NULL : pool_job_result(job);
        self->wrong += result == NULL || result->outcome != POOL_DONE || result->size != sizeof value ||
                       memcmp(result->data, value, sizeof value) != 0;
        pool_job_release(job);
    }
    return NULL;
}

static void test_submit_from_many_threads(void **state)
{
    (void)state;
    struct client clients[THREADS];
    pool_t *pool = support_open(3, 0);
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.pool = pool, .id = i};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, submit_and_wait, &clients[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].wrong, 0);
    }
    pool_free(pool);
}

/* ---- as completed ------------------------------------------------------------------------------------------------ */

static bool is_readable(pool_t *pool)
{
    struct pollfd poll_fd = {.fd = pool_fd(pool), .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static void test_submit_next_gives_settling_order(void **state)
{
    (void)state;
    struct gate slow, fast;
    gate_open(&slow);
    gate_open(&fast);
    pool_t *pool = support_open(2, 0);
    pool_job_t *job = NULL;
    assert_int_equal(pool_next(pool, -1, &job), -ENOENT);
    pool_job_options_t options = {.collect = true};
    pool_job_t *a = gate_submit(pool, &slow, options);
    pool_job_t *b = gate_submit(pool, &fast, options);
    assert_int_equal(pool_next(pool, 0, &job), -ETIMEDOUT);
    assert_int_equal(pool_next(pool, 10, &job), -ETIMEDOUT);
    assert_null(job);
    gate_release(&fast, 1);
    assert_int_equal(pool_next(pool, -1, &job), 0);
    assert_ptr_equal(job, b);
    assert_non_null(pool_job_result(job));
    pool_job_release(job);
    gate_release(&slow, 1);
    assert_int_equal(pool_next(pool, -1, &job), 0);
    assert_ptr_equal(job, a);
    pool_job_release(job);
    assert_int_equal(pool_next(pool, -1, &job), -ENOENT);
    pool_job_release(a);
    pool_job_release(b);
    pool_free(pool);
    gate_close(&slow);
    gate_close(&fast);
}

static void test_submit_next_gives_what_has_waited_longest(void **state)
{
    (void)state;
    const pool_job_options_t options = {.collect = true};
    pool_t *pool = support_open(1, 0); /* one worker, one order */
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(pool_submit(pool, submit_echo, &i, sizeof i, &options, NULL), 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    for (size_t i = 0; i < 5; i++) {
        pool_job_t *job;
        assert_int_equal(pool_next(pool, 0, &job), 0);
        expect_bytes(pool_job_result(job), &i, sizeof i);
        pool_job_release(job);
    }
    pool_free(pool);
}

static void test_submit_pool_fd_is_level_triggered(void **state)
{
    (void)state;
    const pool_job_options_t options = {.collect = true};
    pool_t *pool = support_open(1, 0);
    struct pollfd poll_fd = {.fd = pool_fd(pool), .events = POLLIN};
    pool_job_t *job;
    assert_true(poll_fd.fd >= 0);
    assert_false(is_readable(pool));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    assert_int_equal(poll(&poll_fd, 1, -1), 1);
    assert_true(is_readable(pool));
    assert_int_equal(pool_next(pool, 0, &job), 0);
    pool_job_release(job);
    assert_int_equal(poll(&poll_fd, 1, -1), 1);
    assert_int_equal(pool_next(pool, 0, &job), 0);
    pool_job_release(job);
    assert_false(is_readable(pool));
    assert_int_equal(pool_next(pool, 0, &job), -ENOENT);
    pool_free(pool);
}

enum { FETCHED = 40 };

struct fetcher {
    pool_t *pool;
    pthread_t thread;
    size_t count;
    int end; /* what told it that there is no more */
};

static atomic_int seen[FETCHED];

static void *fetch_all(void *arg)
{
    struct fetcher *self = arg;
    for (pool_job_t *job; (self->end = pool_next(self->pool, -1, &job)) == 0; self->count++) {
        size_t value;
        memcpy(&value, pool_job_result(job)->data, sizeof value);
        atomic_fetch_add(&seen[value], 1);
        pool_job_release(job);
    }
    return NULL;
}

static void test_submit_next_gives_each_job_once_to_many_threads(void **state)
{
    (void)state;
    const pool_job_options_t options = {.collect = true};
    struct fetcher fetchers[3];
    size_t count = 0;
    pool_t *pool = support_open(2, 0);
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < FETCHED; i++)
        assert_int_equal(pool_submit(pool, submit_echo, &i, sizeof i, &options, NULL), 0);
    for (int i = 0; i < 3; i++) {
        fetchers[i] = (struct fetcher){.pool = pool};
        assert_int_equal(pthread_create(&fetchers[i].thread, NULL, fetch_all, &fetchers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(fetchers[i].thread, NULL);
        assert_int_equal(fetchers[i].end, -ENOENT);
        count += fetchers[i].count;
    }
    assert_int_equal(count, FETCHED);
    for (size_t i = 0; i < FETCHED; i++)
        assert_int_equal(atomic_load(&seen[i]), 1);
    pool_free(pool);
}

static void test_submit_wait_any_over_two_pools(void **state)
{
    (void)state;
    struct gate here, there;
    gate_open(&here);
    gate_open(&there);
    pool_t *a = support_open(1, 0), *b = support_open(1, 0);
    pool_job_t *jobs[20] = {
        [3] = gate_submit(a, &here, gate_options(&here)), [19] = gate_submit(b, &there, gate_options(&there))};
    pool_job_t *const none[2] = {NULL, NULL};
    size_t which = 99;
    assert_int_equal(pool_wait_any(none, 2, -1, &which), -EINVAL);
    assert_int_equal(pool_wait_any(jobs, 20, 0, &which), -ETIMEDOUT);
    assert_int_equal(pool_wait_any(jobs, 20, 10, &which), -ETIMEDOUT);
    assert_int_equal(which, 99);
    gate_release(&there, 1);
    assert_int_equal(pool_wait_any(jobs, 20, -1, &which), 0);
    assert_int_equal(which, 19);
    gate_release(&here, 1);
    support_wait(jobs[3]);
    assert_int_equal(pool_wait_any(jobs, 20, -1, &which), 0);
    assert_int_equal(which, 3);
    assert_int_equal(pool_wait_any(jobs, 20, -1, NULL), 0);
    pool_job_release(jobs[3]);
    pool_job_release(jobs[19]);
    pool_free(a);
    pool_free(b);
    gate_close(&here);
    gate_close(&there);
}

/* ---- in callbacks ------------------------------------------------------------------------------------------------ */

struct inside {
    pool_t *pool;
    pool_job_t *pending;
    int wait, wait_any, next, close, submit_full, look, chained;
    pool_job_t *chain;
};

static void call_everything(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct inside *inside = user;
    pool_job_t *next;
    (void)result;
    inside->wait = pool_job_wait(inside->pending, -1);
    inside->look = pool_job_wait(inside->pending, 0);
    inside->wait_any = pool_wait_any(&inside->pending, 1, 1000, NULL);
    inside->next = pool_next(inside->pool, -1, &next);
    inside->close = pool_close(inside->pool, POOL_CLOSE_KILL);
    inside->chained = pool_submit(inside->pool, nothing, NULL, 0, NULL, &inside->chain);
    inside->submit_full = pool_submit(inside->pool, nothing, NULL, 0, NULL, NULL);
    (void)job;
}

static void test_submit_callbacks_must_not_block(void **state)
{
    (void)state;
    struct gate first, gate;
    gate_open(&first);
    gate_open(&gate);
    pool_t *pool;
    const pool_options_t options = {.workers = 2, .queue_limit = 1};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    struct inside inside = {.pool = pool};
    inside.pending = gate_submit(pool, &gate, (pool_job_options_t){.collect = true});
    pool_job_t *job = gate_submit(pool, &first, (pool_job_options_t){.on_settled = call_everything, .user = &inside});
    gate_await(&gate);
    gate_await(&first);
    pool_job_t *other = gate_submit(pool, &gate, gate_options(&gate)); /* takes the worker that gets free */
    gate_release(&first, 1);
    gate_await(&gate);
    gate_release(&gate, 2);
    support_wait(inside.pending);
    support_expect(support_wait(inside.chain), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(inside.wait, -EDEADLK);
    assert_int_equal(inside.look, -ETIMEDOUT);
    assert_int_equal(inside.wait_any, -EDEADLK);
    assert_int_equal(inside.next, -EDEADLK);
    assert_int_equal(inside.close, -EDEADLK);
    assert_int_equal(inside.chained, 0);
    assert_int_equal(inside.submit_full, -EDEADLK);
    pool_job_t *const jobs[] = {inside.pending, job, other, inside.chain};
    for (size_t i = 0; i < 4; i++)
        pool_job_release(jobs[i]);
    pool_free(pool);
    gate_close(&first);
    gate_close(&gate);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void expect_job_options_refused(pool_t *pool, const pool_job_options_t *options, int error, const char *word)
{
    pool_job_t *job = (pool_job_t *)(void *)pool;
    const int rc = pool_submit(pool, nothing, NULL, 0, options, &job);
    if (rc != error || job != NULL || strstr(pool_message(), word) == NULL)
        fail_msg("%s: %d, %s", word, rc, pool_message());
}

static void test_submit_refuses_bad_job_options(void **state)
{
    (void)state;
    const int closed = 900;
    const struct {
        const char *word;
        int error;
        pool_job_options_t options;
    } bad[] = {
        {"timeout_ms", -EINVAL, {.timeout_ms = -2}},
        {"kill_after_ms", -EINVAL, {.kill_after_ms = -2}},
        {"deadline_ms", -EINVAL, {.deadline_ms = INT64_MAX}},
        {"cpu_ms", -EINVAL, {.cpu_ms = -5}},
        {"pids", -EINVAL, {.pids = -2}},
        {"nofile", -EINVAL, {.nofile = -2}},
        {"output_limit", -EINVAL, {.output_limit = -2}},
        {"retries", -EINVAL, {.retries = -2}},
        {"retry_delay_ms", -EINVAL, {.retry_delay_ms = -2}},
        {"memory_limit", -EINVAL, {.memory_limit = 1}},
        {"cpu_weight", -ENOTSUP, {.cpu_weight = 100}},
        {"memory_expected", -EINVAL, {.memory_expected = -2}},
        {"retry_oom", -EINVAL, {.retry_oom = 2}},
        {"nice", -EINVAL, {.nice = 41}},
        {"output", -EINVAL, {.output = (pool_output_t)7}},
        {"huge_pages", -EINVAL, {.huge_pages = true}},
        {"fd_count", -EINVAL, {.fds = &closed, .fd_count = 241}},
        {"fds", -EINVAL, {.fd_count = 1}},
        {"fds[0]", -EBADF, {.fds = &closed, .fd_count = 1}},
        {"retry_on", -EINVAL, {.retry_on = POOL_RETRY_ON(POOL_DONE)}},
        {"retry_on", -EINVAL, {.retry_on = UINT32_C(1) << 30}},
        {"reserved", -EINVAL, {.reserved = {1}}},
    };
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_job_options_refused(pool, &bad[i].options, bad[i].error, bad[i].word);
    pool_free(pool);
}

static void test_submit_refuses_bad_pool_options(void **state)
{
    (void)state;
    const struct {
        const char *word;
        int error;
        pool_options_t options;
    } bad[] = {
        {"workers", -EINVAL, {.workers = -1}},
        {"workers", -EINVAL, {.workers = INT32_MAX}},
        {"warm", -EINVAL, {.warm = -2}},
        {"queue_limit", -EINVAL, {.queue_limit = -2}},
        {"queue_full", -EINVAL, {.queue_full = (pool_queue_full_t)2}},
        {"memory_budget", -EINVAL, {.memory_budget = 1}},
        {"cgroup", -EINVAL, {.cgroup = "sys/fs/cgroup"}},
        {"cgroup", -ENOENT, {.cgroup = "/sys/fs/cgroup/none"}},
        {"reserved", -EINVAL, {.reserved = {1}}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pool_error_t error;
        pool_t *pool = (pool_t *)(void *)&error;
        const int rc = pool_open(&pool, &bad[i].options, &error);
        if (rc != bad[i].error || pool != NULL || error.code != rc || strstr(error.message, bad[i].word) == NULL)
            fail_msg("%s: %d, %s", bad[i].word, rc, error.message);
    }
    assert_int_equal(pool_open(NULL, NULL, NULL), -EINVAL);
}

static void expect_command_refused(pool_t *pool, const pool_command_t *command, int error, const char *word)
{
    pool_job_t *job = (pool_job_t *)(void *)pool;
    const int rc = pool_submit_command(pool, command, NULL, &job);
    if (rc != error || job != NULL || strstr(pool_message(), word) == NULL)
        fail_msg("%s: %d, %s", word, rc, pool_message());
}

static void test_submit_refuses_bad_commands(void **state)
{
    (void)state;
    const char *argv[] = {"true", NULL}, *nothing_to_run[] = {NULL};
    pool_t *pool = support_open(1, 0);
    const struct {
        const char *word;
        int error;
        pool_command_t command;
    } bad[] = {
        {"argv", -EINVAL, {.argv = NULL}},
        {"argv", -EINVAL, {.argv = nothing_to_run}},
        {"stdin_mode", -EINVAL, {.argv = argv, .stdin_mode = (pool_stdin_t)5}},
        {"stdout_mode", -EINVAL, {.argv = argv, .stdout_mode = (pool_stream_t)5}},
        {"stderr_mode", -EINVAL, {.argv = argv, .stderr_mode = (pool_stream_t)-1}},
        {"stdin_bytes", -EINVAL, {.argv = argv, .stdin_mode = POOL_STDIN_BYTES, .stdin_bytes = {NULL, 1}}},
        {"stdin_fd", -EBADF, {.argv = argv, .stdin_mode = POOL_STDIN_FD, .stdin_fd = 900}},
        {"stdout_fd", -EBADF, {.argv = argv, .stdout_mode = POOL_STREAM_FD, .stdout_fd = 900}},
        {"stderr_fd", -EBADF, {.argv = argv, .stderr_mode = POOL_STREAM_FD, .stderr_fd = -1}},
        {"reserved", -EINVAL, {.argv = argv, .reserved = {1}}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_command_refused(pool, &bad[i].command, bad[i].error, bad[i].word);
    expect_command_refused(pool, NULL, -EINVAL, "argv");
    const pool_command_t command = {.argv = argv};
    const pool_job_options_t options = {.output = POOL_OUTPUT_CAPTURE};
    assert_int_equal(pool_submit_command(pool, &command, &options, NULL), -EINVAL);
    pool_free(pool);
}

static void test_submit_refuses_what_is_not_mapped_in_workers(void **state)
{
    (void)state;
    const long page = sysconf(_SC_PAGESIZE);
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    void *late = mmap(NULL, (size_t)page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(late != MAP_FAILED);
    assert_int_equal(pool_submit(pool, (pool_fn)(uintptr_t)late, NULL, 0, NULL, &job), -EFAULT);
    assert_null(job);
    assert_non_null(strstr(pool_message(), "pool_open"));
    assert_int_equal(pool_submit(pool, (pool_fn)(uintptr_t)&order, NULL, 0, NULL, &job), -EFAULT);
    assert_int_equal(pool_submit(pool, NULL, NULL, 0, NULL, &job), -EINVAL);
    assert_int_equal(pool_submit(pool, nothing, NULL, 1, NULL, &job), -EINVAL);
    assert_int_equal(pool_submit(NULL, nothing, NULL, 0, NULL, &job), -EINVAL);
    munmap(late, (size_t)page);
    pool_free(pool);
}

static void test_submit_after_close_is_refused(void **state)
{
    (void)state;
    const char *argv[] = {"true", NULL};
    const pool_command_t command = {.argv = argv};
    const pool_bytes_t arg = {0};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, NULL, &job), -ESHUTDOWN);
    assert_null(job);
    assert_non_null(strstr(pool_message(), "closed"));
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), -ESHUTDOWN);
    assert_int_equal(pool_map(pool, nothing, &arg, 1, NULL, &job), -ESHUTDOWN);
    pool_free(pool);
}

static int submit_as_another(void *unused)
{
    pool_t *pool;
    pool_job_t *job;
    (void)unused;
    CHILD_CHECK(pool_open(&pool, NULL, NULL) == 0);
    CHILD_CHECK(pool_submit(pool, nothing, NULL, 0, NULL, &job) == 0);
    CHILD_CHECK(pool_job_wait(job, -1) == 0);
    pool_job_release(job);
    CHILD_CHECK(child_drop_privileges());
    CHILD_CHECK(pool_submit(pool, nothing, NULL, 0, NULL, &job) == -EPERM);
    CHILD_CHECK(job == NULL);
    CHILD_CHECK(strstr(pool_message(), "uid") != NULL);
    pool_free(pool);
    CHILD_CHECK(support_descendants(getpid()) == 0);
    return 0;
}

static void test_submit_is_refused_after_a_change_of_uid(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else can change it */
    child_run(false, submit_as_another, NULL);
}

/* ---- references -------------------------------------------------------------------------------------------------- */

static void count_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    atomic_fetch_add((atomic_int *)user, result->outcome == POOL_DONE ? 1 : 100);
}

static void test_submit_runs_what_nobody_holds(void **state)
{
    (void)state;
    atomic_int settled = 0;
    const pool_job_options_t options = {.on_settled = count_settled, .user = &settled};
    pool_t *pool = support_open(1, 0);
    pool_job_release(support_submit(pool, nothing, NULL, 0, &options));
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, NULL), 0);
    pool_job_release(NULL);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    assert_int_equal(settled, 2);
    pool_free(pool);
}

static void test_submit_retain_keeps_the_result(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, submit_echo, "kept", 4, NULL);
    assert_ptr_equal(pool_job_retain(job), job);
    pool_job_release(job);
    const pool_result_t *result = support_wait(job);
    pool_free(pool);
    expect_bytes(result, "kept", 4);
    assert_int_equal(pool_job_cancel(job), -EALREADY);
    pool_job_release(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_submit_gives_the_value),
        SUPPORT_TEST(test_submit_copies_argument_and_options),
        SUPPORT_TEST(test_submit_aligns_arguments),
        SUPPORT_TEST(test_submit_unwraps_arguments),
        SUPPORT_TEST(test_submit_names_jobs),
        SUPPORT_TEST(test_submit_keeps_user),
        SUPPORT_TEST(test_submit_result_is_null_until_settled),
        SUPPORT_TEST(test_submit_runs_higher_priorities_first),
        SUPPORT_TEST(test_submit_refuses_above_queue_limit),
        SUPPORT_TEST(test_submit_needs_a_free_worker_without_queue),
        SUPPORT_TEST(test_submit_blocks_above_queue_limit),
        SUPPORT_TEST(test_submit_map_keeps_the_order),
        SUPPORT_TEST(test_submit_map_takes_all_or_none),
        SUPPORT_TEST(test_submit_from_many_threads),
        SUPPORT_TEST(test_submit_next_gives_settling_order),
        SUPPORT_TEST(test_submit_next_gives_what_has_waited_longest),
        SUPPORT_TEST(test_submit_pool_fd_is_level_triggered),
        SUPPORT_TEST(test_submit_next_gives_each_job_once_to_many_threads),
        SUPPORT_TEST(test_submit_wait_any_over_two_pools),
        SUPPORT_TEST(test_submit_callbacks_must_not_block),
        SUPPORT_TEST(test_submit_refuses_bad_job_options),
        SUPPORT_TEST(test_submit_refuses_bad_pool_options),
        SUPPORT_TEST(test_submit_refuses_bad_commands),
        SUPPORT_TEST(test_submit_refuses_what_is_not_mapped_in_workers),
        SUPPORT_TEST(test_submit_after_close_is_refused),
        SUPPORT_TEST(test_submit_is_refused_after_a_change_of_uid),
        SUPPORT_TEST(test_submit_runs_what_nobody_holds),
        SUPPORT_TEST(test_submit_retain_keeps_the_result),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
