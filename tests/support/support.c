#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREAD_LOOKS 5000 /* a millisecond apart */

static size_t fds_before, threads_before;

static size_t count_entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

size_t support_fds(void)
{
    return count_entries("/proc/self/fd") - 1; /* the listing's own */
}

size_t support_threads(void)
{
    return count_entries("/proc/self/task");
}

/* A thread that has been joined may still be listed for a moment. */
static void await_threads(size_t count)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int looks = 0; support_threads() > count && looks < THREAD_LOOKS; looks++)
        nanosleep(&moment, NULL);
}

/* libuv makes a pipe with a process's first loop and keeps it. */
static void make_first_loop(void)
{
    static bool made;
    if (made)
        return;
    const size_t threads = support_threads();
    pool_free(support_open(1, POOL_NONE));
    await_threads(threads);
    made = true;
}

int support_begin(void **state)
{
    (void)state;
    make_first_loop();
    fds_before = support_fds();
    threads_before = support_threads();
    return 0;
}

int support_end(void **state)
{
    (void)state;
    assert_int_equal(support_descendants(getpid()), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(support_fds(), fds_before);
    await_threads(threads_before);
    assert_int_equal(support_threads(), threads_before);
    return 0;
}

static pool_t *open_pool(const pool_options_t *options)
{
    pool_t *pool;
    pool_error_t error;
    if (pool_open(&pool, options, &error) < 0)
        fail_msg("pool_open: %s", error.message);
    return pool;
}

pool_t *support_open(int workers, int warm)
{
    return open_pool(&(pool_options_t){.workers = workers, .warm = warm});
}

pool_t *support_open_full(int workers, int warm)
{
    return open_pool(&(pool_options_t){.workers = workers, .warm = warm, .commands = true});
}

pool_job_t *support_submit(pool_t *pool, pool_fn fn, const void *arg, size_t size, const pool_job_options_t *options)
{
    pool_job_t *job;
    if (pool_submit(pool, fn, arg, size, options, &job) < 0)
        fail_msg("pool_submit: %s", pool_message());
    return job;
}

const pool_result_t *support_wait(pool_job_t *job)
{
    assert_int_equal(pool_job_wait(job, -1), 0);
    return pool_job_result(job);
}

void support_expect(const pool_result_t *result, pool_outcome_t outcome, pool_cause_t cause)
{
    if (result->outcome != outcome || result->cause != cause)
        fail_msg("%s/%s instead of %s/%s: %s\n%s", pool_outcome_name(result->outcome), pool_cause_name(result->cause),
                 pool_outcome_name(outcome), pool_cause_name(cause), result->message,
                 result->crash != NULL ? result->crash : "");
}

uint64_t support_rss(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %llu", &pages), 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Parent and state of a process; false: gone. */
static bool read_stat(pid_t pid, pid_t *parent, char *state)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    const size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = '\0';
    const char *after = strrchr(text, ')');
    int ppid;
    if (after == NULL || sscanf(after + 1, " %c %d", state, &ppid) != 2)
        return false;
    *parent = ppid;
    return true;
}

static bool descends(pid_t pid, pid_t root)
{
    char state;
    for (pid_t parent; pid > 1 && read_stat(pid, &parent, &state); pid = parent)
        if (parent == root)
            return true;
    return false;
}

size_t support_signal_descendants(pid_t root, int signal_number)
{
    size_t count = 0;
    DIR *dir = opendir("/proc");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || !descends(pid, root))
            continue;
        count++;
        if (signal_number != 0)
            kill(pid, signal_number);
    }
    closedir(dir);
    return count;
}

size_t support_descendants(pid_t root)
{
    return support_signal_descendants(root, 0);
}

bool support_alive(pid_t pid)
{
    pid_t parent;
    char state;
    return read_stat(pid, &parent, &state) && state != 'Z' && state != 'X';
}

void support_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

int support_await_byte(int fd)
{
    unsigned char byte;
    ssize_t got;
    do {
        got = read(fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? byte : -1;
}

void support_await_death(pid_t pid)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return;
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
        ;
    close(pidfd);
}
