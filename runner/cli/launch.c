#include "launch.h"

#include "remote.h"
#include "say.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 60 /* a store with 100,000 jobs is read in less */
#define LOOK_MS      20
#define OPTIONS_MOST 64
#define LOG          "/reclaimd.log" /* in the state directory */

struct launch {
    char program[PATH_MAX], socket[PATH_MAX], state[PATH_MAX], log[PATH_MAX];
    const char *argv[OPTIONS_MOST + 8];
    int log_fd;
    off_t log_start; /* what it says comes behind this */
};

static int fail(const char *what, const char *why)
{
    say("daemon", "%s: %s", what, why);
    return -1;
}

static void find_program(char program[PATH_MAX])
{
    const ssize_t size = readlink("/proc/self/exe", program, PATH_MAX - 16);
    program[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) {
        snprintf(slash + 1, 16, "reclaimd");
        if (access(program, X_OK) == 0)
            return;
    }
    snprintf(program, PATH_MAX, "reclaimd"); /* in PATH */
}

static int find_state(const char *state, char path[PATH_MAX])
{
    int rc;
    if (state != NULL)
        rc = snprintf(path, PATH_MAX, "%s", state) < PATH_MAX ? 0 : -ENAMETOOLONG;
    else
        rc = state_path(geteuid(), getenv("XDG_STATE_HOME"), getenv("HOME"), path);
    if (rc == -ENOENT)
        return fail("the state directory", "neither XDG_STATE_HOME nor HOME says where: give --state DIR");
    return rc < 0 ? fail("the state directory", strerror(-rc)) : 0;
}

/* Makes it, and what is above it. */
static int make_directory(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++)
        if (*at == '/') {
            *at = '\0';
            const int rc = mkdir(path, 0700);
            *at = '/';
            if (rc < 0 && errno != EEXIST)
                return fail(path, strerror(errno));
        }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? fail(path, strerror(errno)) : 0;
}

static int prepare(struct launch *launch, const char *state, char **options)
{
    size_t count = 0;
    if (remote_options.socket != NULL)
        snprintf(launch->socket, sizeof launch->socket, "%s", remote_options.socket);
    else if (pool_client_path(launch->socket, sizeof launch->socket) < 0)
        return fail("the socket", strerror(ENAMETOOLONG));
    if (find_state(state, launch->state) < 0 || make_directory(launch->state) < 0)
        return -1;
    if (snprintf(launch->log, sizeof launch->log, "%s" LOG, launch->state) >= (int)sizeof launch->log)
        return fail("the state directory", strerror(ENAMETOOLONG));
    launch->log_fd = open(launch->log, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (launch->log_fd < 0)
        return fail(launch->log, strerror(errno));
    launch->log_start = lseek(launch->log_fd, 0, SEEK_END);
    find_program(launch->program);
    const char *const fixed[] = {launch->program, "--socket", launch->socket, "--state",
                                 launch->state,   "--log",    launch->log};
    for (; count < sizeof fixed / sizeof fixed[0]; count++)
        launch->argv[count] = fixed[count];
    for (; *options != NULL; options++) {
        if (count > OPTIONS_MOST)
            return fail("start", "too many options for reclaimd");
        launch->argv[count++] = *options;
    }
    return 0;
}

/* It keeps nothing of ours: who reads our output waits for its end. */
static void become_daemon(const struct launch *launch)
{
    setsid();
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(launch->log_fd, STDERR_FILENO);
    execvp(launch->program, (char *const *)(const void *)launch->argv);
    say("daemon", "%s: %s: install it, or put it into PATH", launch->program, strerror(errno));
    _exit(127);
}

/* Whether it answers now. */
static bool answers(const struct launch *launch)
{
    pool_client_t *client;
    if (pool_client_open(&client, launch->socket, NULL) < 0)
        return false;
    pool_client_close(client);
    return true;
}

static int64_t now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* The last line that tells of an error, else the last one. */
static const char *find_reason(char *text)
{
    const char *reason = NULL, *last = "";
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] != '\0')
            last = line;
        if (strstr(line, " level=error ") != NULL)
            reason = line;
    }
    return reason != NULL ? reason : last;
}

static void say_why(const struct launch *launch)
{
    char text[8192];
    const off_t size = lseek(launch->log_fd, 0, SEEK_END), most = sizeof text - 1;
    const off_t start = size - launch->log_start < most ? launch->log_start : size - most;
    const ssize_t got = pread(launch->log_fd, text, (size_t)most, start);
    text[got > 0 ? got : 0] = '\0';
    say("daemon", "%s did not start: %s (its log is %s)", launch->program, find_reason(text), launch->log);
}

/* Until it answers, or is gone. */
static int await_answer(const struct launch *launch, pid_t pid)
{
    const int64_t end = now_seconds() + WAIT_SECONDS;
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int rc = -1;
    while (now_seconds() < end) {
        if (answers(launch)) {
            rc = 0;
            break;
        }
        if (poll(&gone, 1, LOOK_MS) > 0) {
            waitpid(pid, NULL, 0);
            say_why(launch);
            break;
        }
    }
    if (rc < 0 && gone.revents == 0)
        say("daemon", "reclaimd (pid %ld) does not answer at %s after %d s; its log is %s", (long)pid, launch->socket,
            WAIT_SECONDS, launch->log);
    if (gone.fd >= 0)
        close(gone.fd);
    return rc;
}

int launch_daemon(const char *state, char **options, pid_t *pid)
{
    struct launch launch = {.log_fd = -1};
    int rc = prepare(&launch, state, options);
    if (rc == 0) {
        fflush(stdout);
        *pid = fork();
        if (*pid == 0)
            become_daemon(&launch);
        rc = *pid < 0 ? fail("fork", strerror(errno)) : await_answer(&launch, *pid);
    }
    if (launch.log_fd >= 0)
        close(launch.log_fd);
    return rc;
}
