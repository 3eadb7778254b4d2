#include "daemon_start.h"

#include "program.h"
#include "remote.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS      20
#define END_MS       5000 /* for an end by SIGTERM */
#define OPTIONS_MOST 64
#define LOG          "/reclaimd.log" /* in the state directory */

struct daemon {
    char program[PATH_MAX], socket[PATH_MAX], state[PATH_MAX], log[PATH_MAX];
    const char *argv[OPTIONS_MOST + 8];
    int log_fd;
    int turn;        /* the state directory, locked: one start at a time */
    off_t log_start; /* its own lines begin here */
};

static int fail(const char *what, const char *why)
{
    return say("daemon", "%s: %s", what, why);
}

/* Several starts at once: the others wait for the first, and find its daemon. */
static int take_turn(struct daemon *daemon)
{
    daemon->turn = open(daemon->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = daemon->turn < 0 ? -1 : 0;
    while (rc == 0 && flock(daemon->turn, LOCK_EX) < 0)
        if (errno != EINTR)
            rc = -1;
    return rc < 0 ? fail(daemon->state, strerror(errno)) : 0;
}

static int find_state(const char *state, char path[PATH_MAX])
{
    int rc;
    if (state != NULL)
        rc = snprintf(path, PATH_MAX, "%s", state) < PATH_MAX ? 0 : -ENAMETOOLONG;
    else
        rc = program_state_path(geteuid(), getenv("XDG_STATE_HOME"), getenv("HOME"), path);
    if (rc == -ENOENT)
        return fail("the state directory", "neither XDG_STATE_HOME nor HOME says where: give --state DIR");
    return rc < 0 ? fail("the state directory", strerror(-rc)) : 0;
}

static int prepare(struct daemon *daemon, const char *state, char **options)
{
    size_t count = 0;
    if (remote_options.socket != NULL)
        snprintf(daemon->socket, sizeof daemon->socket, "%s", remote_options.socket);
    else if (pool_client_path(daemon->socket, sizeof daemon->socket) < 0)
        return fail("the socket", strerror(ENAMETOOLONG));
    if (find_state(state, daemon->state) < 0)
        return -1;
    const int made = program_make_directory(daemon->state, 0700);
    if (made < 0)
        return fail(daemon->state, strerror(-made));
    if (take_turn(daemon) < 0)
        return -1;
    if (snprintf(daemon->log, sizeof daemon->log, "%s" LOG, daemon->state) >= (int)sizeof daemon->log)
        return fail("the state directory", strerror(ENAMETOOLONG));
    daemon->log_fd = open(daemon->log, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (daemon->log_fd < 0)
        return fail(daemon->log, strerror(errno));
    daemon->log_start = lseek(daemon->log_fd, 0, SEEK_END);
    if (program_beside("reclaimd", daemon->program) < 0)
        snprintf(daemon->program, sizeof daemon->program, "reclaimd"); /* in PATH */
    const char *const fixed[] = {daemon->program, "--socket", daemon->socket, "--state",
                                 daemon->state,   "--log",    daemon->log};
    for (; count < sizeof fixed / sizeof fixed[0]; count++)
        daemon->argv[count] = fixed[count];
    for (; *options != NULL; options++) {
        if (count > OPTIONS_MOST)
            return fail("start", "too many options for reclaimd");
        daemon->argv[count++] = *options;
    }
    return 0;
}

/* The daemon keeps none of our descriptors: a reader of our output would wait for the daemon's end. */
static void become_daemon(const struct daemon *daemon)
{
    setsid();
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(daemon->log_fd, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    execvp(daemon->program, (char *const *)(const void *)daemon->argv);
    say("daemon", "%s: %s: install it, or put it into PATH", daemon->program, strerror(errno));
    _exit(127);
}

/* Whether it answers now. */
static bool answers(const struct daemon *daemon)
{
    pool_client_t *client;
    if (pool_client_open(&client, daemon->socket, NULL) < 0)
        return false;
    pool_client_close(client);
    return true;
}

/* The last line about an error, else the last line. */
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

/* Prints "PROGRAM WHAT: the reason", from the log. */
static void say_why(const struct daemon *daemon, const char *what)
{
    char text[8192];
    const off_t size = lseek(daemon->log_fd, 0, SEEK_END), most = sizeof text - 1;
    const off_t start = size - daemon->log_start < most ? daemon->log_start : size - most;
    const ssize_t got = pread(daemon->log_fd, text, (size_t)most, start);
    text[got > 0 ? got : 0] = '\0';
    const char *reason = find_reason(text);
    say("daemon", "%s %s: %s (its log is %s)", daemon->program, what, reason[0] != '\0' ? reason : "it said nothing",
        daemon->log);
}

/* It must not stay: it holds the state directory. */
static void end_daemon(struct pollfd *gone, pid_t pid)
{
    kill(pid, SIGTERM);
    if (poll(gone, 1, END_MS) <= 0)
        kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Waits until a daemon answers, this one ends, or the time is over. */
static int await_answer(const struct daemon *daemon, pid_t pid, int64_t timeout_ms)
{
    const int64_t end = remote_now_ms() + timeout_ms;
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    bool answered = false;
    while (!(answered = answers(daemon)) && remote_now_ms() < end && poll(&gone, 1, LOOK_MS) <= 0)
        continue;
    if (!answered && gone.revents == 0) {
        char what[64];
        end_daemon(&gone, pid);
        snprintf(what, sizeof what, "did not answer within %g s, and was ended", (double)timeout_ms / 1000);
        say_why(daemon, what);
    } else if (!answered) {
        waitpid(pid, NULL, 0);
        answered = answers(daemon); /* another was sooner */
        if (!answered)
            say_why(daemon, "did not start");
    }
    if (gone.fd >= 0)
        close(gone.fd);
    return answered ? 0 : -1;
}

int daemon_start(const char *state, int64_t timeout_ms, char **options)
{
    struct daemon daemon = {.log_fd = -1, .turn = -1};
    int rc = prepare(&daemon, state, options);
    if (rc == 0 && !answers(&daemon)) {
        fflush(stdout);
        const pid_t pid = fork();
        if (pid == 0)
            become_daemon(&daemon);
        rc = pid < 0 ? fail("fork", strerror(errno)) : await_answer(&daemon, pid, timeout_ms);
    }
    if (daemon.log_fd >= 0)
        close(daemon.log_fd);
    if (daemon.turn >= 0)
        close(daemon.turn);
    return rc;
}
