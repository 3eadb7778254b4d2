#include "command.h"

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

/* Signals that are the command's when its worker gets them. */
static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM, SIGUSR1,
                                SIGUSR2, SIGALRM, SIGWINCH, SIGTSTP, SIGCONT};

/* Where a child may fail before it execs. */
enum step { STEP_EXEC, STEP_DIRECTORY, STEP_PREPARE };

/* Turns "a\0b\0" into a NULL-terminated vector of pointers into it. NULL for want of memory or a missing NUL. */
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

/* Puts the descriptors at 0 to 2 and 3, 4, ... They are all numbered above where they go. */
static int place_descriptors(const struct command *command)
{
    const int first_free = 3 + (int)command->fd_count;
    int lifted[3 + DESCRIPTOR_MAX];
    const int count = 3 + (int)command->fd_count;
    for (int i = 0; i < count; i++) {
        const int from = i < 3 ? command->streams[i] : command->fds[i - 3];
        lifted[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, first_free);
        if (from >= 0 && lifted[i] < 0)
            return -errno;
    }
    for (int i = 0; i < count; i++)
        if (lifted[i] >= 0 && dup2(lifted[i], i) < 0)
            return -errno;
    for (int i = 0; i < 3; i++)
        if (command->streams[i] == COMMAND_CLOSED)
            close(i);
    descriptor_close_range((unsigned)first_free, ~0U);
    return 0;
}

_Noreturn static void fail_exec(const struct command *command, enum step step, int error)
{
    command->page->exec_step = step;
    command->page->exec_error = error;
    _exit(127);
}

/* Execs what is found in PATH. execvp(3) does so by trying, and a try costs ten times as much as to look whether the
 * program is there; whatever is not plain is left to it. */
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

_Noreturn static void exec_child(const struct command *command, char **argv, pid_t worker)
{
    const char *cwd = command->spec.cwd.data;
    if (process_die_with(worker) < 0)
        _exit(127);
    if (setpgid(0, (pid_t)command->spec.group) < 0)
        fail_exec(command, STEP_PREPARE, errno);
    const int rc = place_descriptors(command);
    if (rc < 0)
        fail_exec(command, STEP_PREPARE, -rc);
    if (command->spec.cwd.size > 0 && chdir(cwd) < 0)
        fail_exec(command, STEP_DIRECTORY, errno);
    if (command->data_limit >= 0) {
        const struct rlimit limit = {(rlim_t)command->data_limit, (rlim_t)command->data_limit};
        setrlimit(RLIMIT_DATA, &limit);
    }
    process_signals_restore(command->origin);
    exec_found(argv);
    execvp(argv[0], argv);
    fail_exec(command, STEP_EXEC, errno);
}

/* Until it execs the child has our memory, and we wait: there is no copy to be made for it, nor to be thrown away again
 * by exec. So it must change nothing here that we need. Its pid, or -1. */
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
    uint64_t floor; /* what the child may have inherited: wait4 tells no less */
    uint64_t seen;  /* VmHWM as last looked at */
    bool over;
};

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
static void tell_halted(const struct watch *watch, int signal)
{
    const struct message_halted halted = {.signal = (uint64_t)signal};
    uint8_t storage[64];
    struct frame_buffer frame;
    if (watch->command->events == NULL)
        return;
    frame_buffer_init(&frame, storage, sizeof storage);
    if (message_pack(&frame, MESSAGE_HALTED, &halted) == 0)
        channel_send(watch->command->events, &frame, 0);
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

/* Reaps whoever ended: the command, and orphans of its that this subreaper got. */
static void reap(struct watch *watch)
{
    struct rusage usage;
    int status;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage)) > 0;) {
        if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
            if (pid != watch->pid)
                continue;
            note_stop(watch->command->page, WIFSTOPPED(status));
            tell_halted(watch, WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
        } else if (pid == watch->pid) {
            note_end(watch, status, &usage);
        } else {
            watch->result->processes++;
        }
    }
}

/* In a group of its own the whole group gets it; in the caller's only the command itself. A stopped one has to be awake
 * to end. */
static void forward(const struct watch *watch, int signal)
{
    const bool own_group = watch->command->spec.group == 0;
    const pid_t target = own_group ? -watch->pid : watch->pid;
    if (signal == SIGCONT && !own_group && atomic_load(&watch->command->page->stopped_since_ms) == 0)
        return; /* a shell's fg went to the whole group, and once is enough */
    kill(target, signal);
    if (signal == SIGTERM || signal == SIGHUP)
        kill(target, SIGCONT);
}

/* wait4's high-water mark starts from what the child inherited before exec. As long as the command is smaller than that
 * only looking at it tells, ever less often; once it is larger, or in the end, wait4 does. */
static int look(struct watch *watch, int wait_ms)
{
    const uint64_t peak = proc_peak(watch->pid);
    if (peak > watch->seen)
        watch->seen = peak;
    if (watch->seen > watch->floor + USAGE_SLACK)
        return -1;
    return wait_ms < LOOK_LAST_MS ? wait_ms * 2 : LOOK_LAST_MS;
}

static void wait_for_end(struct watch *watch, const sigset_t *signals)
{
    int wait_ms = look(watch, LOOK_FIRST_MS); /* it may be over before the next */
    while (!watch->over) {
        const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};
        const int got = wait_ms < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &wait);
        reap(watch);
        if (got > 0 && got != SIGCHLD && !watch->over)
            forward(watch, got);
        if (got < 0 && errno == EAGAIN && !watch->over)
            wait_ms = look(watch, wait_ms);
    }
}

/* The command has them now: a reader at the other end must see end-of-file when the command closes its own. */
static void drop_descriptors(const struct command *command)
{
    for (int i = 0; i < 3; i++)
        if (command->streams[i] >= 0)
            close(command->streams[i]);
    for (size_t i = 0; i < command->fd_count; i++)
        close(command->fds[i]);
}

/* What the kernel's counter for the child begins with. */
static uint64_t high_water_mark(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static void run(const struct command *command, char **argv, char **envp, struct message_result *result)
{
    struct watch watch = {.command = command, .result = result, .floor = high_water_mark()};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
        sigaddset(&signals, forwarded[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    watch.pid = start_child(command, argv, envp);
    if (watch.pid < 0) {
        result->start = START_NO_PROCESS;
        put_text(result, "cannot start", argv[0], errno);
        return;
    }
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
