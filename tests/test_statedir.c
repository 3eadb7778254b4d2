/* The directory of a daemon: made, locked, and not shared. */
#include "statedir.h"

#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char message[512];

static void expect_refused(const char *path, int error, const char *words)
{
    struct statedir dir;
    assert_int_equal(statedir_open(&dir, path, message), error);
    if (strstr(message, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, message);
    assert_int_equal(dir.fd, -1);
    assert_int_equal(dir.lock, -1);
    assert_null(dir.path);
}

static void test_statedir_makes_it(void **state)
{
    (void)state;
    struct statedir dir;
    struct stat made;
    assert_int_equal(statedir_open(&dir, directory_file("a/b/../b//c/"), message), 0);
    assert_string_equal(dir.path, directory_file("a/b/c"));
    assert_int_equal(stat(dir.path, &made), 0);
    assert_int_equal(made.st_mode & 0777, 0700);
    char pid[32] = "", expected[32];
    snprintf(expected, sizeof expected, "%ld\n", (long)getpid());
    assert_true(pread(dir.lock, pid, sizeof pid - 1, 0) > 0);
    assert_string_equal(pid, expected);
    statedir_close(&dir);
    statedir_close(&dir); /* harmless */
}

static void test_statedir_relative_path(void **state)
{
    (void)state;
    struct statedir dir;
    const int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(directory_path), 0);
    const int r = statedir_open(&dir, "here", message);
    assert_int_equal(fchdir(back), 0);
    close(back);
    assert_int_equal(r, 0);
    assert_string_equal(dir.path, directory_file("here"));
    statedir_close(&dir);
}

static void test_statedir_second_daemon(void **state)
{
    (void)state;
    struct statedir dir;
    char words[64];
    assert_int_equal(statedir_open(&dir, directory_path, message), 0);
    snprintf(words, sizeof words, "(pid %ld)", (long)getpid());
    expect_refused(directory_path, -EWOULDBLOCK, words);
    assert_int_equal(ftruncate(dir.lock, 0), 0); /* locked, and not yet written */
    expect_refused(directory_path, -EWOULDBLOCK, "(pid unknown)");
    assert_int_equal(pwrite(dir.lock, "12\33[2J", 6, 0), 6);
    expect_refused(directory_path, -EWOULDBLOCK, "(pid 12)");
    statedir_close(&dir);
    assert_int_equal(statedir_open(&dir, directory_path, message), 0);
    statedir_close(&dir);
}

static void test_statedir_refuses(void **state)
{
    (void)state;
    expect_refused("", -ENOENT, "cannot make");
    const int file = open(directory_file("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    expect_refused(directory_file("file"), -ENOTDIR, "file");
    expect_refused(directory_file("file/below"), -ENOTDIR, "file/below");
    assert_int_equal(mkdir(directory_file("open"), 0700), 0);
    assert_int_equal(chmod(directory_file("open"), 0750), 0);
    expect_refused(directory_file("open"), -EACCES, "chmod 700");
    assert_int_equal(mkdir(directory_file("link"), 0700), 0);
    assert_int_equal(symlink("/dev/null", directory_file("link/lock")), 0);
    expect_refused(directory_file("link"), -ELOOP, "lock");
    assert_int_equal(mkdir(directory_file("workers"), 0700), 0);
    assert_int_equal(symlink("/dev/null", directory_file("workers/workers.lock")), 0);
    expect_refused(directory_file("workers"), -ELOOP, "workers");
    if (geteuid() == 0) {
        assert_int_equal(mkdir(directory_file("other"), 0700), 0);
        assert_int_equal(chown(directory_file("other"), 1, 1), 0);
        expect_refused(directory_file("other"), -EACCES, "belongs to uid 1");
    }
}

/* A process that holds the workers' lock until it is killed. */
static pid_t start_workers(void)
{
    int ready[2];
    support_pipe(ready);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int lock = open(directory_file("workers.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (write(ready[1], flock(lock, LOCK_SH) == 0 ? "+" : "-", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(support_await_byte(ready[0]), '+');
    close(ready[0]);
    return pid;
}

/* A process that kills another one when the directory is locked. */
static pid_t start_killer(pid_t victim)
{
    const char *lock = directory_file("lock");
    assert_int_equal(truncate(lock, 0), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        struct stat written = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (stat(lock, &written) == 0 && written.st_size == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        kill(victim, SIGKILL);
        _exit(0);
    }
    return pid;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void test_statedir_waits_for_workers(void **state)
{
    (void)state;
    struct statedir dir;
    const pid_t first = start_workers(), second = start_workers(); /* shared */
    const double start = now();
    expect_refused(directory_path, -ETIMEDOUT, "workers.lock");
    assert_true(now() - start >= STATEDIR_WORKERS_MS / 1000.0 * 0.9);
    kill(first, SIGKILL);
    waitpid(first, NULL, 0);
    const pid_t killer = start_killer(second);
    assert_int_equal(statedir_open(&dir, directory_path, message), 0);
    statedir_close(&dir);
    waitpid(killer, NULL, 0);
    waitpid(second, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(test_statedir_makes_it),          DIRECTORY_TEST(test_statedir_relative_path),
        DIRECTORY_TEST(test_statedir_second_daemon),     DIRECTORY_TEST(test_statedir_refuses),
        DIRECTORY_TEST(test_statedir_waits_for_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
