/* What a language's run-time needs of a pool: hooks around the fork and at a worker's birth, fork handlers on request,
 * and memory that no process of the pool keeps. */
#include "child.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- around the fork ------------------------------------------------------------------------------------------- */

struct hooks {
    pthread_t caller;
    pid_t host;
    int before, forked;
    bool misplaced; /* one ran in another thread or process, in another order, or with another mask */
    sem_t go;       /* on_start waits for on_forked */
};

static bool is_misplaced(const struct hooks *hooks)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return getpid() != hooks->host || !pthread_equal(pthread_self(), hooks->caller) ||
           sigismember(&mask, SIGUSR1) != 1 || sigismember(&mask, SIGUSR2) != 0;
}

static void before_fork(void *user)
{
    struct hooks *hooks = user;
    hooks->misplaced = hooks->misplaced || is_misplaced(hooks) || hooks->before != hooks->forked;
    hooks->before++;
}

static void on_forked(void *user)
{
    struct hooks *hooks = user;
    hooks->forked++;
    hooks->misplaced = hooks->misplaced || is_misplaced(hooks) || hooks->before != hooks->forked;
    sem_post(&hooks->go);
}

static int start_when_forked(void *arg, pool_error_t *error)
{
    struct hooks *hooks = arg;
    (void)error;
    while (sem_wait(&hooks->go) < 0)
        ;
    return 0;
}

/* Shared with the fork server. NULL: no memory. */
static struct hooks *make_hooks(void)
{
    struct hooks *hooks = mmap(NULL, sizeof *hooks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t mask;
    if (hooks == MAP_FAILED)
        return NULL;
    hooks->caller = pthread_self();
    hooks->host = getpid();
    sem_init(&hooks->go, 1, 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return hooks;
}

static void test_hooks_surround_the_fork(void **state)
{
    struct hooks *hooks = make_hooks();
    sigset_t none;
    pool_t *pool;
    (void)state;
    assert_non_null(hooks);
    const pool_options_t options = {.workers = 1,
                                    .before_fork = before_fork,
                                    .on_forked = on_forked,
                                    .hook_user = hooks,
                                    .on_start = start_when_forked,
                                    .on_start_arg = hooks};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    assert_int_equal(hooks->before, 1);
    assert_int_equal(hooks->forked, 1);
    assert_false(hooks->misplaced);
    pool_free(pool);
    munmap(hooks, sizeof *hooks);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int open_without_processes(void *arg)
{
    struct hooks *hooks = make_hooks();
    pool_t *pool;
    const struct rlimit none = {0, 0};
    (void)arg;
    CHILD_CHECK(hooks != NULL && setrlimit(RLIMIT_NPROC, &none) == 0);
    const pool_options_t options = {
        .workers = 1, .before_fork = before_fork, .on_forked = on_forked, .hook_user = hooks};
    CHILD_CHECK(pool_open(&pool, &options, NULL) == -EAGAIN);
    CHILD_CHECK(hooks->before == 1 && hooks->forked == 1 && !hooks->misplaced);
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = -1, .before_fork = before_fork}, NULL) == -EINVAL);
    CHILD_CHECK(hooks->before == 1);
    return 0;
}

static void test_hooks_surround_a_fork_that_fails(void **state)
{
    (void)state;
    child_run(true, open_without_processes, NULL);
}

/* A run-time's big lock, which another thread goes in and out of. */
static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool stop;

static void *run_on(void *unused)
{
    while (!atomic_load(&stop)) {
        pthread_mutex_lock(&big_lock);
        pthread_mutex_unlock(&big_lock);
    }
    return unused;
}

static void lock(void *user)
{
    (void)user;
    pthread_mutex_lock(&big_lock);
}

static void unlock(void *user)
{
    (void)user;
    pthread_mutex_unlock(&big_lock);
}

static int unlock_at_start(void *arg, pool_error_t *error)
{
    (void)error;
    unlock(arg);
    return 0;
}

static int lock_in_job(pool_call_t *call)
{
    (void)call;
    return pthread_mutex_trylock(&big_lock);
}

static void test_hooks_keep_a_lock_at_rest(void **state)
{
    pthread_t thread;
    (void)state;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, run_on, NULL), 0);
    for (int i = 0; i < 10; i++) {
        pool_t *pool;
        const pool_options_t options = {
            .workers = 1, .before_fork = lock, .on_forked = unlock, .on_start = unlock_at_start};
        assert_int_equal(pool_open(&pool, &options, NULL), 0);
        pool_job_t *job = support_submit(pool, lock_in_job, NULL, 0, NULL);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        pool_job_release(job);
        pool_free(pool);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/* ---- at birth -------------------------------------------------------------------------------------------------- */

enum birth_kind { BIRTH_WELL, BIRTH_HANGS_ONCE, BIRTH_EXITS };

struct births {
    sem_t seen;
    atomic_int count;
    enum birth_kind kind;
};

static struct {
    pid_t pid;
    bool was_blocked;
} born;

static void on_birth(void *user)
{
    struct births *births = user;
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    born.pid = getpid();
    born.was_blocked = sigismember(&mask, SIGTERM) == 1;
    const int before = atomic_fetch_add(&births->count, 1);
    sem_post(&births->seen);
    if (births->kind == BIRTH_EXITS)
        exit(0);
    while (births->kind == BIRTH_HANGS_ONCE && before == 0)
        pause();
}

static int tell_birth(pool_call_t *call)
{
    sigset_t mask;
    (void)call;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    return born.pid == getpid() && born.was_blocked && sigismember(&mask, SIGTERM) == 0 ? 0 : 1;
}

static struct births *make_births(enum birth_kind kind)
{
    struct births *births = mmap(NULL, sizeof *births, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(births != MAP_FAILED);
    sem_init(&births->seen, 1, 0);
    births->kind = kind;
    return births;
}

static pool_t *open_with_births(struct births *births, int warm)
{
    pool_t *pool;
    const pool_options_t options = {.workers = 1, .warm = warm, .on_birth = on_birth, .hook_user = births};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    return pool;
}

static void test_hooks_birth_is_ahead_of_the_job(void **state)
{
    struct births *births = make_births(BIRTH_WELL);
    pool_t *pool = open_with_births(births, 1);
    (void)state;
    while (sem_wait(&births->seen) < 0) /* nothing is submitted yet */
        ;
    for (int i = 0; i < 10; i++) {
        pool_job_t *job = support_submit(pool, tell_birth, NULL, 0, NULL);
        support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
        pool_job_release(job);
    }
    pool_free(pool);
    assert_true(atomic_load(&births->count) >= 10);
    munmap(births, sizeof *births);
}

static void test_hooks_birth_that_hangs_is_given_up(void **state)
{
    struct births *births = make_births(BIRTH_HANGS_ONCE);
    pool_t *pool = open_with_births(births, POOL_NONE);
    (void)state;
    pool_job_t *job = support_submit(pool, tell_birth, NULL, 0, &(pool_job_options_t){.timeout_ms = 60000});
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_true(atomic_load(&births->count) >= 2);
    pool_job_release(job);
    pool_free(pool);
    munmap(births, sizeof *births);
}

static void test_hooks_birth_that_always_fails_loses_the_job(void **state)
{
    struct births *births = make_births(BIRTH_EXITS);
    pool_t *pool = open_with_births(births, POOL_NONE);
    (void)state;
    pool_job_t *job = support_submit(pool, tell_birth, NULL, 0, NULL);
    support_expect(support_wait(job), POOL_LOST, POOL_CAUSE_LOST);
    pool_job_release(job);
    pool_free(pool);
    munmap(births, sizeof *births);
}

/* ---- fork handlers --------------------------------------------------------------------------------------------- */

static int prepared, forked_here;
static bool dies;

static void count_prepare(void)
{
    prepared++;
}

static void count_child(void)
{
    forked_here++;
    if (dies)
        _exit(1);
}

static int tell_handlers(pool_call_t *call)
{
    return pool_call_return(call, (int[]){prepared, forked_here}, 2 * sizeof(int));
}

static void expect_handlers(bool fork_handlers, int more)
{
    pool_t *pool;
    assert_int_equal(pool_open(&pool, &(pool_options_t){.workers = 1, .fork_handlers = fork_handlers}, NULL), 0);
    const int before = prepared - 1; /* the keeper's is counted here, too */
    pool_job_t *job = support_submit(pool, tell_handlers, NULL, 0, NULL);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    const int *counts = pool_job_result(job)->data;
    assert_true(counts[0] - before >= 2 + more); /* keeper, fork server, and this worker or some before it */
    assert_true(more > 0 || counts[0] - before == 2);
    assert_int_equal(counts[1], 2 + more);
    pool_job_release(job);
    pool_free(pool);
}

static void test_hooks_fork_handlers_run_on_request(void **state)
{
    (void)state;
    assert_int_equal(pthread_atfork(count_prepare, NULL, count_child), 0);
    expect_handlers(false, 0);
    expect_handlers(true, 1);

    pool_error_t error;
    pool_t *pool;
    void *block = malloc(1);
    assert_non_null(block);
    const pool_bytes_t range = {block, 1}; /* nothing, but it is waited for */
    dies = true;
    assert_int_equal(pool_open(&pool, &(pool_options_t){.exclude = &range, .exclude_count = 1}, &error), -ECHILD);
    assert_string_equal(error.message, "the keeper process died at once");
    dies = false;
    free(block);
}

/* ---- memory that is left out ------------------------------------------------------------------------------------- */

static struct {
    char *data;
    size_t size;
} big;

/* The first and the last byte belong to pages that are not wholly excluded. */
static int read_edges(pool_call_t *call)
{
    (void)call;
    return big.data[0] == 1 && big.data[big.size - 1] == 1 ? 0 : 1;
}

static int read_middle(pool_call_t *call)
{
    (void)call;
    return big.data[big.size / 2];
}

/* Whether a process maps this address. */
static bool maps(pid_t pid, const char *address)
{
    char path[64], line[512];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        uintptr_t begin, end;
        if (sscanf(line, "%zx-%zx", &begin, &end) == 2)
            found = found || ((uintptr_t)address >= begin && (uintptr_t)address < end);
    }
    fclose(file);
    return found;
}

static void expect_left_out(pool_t *pool)
{
    pool_stats_t stats;
    pool_job_t *edges = support_submit(pool, read_edges, NULL, 0, NULL);
    pool_job_t *middle = support_submit(pool, read_middle, NULL, 0, NULL);
    support_expect(support_wait(edges), POOL_DONE, POOL_CAUSE_EXITED);
    support_expect(support_wait(middle), POOL_CRASHED, POOL_CAUSE_SIGNALLED);
    assert_int_equal(pool_job_result(middle)->signal, SIGSEGV);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_false(maps(stats.keeper_pid, big.data + big.size / 2));
    assert_false(maps(stats.fork_server_pid, big.data + big.size / 2));
    pool_job_release(edges);
    pool_job_release(middle);
}

static void kill_server(pool_t *pool)
{
    pool_stats_t stats;
    pool_stats(pool, &stats);
    const int before = stats.fork_server_pid;
    kill(before, SIGKILL);
    while (stats.fork_server_pid == before || stats.fork_server_pid <= 0) {
        sched_yield();
        pool_stats(pool, &stats);
    }
}

static void test_hooks_excluded_memory_is_kept_by_nobody(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 256 * page;
    pool_t *pool;
    (void)state;
    char *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(mapping != MAP_FAILED);
    memset(mapping, 1, size);
    big.data = mapping + page - 1;
    big.size = size - 2 * page + 2;
    pool_bytes_t range = {big.data, big.size};
    const pool_options_t options = {.workers = 1, .exclude = &range, .exclude_count = 1};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    range = (pool_bytes_t){0}; /* it was copied */
    assert_true(maps(getpid(), mapping + size / 2));
    assert_int_equal(mapping[size / 2], 1);
    expect_left_out(pool);
    kill_server(pool);
    expect_left_out(pool);
    pool_free(pool);
    munmap(mapping, size);
}

static void test_hooks_exclude_refusals(void **state)
{
    pool_t *pool;
    pool_error_t error;
    pool_bytes_t range[1] = {{&big, sizeof big}};
    pool_options_t options = {.exclude = range, .exclude_count = 1};
    (void)state;
    assert_int_equal(pool_open(&pool, &options, &error), -EINVAL);
    assert_non_null(strstr(error.message, "exclude[0]"));
    pool_bytes_t *heap = malloc(sizeof *heap);
    assert_non_null(heap);
    *heap = (pool_bytes_t){heap, sizeof *heap};
    options.exclude = heap;
    assert_int_equal(pool_open(&pool, &options, &error), -EINVAL);
    assert_non_null(strstr(error.message, "the array `exclude` itself"));
    free(heap);
    range[0] = (pool_bytes_t){(void *)4096, 4096};
    options.exclude = range;
    assert_int_equal(pool_open(&pool, &options, &error), -EFAULT);
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_hooks_surround_the_fork),
        SUPPORT_TEST(test_hooks_surround_a_fork_that_fails),
        SUPPORT_TEST(test_hooks_keep_a_lock_at_rest),
        SUPPORT_TEST(test_hooks_birth_is_ahead_of_the_job),
        SUPPORT_TEST(test_hooks_birth_that_hangs_is_given_up),
        SUPPORT_TEST(test_hooks_birth_that_always_fails_loses_the_job),
        SUPPORT_TEST(test_hooks_fork_handlers_run_on_request),
        SUPPORT_TEST(test_hooks_excluded_memory_is_kept_by_nobody),
        SUPPORT_TEST(test_hooks_exclude_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
