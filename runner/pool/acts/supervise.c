#include "supervise.h"

#include "descriptor.h"
#include "loop.h"
#include "proc.h"
#include "process.h"
#include "sweep.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKET_MAX             ((size_t)16 * 1024)
#define LAST_MOMENT_MS         1000
#define SWEEP_PASSES           100
#define SWEEP_PAUSE_MS         2
#define END_BOUND_MS           10000 /* keeper and fork server bound themselves to less */
#define FORKS_FAILED_MAX       16    /* in a row, over some ten seconds */
#define GENERATIONS_FAILED_MAX 5     /* fork servers in a row that never got ready */

union packet {
    struct message_server server;
    struct message_server_lost lost;
    struct message_hello hello;
    struct message_born born;
    struct message_memory memory;
    struct message_gone gone;
};

/* ---- the pool as a whole --------------------------------------------------------------------------------------- */

static void set_ready(struct loop *loop)
{
    pool_t *pool = loop->pool;
    loop->server_ready = true;
    loop->failed_generations = 0;
    pthread_mutex_lock(&pool->lock);
    if (pool->phase == POOL_OPENING) {
        pool->phase = POOL_OPEN;
        pthread_cond_broadcast(&pool->phase_changed);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* The pool cannot go on: everything settles, submits say why. */
static void fail_pool(struct loop *loop, int code, const char *message)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    if (pool->error.code == 0) {
        pool->error.code = code;
        snprintf(pool->error.message, sizeof pool->error.message, "%s", message);
    }
    pthread_cond_broadcast(&pool->room);
    pthread_cond_broadcast(&pool->phase_changed);
    pthread_mutex_unlock(&pool->lock);
    loop_log(loop, "the pool has failed: %s", message);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

static void on_control(uv_poll_t *poll, int status, int events);

static void watch_control(struct loop *loop)
{
    const int writable = STAILQ_EMPTY(&loop->unsent) ? 0 : UV_WRITABLE;
    uv_poll_start(loop->control_poll, UV_READABLE | UV_DISCONNECT | writable, on_control);
    loop->has_news = true;
}

/* Refused for the moment. */
static bool is_full(ssize_t sent)
{
    return sent == -EAGAIN || sent == -ENOBUFS || sent == -ENOMEM;
}

static int keep_unsent(struct loop *loop, const struct frame_buffer *frame)
{
    struct unsent *unsent = malloc(sizeof *unsent + frame->size);
    if (unsent == NULL) {
        loop_log(loop, "no memory for a message to the fork server");
        return -ENOMEM;
    }
    unsent->size = frame->size;
    memcpy(unsent->data, frame->data, frame->size);
    STAILQ_INSERT_TAIL(&loop->unsent, unsent, link);
    watch_control(loop);
    return 0;
}

static void send_unsent(struct loop *loop)
{
    for (struct unsent *first; (first = STAILQ_FIRST(&loop->unsent)) != NULL;) {
        if (is_full(descriptor_send(loop->control, first->data, first->size, NULL, 0)))
            return;
        STAILQ_REMOVE_HEAD(&loop->unsent, link);
        free(first);
    }
    watch_control(loop);
}

static void drop_unsent(struct loop *loop)
{
    for (struct unsent *first; (first = STAILQ_FIRST(&loop->unsent)) != NULL;) {
        STAILQ_REMOVE_HEAD(&loop->unsent, link);
        free(first);
    }
}

int supervise_send(struct loop *loop, enum message_type type, const void *message)
{
    uint8_t storage[256];
    struct frame_buffer frame;
    if (loop->control < 0)
        return 0;
    frame_buffer_init(&frame, storage, sizeof storage);
    const int rc = message_pack(&frame, type, message);
    assert(rc == 0);
    if (rc == 0 &&
        (!STAILQ_EMPTY(&loop->unsent) || is_full(descriptor_send(loop->control, frame.data, frame.size, NULL, 0))))
        return keep_unsent(loop, &frame);
    return rc;
}

void supervise_fork(struct loop *loop, size_t count)
{
    const struct message_fork request = {.count = count};
    loop->asked_count += count;
    supervise_send(loop, MESSAGE_FORK, &request);
}

static void send_signal(int pidfd, pid_t pid, int signal)
{
    if (pidfd >= 0)
        syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
    else if (pid > 0)
        kill(pid, signal);
}

/* Somebody may have stopped one of them: only awake they can end what they have. */
void supervise_end(struct loop *loop)
{
    loop->ending = true;
    loop->bound_at = process_now_ms() + END_BOUND_MS;
    if (loop->keeper_socket >= 0) { /* not close: a child of the host may hold a copy */
        shutdown(loop->keeper_socket, SHUT_WR);
        send_signal(loop->keeper_pidfd, loop->keeper_pid, SIGCONT);
    }
    if (loop->control >= 0) {
        shutdown(loop->control, SHUT_WR);
        send_signal(loop->server_pidfd, 0, SIGCONT);
    }
}

static void on_control_closed(uv_handle_t *handle)
{
    free(handle);
}

/* A process's descriptors close a moment before it has ended. */
static void await_end(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    if (pidfd >= 0)
        poll(&end, 1, LAST_MOMENT_MS);
}

static void drop_control(struct loop *loop)
{
    if (loop->control < 0)
        return;
    await_end(loop->server_pidfd);
    uv_close((uv_handle_t *)loop->control_poll, on_control_closed);
    loop->control_poll = NULL;
    descriptor_close(&loop->control);
    descriptor_close(&loop->server_pidfd);
    drop_unsent(loop);
    loop->server_ready = false;
    pthread_mutex_lock(&loop->pool->lock);
    loop->pool->stats.fork_server_pid = -1;
    pthread_mutex_unlock(&loop->pool->lock);
}

static bool is_a_peers(uint64_t serial, void *context)
{
    return peer_find(context, serial) != NULL;
}

void supervise_sweep(struct loop *loop)
{
    sweep_tagged(is_a_peers, loop, SWEEP_PASSES, SWEEP_PAUSE_MS);
    cgroup_sweep(&loop->config.cgroups);
}

void supervise_force(struct loop *loop)
{
    if (!loop->keeper_gone)
        send_signal(loop->keeper_pidfd, loop->keeper_pid, SIGKILL);
    if (loop->control >= 0)
        send_signal(loop->server_pidfd, 0, SIGKILL);
    drop_control(loop);
}

/* ---- fork server ----------------------------------------------------------------------------------------------- */

/* How jobs are measured and limited; a fallback is said. */
static void set_method(struct loop *loop, const struct message_hello *hello)
{
    atomic_store(&loop->pool->method, (pool_memory_method_t)hello->method);
    if (hello->method == POOL_MEMORY_CGROUP)
        return;
    if (hello->message.size > 0)
        loop_log(loop, "memory is sampled, not measured by cgroups: %.*s", (int)hello->message.size,
                 (const char *)hello->message.data);
    else if (loop->sampled_why[0] != '\0')
        loop_log(loop, "memory is sampled, not measured by cgroups: %s", loop->sampled_why);
    loop->sampled_why[0] = '\0'; /* once */
}

static void log_notes(const struct loop *loop, uint64_t notes)
{
    static const struct {
        enum message_note note;
        const char *line;
    } lines[] = {
        {NOTE_RANDOM_HELD,
         "another thread was inside random() or srandom() when the pool was opened: random generators "
         "are not seeded for each job, and a job that calls random() hangs; open the pool before "
         "other threads start"},
        {NOTE_EXIT_HELD,
         "another thread was inside atexit() or exit() when the pool was opened: a job that calls exit() "
         "hangs; open the pool before other threads start"},
        {NOTE_NO_PIDS,
         "the cgroup has no pids controller (give it Delegate=memory pids): a limit on processes is kept by "
         "counting them, every 10 ms"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if ((notes & lines[i].note) != 0)
            loop_log(loop, "%s", lines[i].line);
}

static void on_hello(struct loop *loop, const struct message_hello *hello)
{
    char message[256];
    if (hello->code == 0) {
        log_notes(loop, hello->notes);
        if ((hello->notes & NOTE_NO_CPU) != 0)
            atomic_store(&loop->pool->has_cpu_weight, false);
        set_method(loop, hello);
        set_ready(loop);
        return;
    }
    snprintf(message, sizeof message, "%.*s", (int)hello->message.size, (const char *)hello->message.data);
    loop->failed_generations++;
    pthread_mutex_lock(&loop->pool->lock);
    const bool opening = loop->pool->phase == POOL_OPENING;
    pthread_mutex_unlock(&loop->pool->lock);
    if (opening || loop->failed_generations >= GENERATIONS_FAILED_MAX) {
        fail_pool(loop, -ECANCELED, message);
        supervise_end(loop);
    } else {
        loop_log(loop, "fork server %d cannot start: %s", (int)loop->server_pid, message);
    }
}

/* A worker is there, or will be in a moment: takes its ends out of the set. */
static void add_peer(struct loop *loop, uint64_t serial, struct descriptor_set *set)
{
    const struct births_view view = loop_births(loop);
    pthread_mutex_lock(&loop->pool->lock);
    loop->pool->stats.workers_started++;
    loop->pool->stats.tag = (uint32_t)(serial >> 32); /* the low half counts: worker/server.c */
    pthread_mutex_unlock(&loop->pool->lock);
    if (births_surplus(&view)) /* without its ends, which go with the set, it leaves */
        return;
    int task = descriptor_set_take(set);
    const int pipe = descriptor_set_take(set);
    const char *why = NULL;
    if (pipe < 0) {
        descriptor_close(&task);
        why = "its descriptors did not arrive: raise the limit on open files (ulimit -n)";
    } else if (peer_born(loop, serial, task, pipe) == NULL) {
        why = strerror(ENOMEM);
    }
    if (why != NULL) { /* it is of no use */
        const struct message_kill kill = {.serial = serial, .verdict = VERDICT_BIRTH};
        supervise_send(loop, MESSAGE_KILL, &kill);
        loop_birth_failed(loop, why);
    }
}

static void on_born(struct loop *loop, const struct message_born *born, struct descriptor_set *set)
{
    if (loop->asked_count > 0)
        loop->asked_count--;
    if (born->error != 0)
        loop_birth_failed(loop, strerror((int)born->error));
    else
        add_peer(loop, born->serial, set);
}

static void on_memory(struct loop *loop, const struct message_memory *memory)
{
    struct peer *peer = peer_find(loop, memory->serial);
    if (peer != NULL)
        peer_memory(peer, memory);
}

static void on_gone(struct loop *loop, const struct message_gone *gone, struct descriptor_set *set)
{
    struct peer *peer = peer_find(loop, gone->serial);
    if (gone->replacement != 0)
        add_peer(loop, gone->replacement, set);
    if (peer != NULL)
        peer_gone(peer, gone);
}

/* Receives one packet of the types that may come on this socket: its type, 0: nothing there, negative: the other end is
 * gone, or not to be understood. */
static int receive_packet(int socket, const bool *allowed, uint8_t *bytes, union packet *packet,
                          struct descriptor_set *set)
{
    struct frame_header header;
    const ssize_t got = descriptor_receive(socket, bytes, PACKET_MAX, MSG_DONTWAIT, set);
    if (got == -EAGAIN)
        return 0;
    if (got <= 0)
        return got == 0 ? -EPIPE : (int)got;
    if (got < (ssize_t)FRAME_HEADER_SIZE || frame_header_read(bytes, &header) < 0 ||
        (size_t)got != FRAME_HEADER_SIZE + header.length || header.type >= MESSAGE_TYPE_COUNT_ ||
        !allowed[header.type] || message_unpack(header.type, bytes + FRAME_HEADER_SIZE, header.length, packet) < 0) {
        descriptor_set_close(set);
        return -EBADMSG;
    }
    return header.type;
}

/* Handles all that the fork server has said. */
static void read_control(struct loop *loop)
{
    static const bool allowed[MESSAGE_TYPE_COUNT_] = {
        [MESSAGE_HELLO] = true, [MESSAGE_BORN] = true, [MESSAGE_MEMORY] = true, [MESSAGE_GONE] = true};
    while (loop->control >= 0) {
        uint8_t bytes[PACKET_MAX];
        union packet packet;
        struct descriptor_set set;
        const int type = receive_packet(loop->control, allowed, bytes, &packet, &set);
        if (type == 0)
            return;
        if (type < 0) { /* server_lost follows from the keeper, when what it left has been swept */
            drop_control(loop);
            return;
        }
        if (type == MESSAGE_HELLO)
            on_hello(loop, &packet.hello);
        else if (type == MESSAGE_BORN)
            on_born(loop, &packet.born, &set);
        else if (type == MESSAGE_MEMORY)
            on_memory(loop, &packet.memory);
        else
            on_gone(loop, &packet.gone, &set);
        descriptor_set_close(&set);
    }
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    struct loop *loop = poll->data;
    (void)status;
    if ((events & UV_WRITABLE) != 0)
        send_unsent(loop);
    read_control(loop);
    loop_step(loop);
}

/* It is the keeper's child, not ours, so its number may be another's by now: looked at again once the pidfd is open. */
static int open_server(const struct loop *loop)
{
    struct proc_entry entry;
    int pidfd = (int)syscall(SYS_pidfd_open, loop->server_pid, 0);
    if (pidfd >= 0 && (proc_entry_read(loop->server_pid, &entry) < 0 || entry.parent != loop->keeper_pid))
        descriptor_close(&pidfd);
    return pidfd;
}

static void on_server(struct loop *loop, const struct message_server *server, struct descriptor_set *set)
{
    drop_control(loop);
    loop->generation = server->generation;
    loop->server_pid = (pid_t)server->pid;
    loop->control = descriptor_set_take(set);
    loop->control_poll = calloc(1, sizeof *loop->control_poll);
    if (loop->control < 0 || loop->control_poll == NULL ||
        uv_poll_init(&loop->uv, loop->control_poll, loop->control) < 0) {
        free(loop->control_poll);
        loop->control_poll = NULL;
        descriptor_close(&loop->control); /* it sees that, and ends: the keeper starts another */
        return;
    }
    loop->control_poll->data = loop;
    loop->server_pidfd = open_server(loop);
    watch_control(loop);
    pthread_mutex_lock(&loop->pool->lock);
    loop->pool->stats.fork_server_pid = (int32_t)server->pid;
    pthread_mutex_unlock(&loop->pool->lock);
}

/* Everything that the fork server had is gone with it, and swept. */
static void lose_peers(struct loop *loop)
{
    struct peer *peer, *next;
    HASH_ITER(hh, loop->peers, peer, next) {
        peer_lost(peer);
    }
    loop->asked_count = 0;
}

static void describe_death(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exit %d", WEXITSTATUS(status));
}

/* The keeper could not fork it, and goes on trying. */
static void on_server_unforked(struct loop *loop, int error)
{
    char message[256];
    snprintf(message, sizeof message, "the fork server cannot be forked: %s", strerror(error));
    pthread_mutex_lock(&loop->pool->lock);
    const bool opening = loop->pool->phase == POOL_OPENING;
    pthread_mutex_unlock(&loop->pool->lock);
    loop->failed_generations++;
    if (opening || loop->failed_generations >= FORKS_FAILED_MAX) {
        fail_pool(loop, -error, message);
        supervise_end(loop);
    } else if (loop->failed_generations == 1) {
        loop_log(loop, "%s", message);
    }
}

static void on_server_lost(struct loop *loop, const struct message_server_lost *lost)
{
    char death[64], message[256];
    if (lost->status < 0) {
        on_server_unforked(loop, (int)-lost->status);
        return;
    }
    const bool was_ready = loop->server_ready;
    read_control(loop); /* what it still said before it died */
    drop_control(loop);
    describe_death((int)lost->status, death, sizeof death);
    pthread_mutex_lock(&loop->pool->lock);
    const bool opening = loop->pool->phase == POOL_OPENING && loop->pool->error.code == 0;
    if (!loop->ending)
        loop->pool->stats.fork_servers_lost++;
    pthread_mutex_unlock(&loop->pool->lock);
    if (opening && !was_ready) {
        snprintf(message, sizeof message, "the fork server died while it started (in on_start?): %s", death);
        fail_pool(loop, -ECANCELED, message);
        supervise_end(loop);
    } else if (!loop->ending) {
        loop_log(loop, "fork server %d died: %s; the keeper starts another", (int)loop->server_pid, death);
    }
    lose_peers(loop);
}

/* ---- keeper ---------------------------------------------------------------------------------------------------- */

/* True: it has said that nothing is left. */
static bool reap_keeper(struct loop *loop)
{
    /* By pidfd where there is one: if the host's own waitpid(-1) took the status, the pid may be another child by now.
     */
    const bool has_pidfd = loop->keeper_pidfd >= 0;
    const id_t who = has_pidfd ? (id_t)loop->keeper_pidfd : (id_t)loop->keeper_pid;
    siginfo_t info;
    int rc;
    do {
        rc = waitid(has_pidfd ? (idtype_t)P_PIDFD : P_PID, who, &info, WEXITED);
    } while (rc < 0 && errno == EINTR);
    return rc == 0 && info.si_code == CLD_EXITED && info.si_status == 0;
}

static void on_keeper_gone(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->keeper_poll, NULL);
    descriptor_close(&loop->keeper_socket);
    loop->nothing_left = reap_keeper(loop);
    descriptor_close(&loop->keeper_pidfd);
    loop->keeper_gone = true;
    if (loop->control >= 0) /* it sees that too, and ends what it has */
        loop->bound_at = process_now_ms() + END_BOUND_MS;
    pthread_mutex_lock(&loop->pool->lock);
    loop->pool->stats.keeper_pid = -1;
    pthread_mutex_unlock(&loop->pool->lock);
    if (!loop->ending)
        fail_pool(loop, -EIO, "the keeper process of this pool is gone: close the pool and open another");
}

static void on_keeper(uv_poll_t *poll, int status, int events)
{
    static const bool allowed[MESSAGE_TYPE_COUNT_] = {[MESSAGE_SERVER] = true, [MESSAGE_SERVER_LOST] = true};
    struct loop *loop = poll->data;
    (void)status;
    (void)events;
    for (;;) {
        uint8_t bytes[PACKET_MAX];
        union packet packet;
        struct descriptor_set set;
        const int type = receive_packet(loop->keeper_socket, allowed, bytes, &packet, &set);
        if (type == 0)
            break;
        if (type < 0) {
            on_keeper_gone(loop);
            break;
        }
        if (type == MESSAGE_SERVER)
            on_server(loop, &packet.server, &set);
        else
            on_server_lost(loop, &packet.lost);
        descriptor_set_close(&set);
    }
    loop_step(loop);
}

int supervise_start(struct loop *loop)
{
    const int rc = uv_poll_init(&loop->uv, &loop->keeper_poll, loop->keeper_socket);
    if (rc < 0)
        return rc;
    loop->keeper_poll.data = loop;
    return uv_poll_start(&loop->keeper_poll, UV_READABLE | UV_DISCONNECT, on_keeper);
}
