#include "supervise.h"

#include "attempt.h"
#include "peer.h"
#include "proc.h"
#include "process.h"
#include "spawn.h"
#include "state.h"
#include "sweep.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char no_area[] = "its shared memory cannot be mapped: raise the limits on open files and address space";

#define LAST_MOMENT_MS         1000
#define SWEEP_PASSES           100
#define SWEEP_PAUSE_MS         2
#define END_BOUND_MS           10000 /* keeper and fork server bound themselves to less */
#define KILL_AGAIN_MS          3000
#define FORKS_FAILED_MAX       16 /* in a row, over some ten seconds */
#define GENERATIONS_FAILED_MAX 5  /* fork servers in a row that never got ready */

/* ---- ending ------------------------------------------------------------------------------------------------------ */

void supervise_end(pool_t *pool)
{
    pool->supervision.end_asked = true;
    pool->supervision.bound_at = process_now_ms() + END_BOUND_MS;
    link_shut(&pool->keeper);
    link_shut(&pool->server);
}

bool supervise_is_over(const pool_t *pool)
{
    return pool->supervision.keeper_gone && !link_is_open(&pool->server);
}

/* A process's descriptors close a moment before it has ended. */
static void await_end(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    if (pidfd >= 0)
        poll(&end, 1, LAST_MOMENT_MS);
}

static void drop_server(pool_t *pool)
{
    if (!link_is_open(&pool->server))
        return;
    await_end(pool->server.pidfd);
    link_close(&pool->server);
    state_set_pid(pool, &pool->stats.fork_server_pid, -1);
}

/* Kills keeper and fork server, which did not end in time. */
static void force(pool_t *pool)
{
    if (!pool->supervision.keeper_gone)
        link_signal(&pool->keeper, SIGKILL);
    if (link_is_open(&pool->server))
        link_signal(&pool->server, SIGKILL);
    drop_server(pool);
}

void supervise_step(pool_t *pool, int64_t now)
{
    struct supervision *supervision = &pool->supervision;
    if (now < supervision->bound_at)
        return;
    if (!supervision->end_asked && !supervision->keeper_gone) {
        supervise_end(pool);
        return;
    }
    force(pool);
    supervision->bound_at = supervision->keeper_gone ? MOMENT_NEVER : now + KILL_AGAIN_MS;
}

static bool is_a_peers(uint64_t serial, void *pool)
{
    return crew_find(&((pool_t *)pool)->crew, serial) != NULL;
}

void supervise_sweep(pool_t *pool)
{
    if (pool->supervision.nothing_left)
        return;
    sweep_tagged(is_a_peers, pool, SWEEP_PASSES, SWEEP_PAUSE_MS);
    cgroup_sweep(&pool->supervision.config.cgroups);
}

/* The pool cannot go on: everything settles, submits say why. */
static void fail(pool_t *pool, int code, const char *message)
{
    state_set_failed(pool, code, message);
    supervise_end(pool);
}

/* ---- what the fork server says ----------------------------------------------------------------------------------- */

/* Notes how jobs are measured and limited, and logs a fallback. */
static void set_method(pool_t *pool, const struct message_hello *hello)
{
    char *before = pool->supervision.sampled_why;
    const struct message_slice why =
        hello->message.size > 0 ? hello->message : (struct message_slice){before, strlen(before)};
    atomic_store(&pool->method, (pool_memory_method_t)hello->method);
    if (hello->method == POOL_MEMORY_CGROUP)
        return;
    if (why.size > 0)
        log_hook_say(&pool->log, "memory is sampled, not measured by cgroups: %.*s", (int)why.size,
                     (const char *)why.data);
    before[0] = '\0'; /* once */
}

static void log_notes(const pool_t *pool, uint64_t notes)
{
    if ((notes & NOTE_NO_MSEAL) != 0)
        log_hook_say(&pool->log,
                     "this kernel has no mseal(2) (Linux 6.10): a job that sets out to can read and change what "
                     "the pool shares with jobs that run beside it");
    if ((notes & NOTE_NO_PIDS) != 0)
        log_hook_say(&pool->log,
                     "the cgroup has no pids controller (give it Delegate=memory pids): a limit on processes "
                     "is kept by counting them, every 10 ms");
}

/* Whether the pool cannot open, or cannot go on: too many failures in a row, or the first one already. */
static bool is_hopeless(pool_t *pool, unsigned failures_max)
{
    return state_is_opening(pool) || pool->supervision.failed_generations >= failures_max;
}

/* Maps the area of the new fork server. 0 or a negative errno. */
static int take_area(pool_t *pool, struct descriptor_set *set)
{
    int fds[2] = {descriptor_set_take(set), descriptor_set_take(set)};
    area_unmap(&pool->area);
    const int rc = fds[1] < 0 ? -EMFILE : area_map(&pool->area, pool->supervision.config.slots, fds);
    descriptor_close_pair(fds);
    if (rc == 0)
        atomic_store(&area_host_page(&pool->area)->full, pool->spawn.full > 0);
    return rc;
}

static void on_hello(pool_t *pool, struct message_hello *hello, struct descriptor_set *set)
{
    char message[256];
    if (hello->code == 0)
        hello->code = take_area(pool, set);
    if (hello->code < 0 && hello->message.size == 0)
        hello->message = (struct message_slice){no_area, sizeof no_area - 1};
    if (hello->code == 0) {
        log_notes(pool, hello->notes);
        if ((hello->notes & NOTE_NO_CPU) != 0)
            atomic_store(&pool->has_cpu_weight, false);
        set_method(pool, hello);
        pool->server.is_ready = true;
        pool->supervision.failed_generations = 0;
        state_set_open(pool);
        return;
    }
    snprintf(message, sizeof message, "%.*s", (int)hello->message.size, (const char *)hello->message.data);
    pool->supervision.failed_generations++;
    if (is_hopeless(pool, GENERATIONS_FAILED_MAX))
        fail(pool, -ECANCELED, message);
    else
        log_hook_say(&pool->log, "fork server %d cannot start: %s", (int)pool->server.pid, message);
}

static void on_gone(pool_t *pool, const struct message_gone *gone, struct descriptor_set *set)
{
    struct peer *peer = crew_find(&pool->crew, gone->serial);
    const struct message_born next = {
        .serial = gone->replacement, .slot = gone->replacement_slot, .secret = gone->replacement_secret};
    if (next.serial != 0)
        spawn_born(pool, &next, set);
    if (peer != NULL)
        attempt_end(peer, gone);
}

/* Handles all that the fork server has said. */
static void read_server(pool_t *pool)
{
    static const bool allowed[MESSAGE_TYPE_COUNT_] = {
        [MESSAGE_HELLO] = true, [MESSAGE_BORN] = true, [MESSAGE_MEMORY] = true, [MESSAGE_GONE] = true};
    while (link_is_open(&pool->server)) {
        struct link_packet packet;
        const int type = link_receive(&pool->server, allowed, &packet);
        if (type == 0)
            return;
        if (type < 0) { /* the keeper sends server_lost when the processes of this server have been swept */
            drop_server(pool);
            return;
        }
        if (type == MESSAGE_HELLO)
            on_hello(pool, &packet.hello, &packet.set);
        else if (type == MESSAGE_BORN)
            spawn_answered(pool, &packet.born, &packet.set);
        else if (type == MESSAGE_MEMORY)
            attempt_used(crew_find(&pool->crew, packet.memory.serial), &packet.memory);
        else
            on_gone(pool, &packet.gone, &packet.set);
        descriptor_set_close(&packet.set);
    }
}

static void on_server_ready(struct link *server)
{
    pool_t *pool = server->user;
    read_server(pool);
    drive_step(&pool->drive);
}

/* ---- what the keeper says ---------------------------------------------------------------------------------------- */

/* It is the keeper's child, not ours, so its number may be another's by now: looked at again once the pidfd is open. */
static int open_pidfd(const pool_t *pool, pid_t server)
{
    struct proc_entry entry;
    int pidfd = (int)syscall(SYS_pidfd_open, server, 0);
    if (pidfd >= 0 && (proc_entry_read(server, &entry) < 0 || entry.parent != pool->keeper.pid))
        descriptor_close(&pidfd);
    return pidfd;
}

/* A fork server that the host cannot listen to sees its socket close, and ends: the keeper starts another. */
static void on_server(pool_t *pool, const struct message_server *server, struct descriptor_set *set)
{
    const pid_t pid = (pid_t)server->pid;
    const int socket = descriptor_set_take(set);
    drop_server(pool);
    if (socket >= 0 && link_open(&pool->server, socket, pid, open_pidfd(pool, pid), on_server_ready, pool) == 0)
        state_set_pid(pool, &pool->stats.fork_server_pid, (int32_t)pid);
}

static void describe_death(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exit %d", WEXITSTATUS(status));
}

/* The keeper could not fork the fork server, and goes on trying. */
static void on_server_unforked(pool_t *pool, int error)
{
    char message[256];
    snprintf(message, sizeof message, "the fork server cannot be forked: %s", strerror(error));
    pool->supervision.failed_generations++;
    if (is_hopeless(pool, FORKS_FAILED_MAX))
        fail(pool, -error, message);
    else if (pool->supervision.failed_generations == 1)
        log_hook_say(&pool->log, "%s", message);
}

static void on_server_lost(pool_t *pool, const struct message_server_lost *lost)
{
    char death[64], message[256];
    if (lost->status < 0) {
        on_server_unforked(pool, (int)-lost->status);
        return;
    }
    const bool was_ready = pool->server.is_ready;
    read_server(pool); /* its last messages */
    drop_server(pool);
    describe_death((int)lost->status, death, sizeof death);
    if (!pool->supervision.end_asked)
        state_count(pool, &pool->stats.fork_servers_lost);
    if (!was_ready && state_is_opening(pool)) {
        snprintf(message, sizeof message, "the fork server died while it started (in on_start?): %s", death);
        fail(pool, -ECANCELED, message);
    } else if (!pool->supervision.end_asked) {
        log_hook_say(&pool->log, "fork server %d died: %s; the keeper starts another", (int)pool->server.pid, death);
    }
    attempt_lose_all(pool);
    area_unmap(&pool->area);
}

/* True: it has said that nothing is left. By pidfd where there is one: if the host's own waitpid(-1) took the status,
 * the pid may be another child by now. */
static bool reap_keeper(const struct link *keeper)
{
    const bool has_pidfd = keeper->pidfd >= 0;
    const id_t id = has_pidfd ? (id_t)keeper->pidfd : (id_t)keeper->pid;
    siginfo_t info;
    int rc;
    do {
        rc = waitid(has_pidfd ? (idtype_t)P_PIDFD : P_PID, id, &info, WEXITED);
    } while (rc < 0 && errno == EINTR);
    return rc == 0 && info.si_code == CLD_EXITED && info.si_status == 0;
}

static void on_keeper_gone(pool_t *pool)
{
    struct supervision *supervision = &pool->supervision;
    supervision->nothing_left = reap_keeper(&pool->keeper);
    supervision->keeper_gone = true;
    link_close(&pool->keeper);
    if (link_is_open(&pool->server)) /* it sees that, too, and ends its workers */
        supervision->bound_at = process_now_ms() + END_BOUND_MS;
    state_set_pid(pool, &pool->stats.keeper_pid, -1);
    if (!supervision->end_asked)
        state_set_failed(pool, -EIO, "the keeper process of this pool is gone: close the pool and open another");
}

static void on_keeper_ready(struct link *keeper)
{
    static const bool allowed[MESSAGE_TYPE_COUNT_] = {[MESSAGE_SERVER] = true, [MESSAGE_SERVER_LOST] = true};
    pool_t *pool = keeper->user;
    for (;;) {
        struct link_packet packet;
        const int type = link_receive(keeper, allowed, &packet);
        if (type == 0)
            break;
        if (type < 0) {
            on_keeper_gone(pool);
            break;
        }
        if (type == MESSAGE_SERVER)
            on_server(pool, &packet.server, &packet.set);
        else
            on_server_lost(pool, &packet.lost);
        descriptor_set_close(&packet.set);
    }
    drive_step(&pool->drive);
}

int supervise_start(pool_t *pool, int socket, pid_t pid, int pidfd)
{
    return link_open(&pool->keeper, socket, pid, pidfd, on_keeper_ready, pool);
}
