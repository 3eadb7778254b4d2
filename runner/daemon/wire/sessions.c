#include "sessions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 64  /* in one turn of the loop */
#define REOPEN_MS   100 /* after accept failed for want of descriptors or memory */

struct sessions {
    struct session_set set; /* first: on_freed() */
    int door;
    uv_poll_t accept;
    uv_timer_t reopen; /* accepting goes on */
    uv_timer_t grace;
    unsigned handles; /* of these three and the set's that are not closed */
    bool is_accepting, is_closing;
    bool has_logged_full, has_logged_failure; /* each once, until somebody is let in again */
    void (*done)(void *user);
};

/* ---- letting in ------------------------------------------------------------------------------------------------- */

/* Sends the reason, as far as a fresh socket takes it, and closes fd. */
static void turn_away(int fd, const struct rpc_error *error)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    rpc_pack_error(&packer, NULL, error);
    (void)!send(fd, buffer.data, buffer.size, MSG_NOSIGNAL);
    msgpack_sbuffer_destroy(&buffer);
    close(fd);
}

static void welcome(struct sessions *all, int fd, uid_t uid, pid_t pid, bool is_reserved)
{
    if (session_new(&all->set, fd, uid, pid, is_reserved) == NULL) {
        log_event(all->set.options.log, LOG_LEVEL_INFO, "accept-failed", log_text("error", strerror(ENOMEM)),
                  log_number("uid", uid), log_number("pid", pid));
        return;
    }
    all->has_logged_failure = false;
    all->has_logged_full &= is_reserved;
    log_event(all->set.options.log, LOG_LEVEL_INFO, "connected", log_number("session", (int64_t)all->set.last_serial),
              log_number("uid", uid), log_number("pid", pid),
              is_reserved ? log_text("reserved", "true") : (struct log_field){0});
}

static void log_full(struct sessions *all, uid_t uid, pid_t pid)
{
    if (!all->has_logged_full)
        log_event(all->set.options.log, LOG_LEVEL_INFO, "too-many-clients",
                  log_number("clients", (int64_t)all->set.open_count), log_number("uid", uid), log_number("pid", pid));
    all->has_logged_full = true;
}

/* fd is let in, or closed. */
static void admit(struct sessions *all, int fd)
{
    struct rpc_error error;
    uid_t uid = (uid_t)-1;
    pid_t pid = -1;
    if (door_peer(fd, &uid, &pid) < 0) {
        log_event(all->set.options.log, LOG_LEVEL_INFO, "denied", log_number("uid", uid), log_number("pid", pid));
        rpc_fail(&error, RPC_DENIED, "this daemon serves uid %u and root, not uid %u", (unsigned)geteuid(),
                 (unsigned)uid);
        turn_away(fd, &error);
    } else if (session_set_has_place(&all->set)) {
        welcome(all, fd, uid, pid, false);
    } else if (all->set.reserved_count < all->set.options.reserved_max) {
        log_full(all, uid, pid);
        welcome(all, fd, uid, pid, true);
    } else {
        log_full(all, uid, pid);
        rpc_fail(&error, RPC_TOO_MANY_CLIENTS, "%zu clients are connected (reclaimd --max-clients): try again later",
                 all->set.open_count);
        turn_away(fd, &error);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_reopen(uv_timer_t *timer)
{
    struct sessions *all = timer->data;
    uv_poll_start(&all->accept, UV_READABLE, on_connection);
}

/* Clients stay in the kernel's queue; trying again at once would only spin. */
static void pause_accepting(struct sessions *all, int error)
{
    if (!all->has_logged_failure)
        log_event(all->set.options.log, LOG_LEVEL_INFO, "accept-failed", log_text("error", strerror(error)),
                  log_number("clients", (int64_t)all->set.open_count));
    all->has_logged_failure = true;
    uv_poll_stop(&all->accept);
    uv_timer_start(&all->reopen, on_reopen, REOPEN_MS, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct sessions *all = poll->data;
    (void)status; /* accept says it */
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX && all->is_accepting; i++) {
        const int fd = accept4(all->door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(all, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(all, errno);
            return;
        }
    }
}

/* ---- start and end ---------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct sessions *all = handle->data; /* &all->set is the same address */
    if (--all->handles > 0)
        return;
    void (*const done)(void *user) = all->done;
    void *const user = all->set.options.user;
    free(all);
    if (done != NULL)
        done(user);
}

/* Closes the set itself when it is empty and has to. */
static void on_freed(struct session_set *set)
{
    struct sessions *all = (struct sessions *)set; /* its first member */
    if (!all->is_closing || all->set.alive_count > 0)
        return;
    uv_close((uv_handle_t *)&all->accept, on_handle_closed);
    uv_close((uv_handle_t *)&all->reopen, on_handle_closed);
    uv_close((uv_handle_t *)&all->grace, on_handle_closed);
    uv_close((uv_handle_t *)&all->set.resume, on_handle_closed);
}

int sessions_open(struct sessions **sessions, uv_loop_t *loop, const struct door *door,
                  const struct session_options *options)
{
    struct sessions *all = calloc(1, sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    const int rc = uv_poll_init(loop, &all->accept, door->fd);
    if (rc < 0) {
        free(all);
        return rc;
    }
    uv_timer_init(loop, &all->reopen);
    uv_timer_init(loop, &all->grace);
    uv_idle_init(loop, &all->set.resume);
    all->accept.data = all->reopen.data = all->grace.data = all;
    all->set.resume.data = &all->set;
    all->set.on_freed = on_freed;
    all->handles = 4;
    all->set.loop = loop;
    all->door = door->fd;
    all->set.options = *options;
    if (all->set.options.stall_ms == 0)
        all->set.options.stall_ms = SESSION_STALL_MS;
    if (all->set.options.reserved_ms == 0)
        all->set.options.reserved_ms = SESSION_RESERVED_MS;
    all->is_accepting = true;
    LIST_INIT(&all->set.open);
    TAILQ_INIT(&all->set.resumed);
    uv_poll_start(&all->accept, UV_READABLE, on_connection);
    *sessions = all;
    return 0;
}

void sessions_flush(struct sessions *sessions)
{
    session_set_flush(&sessions->set);
}

void sessions_stop_accepting(struct sessions *sessions)
{
    sessions->is_accepting = false;
    uv_poll_stop(&sessions->accept);
    uv_timer_stop(&sessions->reopen);
}

static const char ending[] = "the daemon ends";

static void on_grace(uv_timer_t *timer)
{
    struct sessions *all = timer->data;
    session_set_close(&all->set, ending);
}

void sessions_close(struct sessions *sessions, int64_t grace_ms, void (*done)(void *user))
{
    assert(!sessions->is_closing);
    sessions_stop_accepting(sessions);
    sessions->done = done;
    sessions->is_closing = true;
    session_set_end(&sessions->set, ending);
    if (grace_ms <= 0)
        on_grace(&sessions->grace);
    else
        uv_timer_start(&sessions->grace, on_grace, (uint64_t)grace_ms, 0);
    on_freed(&sessions->set);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->set.open_count;
}
