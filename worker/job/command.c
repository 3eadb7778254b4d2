#include "command.h"

#include "amount.h"
#include "proc.h"
#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_FIRST_MS 1
#define LOOK_LAST_MS  64

/* At which step the child failed before exec. */
enum step { STEP_EXEC, STEP_DIRECTORY, STEP_PREPARE };

/* Turns "a\0b\0" into a NULL-terminated vector of pointers into it. NULL: no memory, or the last NUL is missing. */
static char **split(const struct message_slice *slice)
{
    const char *text = slice->data;
    size_t count = 0;
    if (slice->size > 0 && text[slice->size - 1] != '\0')
        return NULL;
    for (size_t i = 0; i < slice->size; i++)
        count += text[i] == '\0';
    char **vector = calloc(count + 1, sizeof *vector);
    if (vector == NULL)
        return NULL;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        vector[i] = (char *)(uintptr_t)(text + at);
        at += strlen(text + at) + 1;
    }
    return vector;
}

/* A descriptor, and the number that it is to have. */
struct place {
    int from, to;
};

static int number_of(const struct command *command, size_t index)
{
    int32_t number;
    if (command->spec.numbers.size == 0)
        return 3 + (int)index;
    memcpy(&number, (const char *)command->spec.numbers.data + index * sizeof number, sizeof number);
    return number;
}

/* If one that is still to be placed has this number, moves it away. */
static int make_way(struct place *places, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].from == number && places[i].to != number &&
            (places[i].from = fcntl(number, F_DUPFD_CLOEXEC, 3)) < 0)
            return -errno;
    return 0;
}

static int place(struct place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int rc = make_way(places + i + 1, count - i - 1, places[i].to);
        if (rc < 0)
            return rc;
        if (places[i].from != places[i].to ? dup2(places[i].from, places[i].to) < 0
                                           : fcntl(places[i].to, F_SETFD, 0) < 0)
            return -errno;
        places[i].from = places[i].to;
    }
    return 0;
}

/* For numbers above the soft limit, which the command keeps. */
static int place_high(struct place *places, size_t count)
{
    struct rlimit before, files;
    if (getrlimit(RLIMIT_NOFILE, &before) < 0)
        return -errno;
    files = before;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    const int rc = place(places, count);
    setrlimit(RLIMIT_NOFILE, &before);
    return rc;
}

/* Puts every descriptor of the command at its number, and closes all others. */
static int place_descriptors(const struct command *command)
{
    struct place places[3 + DESCRIPTOR_MAX];
    int *kept[3 + DESCRIPTOR_MAX];
    size_t count = 0;
    for (int i = 0; i < 3; i++)
        if (command->streams[i] != COMMAND_CLOSED)
            places[count++] = (struct place){command->streams[i] < 0 ? i : command->streams[i], i};
    for (size_t i = 0; i < command->fd_count; i++)
        places[count++] = (struct place){command->fds[i], number_of(command, i)};
    int rc = place(places, count);
    if (rc == -EBADF)
        rc = place_high(places, count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        kept[i] = &places[i].to;
    process_descriptors_close_but(0, kept, (unsigned)count);
    return 0;
}

_Noreturn static void fail_exec(const struct command *command, enum step step, int error)
{
    command->page->exec_step = step;
    command->page->exec_error = error;
    _exit(127);
}

/* Execs the program found in PATH by access(2), a tenth of the cost of execvp(3)'s tries, which odd cases go to. */
static void exec_found(char **argv)
{
    const char *at = getenv("PATH"), *end;
    const size_t length = strlen(argv[0]);
    char file[512];
    if (strchr(argv[0], '/') != NULL)
        return;
    for (; at != NULL && *at != '\0' && *at != ':'; at = *end == ':' ? end + 1 : end) {
        end = strchrnul(at, ':');
        const size_t directory = (size_t)(end - at);
        if (directory + length + 2 > sizeof file)
            return;
        memcpy(file, at, directory);
        file[directory] = '/';
        memcpy(file + directory + 1, argv[0], length + 1);
        if (access(file, X_OK) == 0) {
            execve(file, argv, environ);
            return;
        }
    }
}

static void set_limit(int resource, int64_t value)
{
    const struct rlimit limit = {(rlim_t)value, (rlim_t)value};
    if (value >= 0)
        setrlimit((__rlimit_resource_t)resource, &limit);
}

_Noreturn static void exec_child(const struct command *command, char **argv, pid_t worker)
{
    const char *cwd = command->spec.cwd.data;
    if (process_die_with(worker) < 0)
        _exit(127);
    if (setpgid(0, (pid_t)command->spec.group) < 0)
        fail_exec(command, STEP_PREPARE, errno);
    if (command->spec.cwd.size > 0 ? chdir(cwd) < 0 : command->cwd >= 0 && fchdir(command->cwd) < 0)
        fail_exec(command, STEP_DIRECTORY, errno);
    const int rc = place_descriptors(command);
    if (rc < 0)
        fail_exec(command, STEP_PREPARE, -rc);
    set_limit(RLIMIT_DATA, command->data_limit);
    set_limit(RLIMIT_NOFILE, command->nofile); /* last: a descriptor may have a number above it */
    process_signals_restore(command->origin);
    exec_found(argv);
    execvp(argv[0], argv);
    fail_exec(command, STEP_EXEC, errno);
}

/* vfork(2): until exec the child runs in our memory while we wait, and nothing is copied. It must change nothing that
 * we need. Its pid, or -1. */
static pid_t start_child(const struct command *command, char **argv, char **envp)
{
    char **own = environ;
    const pid_t worker = getpid();
    environ = envp;            /* execvp looks for the program by it */
    const pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork): see above
    if (pid == 0)
        exec_child(command, argv, worker); // NOLINT(clang-analyzer-unix.Vfork): Linux lets it call anything
    environ = own;
    return pid;
}

static void put_text(struct message_result *result, const char *what, const char *name, int error)
{
    static char text[512];
    snprintf(text, sizeof text, "%s %s: %s", what, name, process_error(error));
    result->text = (struct message_slice){text, strlen(text)};
}

static void note_failure(struct message_result *result, const struct command *command)
{
    const char *name = command->spec.argv.data;
    const int step = (int)command->page->exec_step, error = command->page->exec_error;
    const bool missing = error == ENOENT || error == ENOTDIR;
    result->start = missing && step == STEP_EXEC ? START_NOT_FOUND : START_NOT_EXECUTABLE;
    result->code = result->start == START_NOT_FOUND ? 127 : 126;
    if (step == STEP_DIRECTORY)
        put_text(result, "cannot change to directory", command->spec.cwd.data, error);
    else if (step == STEP_PREPARE)
        put_text(result, "cannot prepare descriptors or process group for", name, error);
    else
        put_text(result, "cannot execute", name, error);
}

struct watch {
    const struct command *command;
    struct message_result *result;
    pid_t pid;
    uint64_t floor; /* what the child may have inherited: wait4 reports no less */
    uint64_t seen;  /* VmHWM at the last look */
    bool stopped, over;
};

/* Whether the terminal's job control has stopped a command in the foreground, where it has remained: the user at the
 * terminal decides when it goes on. After any other stop its time goes on. */
static bool is_stopped_by_terminal(const struct watch *watch, int signal)
{
    const pid_t group = (pid_t)watch->command->spec.group;
    if (group == 0 || getpgid(watch->pid) != group || (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU))
        return false;
    int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    const bool is_in_front = terminal >= 0 && tcgetpgrp(terminal) == group;
    descriptor_close(&terminal);
    return is_in_front;
}

static void note_stop(struct page *page, bool stopped)
{
    const int64_t since = atomic_load(&page->stopped_since_ms);
    if (stopped && since == 0) {
        atomic_store(&page->stopped_since_ms, process_now_ms());
    } else if (!stopped && since != 0) {
        atomic_fetch_add(&page->stopped_ms, process_now_ms() - since);
        atomic_store(&page->stopped_since_ms, 0);
    }
}

/* signal: that stopped it; 0: it goes on. */
static void report_halted(const struct watch *watch, int signal)
{
    const struct message_halted halted = {.signal = (uint64_t)signal};
    if (watch->command->events != NULL)
        channel_send_small(watch->command->events, MESSAGE_HALTED, &halted, false);
}

static void note_end(struct watch *watch, int status, const struct rusage *usage)
{
    struct message_result *result = watch->result;
    const uint64_t most = (uint64_t)usage->ru_maxrss * 1024;
    watch->over = true;
    result->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    result->signal = WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0;
    watch->command->page->command_signal = (uint32_t)result->signal;
    result->peak = most > watch->floor + USAGE_SLACK ? most : watch->seen;
}

/* Reaps the command, and orphans of its processes, whose subreaper the worker is. */
static void reap(struct watch *watch)
{
    struct rusage usage;
    int status;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage)) > 0;) {
        if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
            if (pid != watch->pid)
                continue;
            watch->stopped = WIFSTOPPED(status);
            note_stop(watch->command->page, WIFSTOPPED(status) && is_stopped_by_terminal(watch, WSTOPSIG(status)));
            report_halted(watch, WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
        } else if (pid == watch->pid) {
            note_end(watch, status, &usage);
        } else {
            watch->result->processes++;
        }
    }
}

/* To the command's whole group if it has one of its own, else to the command alone. */
static void forward(const struct watch *watch, int signal)
{
    const pid_t target = watch->command->spec.group == 0 ? -watch->pid : watch->pid;
    kill(target, signal);
    if (watch->stopped && (signal == SIGTERM || signal == SIGHUP)) /* it has to run to end */
        kill(target, SIGCONT);
}

/* wait4's high-water mark starts from what the child inherited before exec. As long as the command is smaller only a
 * look at /proc tells its own; once it is larger, wait4 does. Returns the time until the next look, -1: none. */
static int look(struct watch *watch, int wait_ms)
{
    watch->seen = amount_larger(watch->seen, proc_peak(watch->pid));
    if (watch->seen > watch->floor + USAGE_SLACK)
        return -1;
    return wait_ms < LOOK_LAST_MS ? wait_ms * 2 : LOOK_LAST_MS;
}

static void wait_for_end(struct watch *watch, const sigset_t *signals)
{
    int wait_ms = look(watch, LOOK_FIRST_MS); /* the command may be over before the next */
    while (!watch->over) {
        const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};
        siginfo_t info;
        const int got = wait_ms < 0 ? sigwaitinfo(signals, &info) : sigtimedwait(signals, &info, &wait);
        reap(watch);
        const bool is_passed_on = got > 0 && got != SIGCHLD && info.si_code == SI_USER;
        if (is_passed_on && info.si_pid == watch->command->server && !watch->over)
            forward(watch, got);
        if (got < 0 && errno == EAGAIN && !watch->over)
            wait_ms = look(watch, wait_ms);
    }
}

/* A reader at the other end must see end-of-file when the command closes its own. */
static void drop_descriptors(const struct command *command)
{
    for (int i = 0; i < 3; i++)
        if (command->streams[i] >= 0)
            close(command->streams[i]);
    for (size_t i = 0; i < command->fd_count; i++)
        close(command->fds[i]);
    if (command->cwd >= 0)
        close(command->cwd);
}

static void run(const struct command *command, char **argv, char **envp, struct message_result *result)
{
    struct watch watch = {.command = command, .result = result, .floor = process_peak()};
    sigset_t signals;
    sigfillset(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    watch.pid = start_child(command, argv, envp);
    if (watch.pid < 0) {
        result->start = START_NO_PROCESS;
        put_text(result, "cannot start", argv[0], errno);
        return;
    }
    atomic_store(&command->page->command_pid, watch.pid);
    drop_descriptors(command);
    result->processes = 1;
    wait_for_end(&watch, &signals);
    if (command->page->exec_error != 0)
        note_failure(result, command);
}

void command_run(const struct command *command, struct message_result *result)
{
    char **argv = split(&command->spec.argv);
    char **envp = split(&command->spec.envp);
    result->command = 1;
    if (argv == NULL || argv[0] == NULL || envp == NULL) {
        result->start = START_NOT_EXECUTABLE;
        result->code = 126;
        put_text(result, "cannot start", "command", ENOMEM);
    } else {
        run(command, argv, envp, result);
    }
    free(argv);
    free(envp);
}
