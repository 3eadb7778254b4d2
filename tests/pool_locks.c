/* Locks that other threads of the host hold when a pool is opened: it works, or pool_open says what to do. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <pwd.h>
#include <reclaim/call.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void expect_job(pool_t *pool, pool_fn fn, pool_outcome_t outcome, pool_cause_t cause)
{
    pool_job_t *job = support_submit(pool, fn, NULL, 0, &(pool_job_options_t){.timeout_ms = 20000});
    support_expect(support_wait(job), outcome, cause);
    pool_job_release(job);
}

/* ---- in and out of a lock, without a pause --------------------------------------------------------------------- */

static void hold_malloc(void)
{
    void *volatile blocks[] = {malloc(24), malloc(5000), malloc(1 << 20)};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
}

static void hold_random(void)
{
    for (int i = 0; i < 100; i++)
        (void)random();
}

static void hold_locale(void)
{
    setlocale(LC_MESSAGES, "C");
}

static void hold_time_zone(void)
{
    struct tm parts;
    const time_t now = 0;
    tzset();
    localtime_r(&now, &parts);
}

static void hold_environment(void)
{
    setenv("POOL_IMAGE", "x", 1);
}

static void hold_loader(void)
{
    void *library = dlopen("libm.so.6", RTLD_NOW);
    if (library != NULL)
        dlclose(library);
}

static void hold_users(void)
{
    getpwnam("root");
}

static void hold_streams(void)
{
    fflush(NULL);
}

struct holder {
    void (*hold)(void);
    const char *name;   /* in pool_open's message; NULL: it opens always */
    void (*take)(void); /* in a job; NULL: hold */
    atomic_bool stop;
};

static void *hold_on(void *argument)
{
    struct holder *holder = argument;
    while (!atomic_load(&holder->stop))
        holder->hold();
    return NULL;
}

static void (*taken)(void);

static int take(pool_call_t *call)
{
    (void)call;
    taken();
    return 0;
}

static int crash(pool_call_t *call)
{
    (void)call;
    raise(SIGSEGV);
    return 0;
}

/* If it opens, a job can take the lock, and crash. False: it does not open, and says why. */
static bool open_once(const struct holder *holder)
{
    pool_t *pool;
    pool_error_t error;
    taken = holder->take != NULL ? holder->take : holder->hold;
    const int rc = pool_open(&pool, &(pool_options_t){.workers = 1}, &error);
    if (rc < 0) {
        assert_int_equal(rc, -EBUSY);
        assert_null(pool);
        assert_non_null(holder->name);
        assert_non_null(strstr(error.message, holder->name));
        assert_non_null(strstr(error.message, "open the pool before other threads start"));
        return false;
    }
    expect_job(pool, take, POOL_DONE, POOL_CAUSE_EXITED);
    expect_job(pool, crash, POOL_CRASHED, POOL_CAUSE_SIGNALLED);
    pool_free(pool);
    return true;
}

static void test_locks_of_a_busy_thread_hang_nobody(void **state)
{
    static struct holder holders[] = {
        {.hold = hold_malloc}, /* fork(3) repairs it */
        {.hold = hold_streams},
        {.hold = hold_random, .name = "random()"},
        {.hold = hold_loader, .name = "dlopen()"},
        {.hold = hold_locale, .name = "setlocale()"},
        {.hold = hold_time_zone, .name = "localtime()"},
        {.hold = hold_environment, .name = "setenv()"},
        {.hold = hold_users, .name = "getpwnam()"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof holders / sizeof holders[0]; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, hold_on, &holders[i]), 0);
        for (int n = 0; n < 10 && open_once(&holders[i]); n++)
            ;
        atomic_store(&holders[i].stop, true);
        pthread_join(thread, NULL);
    }
}

/* ---- held for a time, or for ever ------------------------------------------------------------------------------ */

/* A lock of the loader's that no fork repairs, held while a callback runs. */
struct grip {
    sem_t held, let_go, gone;
    unsigned tries_held; /* from the next try on it is free */
    unsigned before, forked;
    pthread_t opener;
    bool wrong_thread;
};

static int wait_to_let_go(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct grip *grip = argument;
    (void)info;
    (void)size;
    sem_post(&grip->held);
    while (sem_wait(&grip->let_go) < 0)
        ;
    return 1;
}

static void *hold_loader_list(void *argument)
{
    struct grip *grip = argument;
    dl_iterate_phdr(wait_to_let_go, grip);
    sem_post(&grip->gone);
    return NULL;
}

static void *hold_stdout(void *argument)
{
    struct grip *grip = argument;
    flockfile(stdout);
    sem_post(&grip->held);
    while (sem_wait(&grip->let_go) < 0)
        ;
    funlockfile(stdout);
    sem_post(&grip->gone);
    return NULL;
}

static void let_go(struct grip *grip)
{
    sem_post(&grip->let_go);
    while (sem_wait(&grip->gone) < 0)
        ;
}

static void count_before(void *user)
{
    struct grip *grip = user;
    if (grip->before++ == grip->tries_held)
        let_go(grip);
    grip->wrong_thread = grip->wrong_thread || !pthread_equal(pthread_self(), grip->opener);
}

static void count_forked(void *user)
{
    struct grip *grip = user;
    grip->forked++;
    grip->wrong_thread = grip->wrong_thread || !pthread_equal(pthread_self(), grip->opener);
}

static int print(pool_call_t *call)
{
    (void)call;
    return printf("printed") == 7 ? 0 : 1;
}

static int open_in_grip(struct grip *grip, void *(*hold)(void *), unsigned tries_held, pool_t **pool,
                        pool_error_t *error)
{
    pthread_t thread;
    *grip = (struct grip){.tries_held = tries_held, .opener = pthread_self()};
    sem_init(&grip->held, 0, 0);
    sem_init(&grip->let_go, 0, 0);
    sem_init(&grip->gone, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, hold, grip), 0);
    while (sem_wait(&grip->held) < 0)
        ;
    const int rc = pool_open(
        pool,
        &(pool_options_t){.workers = 1, .before_fork = count_before, .on_forked = count_forked, .hook_user = grip},
        error);
    if (grip->before <= tries_held)
        let_go(grip);
    pthread_join(thread, NULL);
    assert_int_equal(grip->before, grip->forked);
    assert_false(grip->wrong_thread);
    return rc;
}

static void test_locks_held_for_a_time_are_waited_for(void **state)
{
    const unsigned tries = SUPPORT_SANITIZED ? 1 : 3; /* a sanitizer's locks may cost more of them */
    struct grip grip;
    pool_t *pool;
    (void)state;
    assert_int_equal(open_in_grip(&grip, hold_loader_list, tries, &pool, NULL), 0);
    assert_true(grip.before > tries);
    expect_job(pool, crash, POOL_CRASHED, POOL_CAUSE_SIGNALLED);
    pool_free(pool);
}

static void test_locks_held_for_ever_are_refused(void **state)
{
    struct grip grip;
    pool_t *pool;
    pool_error_t error;
    (void)state;
    assert_int_equal(open_in_grip(&grip, hold_loader_list, UINT_MAX, &pool, &error), -EBUSY);
    assert_null(pool);
    assert_true(grip.before > 1);
    assert_non_null(strstr(error.message, "dl_iterate_phdr()"));
    assert_string_equal(error.message, pool_message());
}

/* A blocked write, or read, holds its stream's lock. */
static void test_locks_of_streams_are_repaired(void **state)
{
    struct grip grip;
    pool_t *pool;
    (void)state;
    assert_int_equal(open_in_grip(&grip, hold_stdout, UINT_MAX, &pool, NULL), 0);
    pool_job_t *job = support_submit(pool, print, NULL, 0, &(pool_job_options_t){.output = POOL_OUTPUT_CAPTURE});
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_string_equal(pool_job_result(job)->out, "printed");
    pool_job_release(job);
    pool_free(pool);
}

/* ---- locks that are not libc's ---------------------------------------------------------------------------------- */

/* A lock of the host's own, behind a stream of its own. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t write_to_sink(void *cookie, const char *data, size_t size)
{
    (void)cookie;
    (void)data;
    pthread_mutex_lock(&sink_lock);
    pthread_mutex_unlock(&sink_lock);
    return (ssize_t)size;
}

static void hold_sink(void)
{
    pthread_mutex_lock(&sink_lock);
    sched_yield();
    pthread_mutex_unlock(&sink_lock);
}

static void test_locks_streams_of_the_host_are_not_flushed(void **state)
{
    (void)state;
    FILE *sink = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_to_sink});
    assert_non_null(sink);
    assert_true(fprintf(sink, "not written yet") > 0);
    struct holder holder = {.hold = hold_sink, .take = hold_random}; /* its lock is not for a job */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hold_on, &holder), 0);
    for (int i = 0; i < 20; i++)
        assert_true(open_once(&holder));
    atomic_store(&holder.stop, true);
    pthread_join(thread, NULL);
    fclose(sink);
}

/* A pool inside a job inherits what that job's threads hold of the library's own. */
static void *allocate_on(void *argument)
{
    for (;;)
        pool_call_alloc(argument, 16);
    return NULL;
}

static int allocate(pool_call_t *call)
{
    return pool_call_alloc(call, 100) != NULL ? 0 : 1;
}

static int open_inside(pool_call_t *call)
{
    pthread_t thread;
    pthread_create(&thread, NULL, allocate_on, call);
    for (int i = 0; i < 20; i++) {
        pool_t *pool;
        pool_job_t *job = NULL;
        if (pool_open(&pool, &(pool_options_t){.workers = 1}, NULL) < 0 ||
            pool_submit(pool, allocate, NULL, 0, NULL, &job) < 0 || pool_job_wait(job, 20000) < 0 ||
            pool_job_result(job)->outcome != POOL_DONE)
            return pool_call_fail(call, i + 1, "%s", pool_message());
        pool_job_release(job);
        pool_free(pool);
    }
    return 0;
}

static void test_locks_of_an_outer_job_hang_nobody(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_job(pool, open_inside, POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_locks_of_a_busy_thread_hang_nobody),
        SUPPORT_TEST(test_locks_held_for_a_time_are_waited_for),
        SUPPORT_TEST(test_locks_held_for_ever_are_refused),
        SUPPORT_TEST(test_locks_of_streams_are_repaired),
        SUPPORT_TEST(test_locks_streams_of_the_host_are_not_flushed),
        SUPPORT_TEST(test_locks_of_an_outer_job_hang_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
