/* What a hurried user and an attacker met: standard descriptors closed, descriptors used up, both guardians killed at
 * once, a forked child that comes back from the job as well. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int return_one(pool_call_t *call)
{
    const int one = 1;
    return pool_call_return(call, &one, sizeof one);
}

/* ---- standard descriptors --------------------------------------------------------------------------------------- */

static int is_null_device(int fd)
{
    struct stat is, null;
    return fstat(fd, &is) == 0 && stat("/dev/null", &null) == 0 && is.st_rdev == null.st_rdev;
}

static int open_with_nothing(void *arg)
{
    pool_t *pool;
    pool_job_t *job;
    (void)arg;
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    CHILD_CHECK(pool_open(&pool, NULL, NULL) == 0);
    for (int fd = 0; fd < 3; fd++)
        CHILD_CHECK(is_null_device(fd));
    CHILD_CHECK(write(1, "printed", 7) == 7);
    CHILD_CHECK(pool_submit(pool, return_one, NULL, 0, NULL, &job) == 0);
    CHILD_CHECK(pool_job_wait(job, -1) == 0 && pool_job_result(job)->outcome == POOL_DONE);
    pool_job_release(job);
    pool_free(pool);
    return 0;
}

static void test_adversity_standard_descriptors_closed(void **state)
{
    (void)state;
    child_run(false, open_with_nothing, NULL);
}

/* ---- descriptors used up ----------------------------------------------------------------------------------------- */

static int return_a_mebibyte(pool_call_t *call)
{
    const size_t size = 1 << 20;
    void *data = pool_call_alloc_result(call, size);
    return data == NULL ? errno : pool_call_return(call, data, size);
}

static int descriptors_run_out(void *arg)
{
    enum { JOBS = 100 };
    const struct rlimit limit = {.rlim_cur = 40, .rlim_max = 40};
    const pool_options_t options = {.workers = 2};
    pool_t *pool;
    static pool_job_t *jobs[JOBS];
    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_CHECK(pool_open(&pool, &options, NULL) == 0);
    while (dup(STDERR_FILENO) >= 0) /* all but a few are the host's */
        ;
    for (int fd = 36; fd < 39; fd++)
        close(fd);
    for (int i = 0; i < JOBS; i++)
        CHILD_CHECK(pool_submit(pool, return_a_mebibyte, NULL, 0, NULL, &jobs[i]) == 0);
    for (int i = 0; i < JOBS; i++) {
        CHILD_CHECK(pool_job_wait(jobs[i], -1) == 0);
        const pool_outcome_t outcome = pool_job_result(jobs[i])->outcome;
        CHILD_CHECK(outcome == POOL_DONE || outcome == POOL_LOST); /* it is never the job's fault */
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
    return 0;
}

static void test_adversity_descriptors_used_up_is_no_ones_crash(void **state)
{
    (void)state;
    child_run(true, descriptors_run_out, NULL);
}

/* ---- keeper and fork server killed together ---------------------------------------------------------------------- */

/* Leaves a process in a session of its own that holds every descriptor, and tells its pid. */
static int leave_a_holder(pool_call_t *call)
{
    const pid_t pid = fork();
    if (pid == 0) {
        setsid();
        for (;;)
            pause();
    }
    if (write(pool_call_fd(call, 0), &pid, sizeof pid) != sizeof pid)
        return 1;
    for (;;)
        pause();
}

static void kill_both(bool early)
{
    int told[2];
    pid_t holder;
    pool_stats_t stats;
    support_pipe(told);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.fds = &told[1], .fd_count = 1, .early = early};
    pool_job_t *job = support_submit(pool, leave_a_holder, NULL, 0, &options);
    assert_int_equal(read(told[0], &holder, sizeof holder), sizeof holder);
    assert_int_equal(pool_stats(pool, &stats), 0);
    kill(stats.keeper_pid, SIGKILL);
    kill(stats.fork_server_pid, SIGKILL);
    support_expect(support_wait(job), POOL_LOST, POOL_CAUSE_LOST);
    support_await_death(holder); /* the tag on it is all that is left to find it by */
    pool_job_release(job);
    pool_free(pool);
    close(told[0]);
    close(told[1]);
}

static void test_adversity_both_guardians_killed_leaves_nothing(void **state)
{
    (void)state;
    kill_both(false);
    kill_both(true); /* its pipe is polled, or not */
}

/* ---- a child that comes back ------------------------------------------------------------------------------------- */

static int come_back_twice(pool_call_t *call)
{
    const pid_t pid = fork();
    if (pid == 0)
        return 0;
    if (waitpid(pid, NULL, 0) != pid)
        return 1;
    return return_one(call);
}

static void test_adversity_child_that_returns_from_the_job(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, come_back_twice, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, sizeof(int));
    pool_job_release(job);
    pool_free(pool);
}

/* ---- a keeper that cannot fork ----------------------------------------------------------------------------------- */

static int open_without_processes(void *arg)
{
    const struct rlimit limit = {.rlim_cur = 3, .rlim_max = 3}; /* host, its thread, the keeper */
    pool_t *pool;
    pool_error_t error;
    (void)arg;
    CHILD_CHECK(setuid(64321) == 0 && setrlimit(RLIMIT_NPROC, &limit) == 0);
    bool keeper_failed = false; /* or else the thread came last, and it is the one that was refused */
    for (int i = 0; i < 1000 && !keeper_failed; i++) {
        CHILD_CHECK(pool_open(&pool, NULL, &error) == -EAGAIN);
        keeper_failed = strstr(error.message, "the fork server cannot be forked") != NULL;
        CHILD_CHECK(pool == NULL && (keeper_failed || strstr(error.message, "thread") != NULL));
    }
    CHILD_CHECK(keeper_failed);
    return 0;
}

static void test_adversity_keeper_that_cannot_fork(void **state)
{
    (void)state;
    if (geteuid() != 0 || SUPPORT_SANITIZED) /* needs a user with no other process, and no threads but ours */
        skip();
    child_run(false, open_without_processes, NULL);
}

/* ---- words and NULLs --------------------------------------------------------------------------------------------- */

static void test_adversity_refused_options_have_words(void **state)
{
    (void)state;
    const pool_options_t options = {.workers = -5};
    pool_t *pool;
    assert_int_equal(pool_open(&pool, &options, NULL), -EINVAL);
    assert_non_null(strstr(pool_message(), "workers is -5"));
}

static void test_adversity_null_everywhere(void **state)
{
    (void)state;
    pool_job_t *job;
    pool_t *pool = support_open(1, POOL_NONE);
    assert_int_equal(pool_fd(NULL), -EINVAL);
    assert_int_equal(pool_next(NULL, 0, &job), -EINVAL);
    assert_int_equal(pool_next(pool, 0, NULL), -EINVAL);
    assert_int_equal(pool_wait_any(NULL, 3, 0, NULL), -EINVAL);
    assert_int_equal(pool_job_wait(NULL, 0), -EINVAL);
    assert_int_equal(pool_next_masked(NULL, 0, NULL, &job), -EINVAL);
    assert_int_equal(pool_next_masked(pool, 0, NULL, NULL), -EINVAL);
    assert_int_equal(pool_wait_any_masked(NULL, 3, 0, NULL, NULL), -EINVAL);
    assert_int_equal(pool_job_wait_masked(NULL, 0, NULL), -EINVAL);
    assert_int_equal(pool_job_fd(NULL), -EINVAL);
    assert_non_null(strstr(pool_message(), "job is NULL"));
    assert_int_equal(pool_job_cancel_queued(NULL), -EINVAL);
    assert_int_equal(pool_job_cancel(NULL), -EINVAL);
    assert_null(pool_job_result(NULL));
    assert_null(pool_job_user(NULL));
    assert_null(pool_job_name(NULL));
    assert_null(pool_job_retain(NULL));
    pool_job_release(NULL);
    pool_free(NULL);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_adversity_standard_descriptors_closed),
        SUPPORT_TEST(test_adversity_descriptors_used_up_is_no_ones_crash),
        SUPPORT_TEST(test_adversity_both_guardians_killed_leaves_nothing),
        SUPPORT_TEST(test_adversity_child_that_returns_from_the_job),
        SUPPORT_TEST(test_adversity_keeper_that_cannot_fork),
        SUPPORT_TEST(test_adversity_refused_options_have_words),
        SUPPORT_TEST(test_adversity_null_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
