#include "keeper.h"

#include "descriptor.h"
#include "image.h"
#include "message.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUIT_MS           300 /* for the fork server to end by itself, which takes a few */
#define SHORT_LIFE_MS     1000
#define BACKOFF_FREE      3 /* short lives in a row that cost no delay */
#define BACKOFF_FIRST_MS  20
#define BACKOFF_DOUBLINGS 6 /* of the delay, until it is the last */
#define BACKOFF_LAST_MS   1000
#define VERDICT_MS        30000 /* twenty times what the slowest takes */

/* The keeper's own descriptors get numbers that were in use when the host's were closed: then no fork handler remembers
 * them. None is in the gap: see process_gap_end. */
enum place { PLACE_SIGNALS, PLACE_CONTROL_HOST, PLACE_CONTROL, PLACE_LIFE_SERVER, PLACE_LIFE, PLACE_COUNT };

struct keeper {
    struct forkserver_config *config;
    int host_socket, host_pidfd, signals;
    int places[PLACE_COUNT];
    int held[FORKSERVER_HELD_MAX]; /* config->held, by their numbers now */
    pid_t self;
    pid_t server; /* 0: none */
    int life;     /* closes when the keeper dies, which ends the fork server */
    uint64_t generation;
    int64_t started_at, start_at; /* start_at: when to start the next */
    unsigned short_lives;
};

/* What the keeper thinks of its image: its first packet, to a host that waits for it (has_verdict). The keeper sends
 * it in judge(), the host receives it in keeper_await(). */
struct verdict {
    int code; /* 0, or a negative errno: then the keeper leaves */
    char message[200];
};

static bool has_verdict(const struct forkserver_config *config)
{
    return config->threaded || config->exclude_count > 0;
}

static void send_message(struct keeper *keeper, enum message_type type, const void *message, const int *fds,
                         size_t count)
{
    uint8_t storage[256];
    const ssize_t size = message_pack(storage, sizeof storage, type, message);
    if (size > 0) /* a handful of small packets: there is always room */
        descriptor_send(keeper->host_socket, storage, (size_t)size, fds, count);
}

static void keep_held(struct keeper *keeper, int **keep)
{
    for (size_t i = 0; i < keeper->config->held_count; i++)
        keep[i] = &keeper->held[i];
}

_Noreturn static void become_server(struct keeper *keeper, int control, int life)
{
    int host = keeper->host_pidfd;
    int *keep[3 + FORKSERVER_HELD_MAX] = {&control, &life, &host};
    keep_held(keeper, keep + 3);
    keeper->config->gap_end = process_gap_end(); /* before anything else is opened */
    /* The host's are closed, and stdio is empty: the rest are the keeper's own. */
    process_descriptors_close_but(keeper->config->gap_end, keep, 3 + (unsigned)keeper->config->held_count);
    forkserver_main(keeper->config, control, life, host);
}

static void start_later(struct keeper *keeper)
{
    const unsigned delays = keeper->short_lives > BACKOFF_FREE ? keeper->short_lives - BACKOFF_FREE : 0;
    keeper->start_at = process_now_ms();
    if (delays > 0)
        keeper->start_at += delays <= BACKOFF_DOUBLINGS ? BACKOFF_FIRST_MS << (delays - 1) : BACKOFF_LAST_MS;
}

/* Moves *fd to its place, or to a high number if the host's table was too full for places. */
static int put(const struct keeper *keeper, int *fd, enum place place)
{
    if (keeper->places[place] < 0)
        return process_descriptor_lift(fd);
    const int at = dup3(*fd, keeper->places[place], O_CLOEXEC);
    if (at < 0)
        return -errno;
    close(*fd);
    *fd = at;
    return 0;
}

static void start_server(struct keeper *keeper)
{
    int control[2] = {-1, -1}, life[2] = {-1, -1}; /* control: [0] the host's */
    pid_t pid = -1;
    keeper->started_at = process_now_ms();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0 && pipe2(life, O_CLOEXEC) == 0 &&
        put(keeper, &control[0], PLACE_CONTROL_HOST) == 0 && put(keeper, &control[1], PLACE_CONTROL) == 0 &&
        put(keeper, &life[0], PLACE_LIFE_SERVER) == 0 && put(keeper, &life[1], PLACE_LIFE) == 0)
        pid = fork(); /* runs fork handlers: see process_gap_end */
    if (pid == 0) {
        close(control[0]);
        close(life[1]);
        become_server(keeper, control[1], life[0]);
    }
    if (pid > 0) {
        const struct message_server server = {.generation = ++keeper->generation, .pid = (uint64_t)pid};
        keeper->server = pid;
        keeper->life = life[1];
        life[1] = -1;
        send_message(keeper, MESSAGE_SERVER, &server, control, 1);
    } else {
        const struct message_server_lost never = {.generation = keeper->generation, .status = -errno};
        send_message(keeper, MESSAGE_SERVER_LOST, &never, NULL, 0);
        keeper->short_lives++;
        start_later(keeper);
    }
    descriptor_close_pair(control);
    descriptor_close_pair(life);
}

/* The fork server died: ends what it left, and only then tells the host. */
static void bury_server(struct keeper *keeper, int status)
{
    const struct message_server_lost lost = {.generation = keeper->generation, .status = status};
    keeper->server = 0;
    descriptor_close(&keeper->life);
    sweep_all_below(keeper->self);
    send_message(keeper, MESSAGE_SERVER_LOST, &lost, NULL, 0);
    keeper->short_lives = process_now_ms() - keeper->started_at < SHORT_LIFE_MS ? keeper->short_lives + 1 : 0;
    start_later(keeper);
}

static void drain_signals(const struct keeper *keeper)
{
    struct signalfd_siginfo info;
    while (read(keeper->signals, &info, sizeof info) > 0)
        ;
}

static void reap(struct keeper *keeper)
{
    int status;
    drain_signals(keeper);
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == keeper->server) {
            bury_server(keeper, status);
            return;
        }
}

/* The host is gone or asks for the end. The fork server has seen that, too, and gets a moment to end everything. */
_Noreturn static void quit(struct keeper *keeper)
{
    if (keeper->server > 0) {
        const int64_t until = process_now_ms() + QUIT_MS;
        struct pollfd signals = {.fd = keeper->signals, .events = POLLIN};
        descriptor_close(&keeper->life);
        while (process_now_ms() < until && waitpid(keeper->server, NULL, WNOHANG) == 0) {
            poll(&signals, 1, 20);
            drain_signals(keeper);
        }
    }
    const int rc = sweep_all_below(keeper->self);
    cgroup_sweep(&keeper->config->cgroups); /* in case the fork server did not */
    _exit(rc == 0 ? 0 : 1);
}

static void loop(struct keeper *keeper)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = keeper->host_socket, .events = POLLIN},
                               {.fd = keeper->host_pidfd, .events = POLLIN},
                               {.fd = keeper->signals, .events = POLLIN}};
        int64_t wait = -1;
        if (keeper->server == 0) {
            wait = keeper->start_at - process_now_ms();
            if (wait <= 0) {
                start_server(keeper);
                continue;
            }
        }
        if (poll(fds, 3, (int)wait) < 0)
            continue;
        if (fds[0].revents != 0 || fds[1].revents != 0)
            quit(keeper);
        if (fds[2].revents != 0)
            reap(keeper);
    }
}

/* ---- the start ------------------------------------------------------------------------------------------------- */

/* Ends the process if workers cannot be made from its image. */
static void judge(const struct keeper *keeper, const sigset_t *child, int dropped, size_t which)
{
    const struct forkserver_config *config = keeper->config;
    struct verdict verdict = {.code = dropped};
    if (!has_verdict(config))
        return;
    if (dropped < 0) {
        snprintf(verdict.message, sizeof verdict.message, "exclude[%zu] cannot be unmapped: %s", which,
                 process_error(-dropped));
    } else if (config->threaded) {
        const char *lock = image_lock_held(child, config->fork_handlers);
        verdict.code = lock != NULL ? -EBUSY : 0;
        snprintf(verdict.message, sizeof verdict.message, "%s", lock != NULL ? lock : "");
    }
    if (send(keeper->host_socket, &verdict, sizeof verdict, MSG_NOSIGNAL) < 0 || verdict.code < 0)
        _exit(1);
}

_Noreturn static void keeper_main(struct forkserver_config *config, int host_socket, int host_pidfd)
{
    struct keeper keeper = {
        .config = config, .host_socket = host_socket, .host_pidfd = host_pidfd, .self = getpid(), .life = -1};
    int *keep[2 + PLACE_COUNT + FORKSERVER_HELD_MAX] = {&keeper.host_socket, &keeper.host_pidfd};
    sigset_t child;
    size_t which;
    const int dropped = image_drop(config->exclude, config->exclude_count, &which);
    for (int i = 0; i < PLACE_COUNT; i++) {
        keeper.places[i] = dup(host_socket);
        keep[2 + i] = &keeper.places[i];
    }
    for (size_t i = 0; i < config->held_count; i++)
        keeper.held[i] = config->held[i];
    keep_held(&keeper, keep + 2 + PLACE_COUNT);
    setpgid(0, 0);
    prctl(PR_SET_NAME, "reclaim-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    process_signals_reset(&config->origin);
    process_signal_ignore(SIGTTOU); /* a job in the background may write to the terminal */
    process_descriptors_keep(STDERR_FILENO + 1, keep, 2 + PLACE_COUNT + (unsigned)config->held_count);
    process_signals_hold(&child);
    judge(&keeper, &child, dropped, which);
    keeper.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (keeper.signals < 0 || put(&keeper, &keeper.signals, PLACE_SIGNALS) < 0)
        _exit(1);
    loop(&keeper);
    _exit(1);
}

pid_t keeper_start(struct forkserver_config *config, int *socket)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    /* Kernels before 5.3 have no pidfds: then only end-of-file shows the host's death. */
    int host = (int)syscall(SYS_pidfd_open, getpid(), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        keeper_main(config, pair[1], host);
    }
    const int error = errno;
    close(pair[1]);
    descriptor_close(&host);
    if (pid < 0) {
        close(pair[0]);
        return -error;
    }
    *socket = pair[0];
    return pid;
}

int keeper_await(pid_t keeper, int socket, const struct forkserver_config *config, char *message, size_t size)
{
    struct pollfd answer = {.fd = socket, .events = POLLIN};
    struct verdict verdict = {.code = -ETIMEDOUT};
    const int64_t until = process_now_ms() + VERDICT_MS;
    int ready = 0;
    if (!has_verdict(config))
        return 0;
    for (int64_t left; ready <= 0 && (left = until - process_now_ms()) > 0;)
        ready = poll(&answer, 1, (int)left);
    if (ready > 0 && recv(socket, &verdict, sizeof verdict, 0) != (ssize_t)sizeof verdict)
        verdict = (struct verdict){-ECHILD, "the keeper process died at once"};
    else if (ready <= 0)
        snprintf(verdict.message, sizeof verdict.message,
                 "the keeper process is not ready after %d s: a fork handler may hang in it", VERDICT_MS / 1000);
    if (verdict.code == 0)
        return 0;
    kill(keeper, SIGKILL);
    while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    verdict.message[sizeof verdict.message - 1] = '\0';
    snprintf(message, size, "%s", verdict.message);
    return verdict.code;
}
