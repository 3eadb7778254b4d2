/* sessions.c - all connections: who is let in, what is flushed in a turn, and the end. */
#include "session_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 64  /* in one turn of the loop */
#define REOPEN_MS   100 /* after accept failed for want of descriptors or memory */

/* ---- letting in ------------------------------------------------------------------------------------------------- */

/* Tells why, as far as a socket that nothing was sent to takes it, and closes fd. */
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
    const struct session *session = session_new(all, fd, uid, pid, is_reserved);
    if (session == NULL) {
        sessions_log(all, "event=accept-failed error=\"%s\" uid=%u pid=%d", strerror(ENOMEM), (unsigned)uid, (int)pid);
        return;
    }
    all->failure_told = false;
    all->full_told &= is_reserved;
    sessions_log(all, "event=connected session=%" PRIu64 " uid=%u pid=%d%s", session->serial, (unsigned)uid, (int)pid,
                 is_reserved ? " reserved=true" : "");
}

static void tell_full(struct sessions *all, uid_t uid, pid_t pid)
{
    if (!all->full_told)
        sessions_log(all, "event=too-many-clients clients=%zu uid=%u pid=%d", all->open_count, (unsigned)uid, (int)pid);
    all->full_told = true;
}

bool sessions_has_place(const struct sessions *all)
{
    return all->open_count - all->reserved_count < all->options.clients_max;
}

/* fd is let in, or closed. */
static void admit(struct sessions *all, int fd)
{
    struct rpc_error error;
    uid_t uid = (uid_t)-1;
    pid_t pid = -1;
    if (door_peer(fd, &uid, &pid) < 0) {
        sessions_log(all, "event=denied uid=%u pid=%d", (unsigned)uid, (int)pid);
        rpc_fail(&error, RPC_DENIED, "this daemon serves uid %u and root, not uid %u", (unsigned)geteuid(),
                 (unsigned)uid);
        turn_away(fd, &error);
    } else if (sessions_has_place(all)) {
        welcome(all, fd, uid, pid, false);
    } else if (all->reserved_count < all->options.reserved_max) {
        tell_full(all, uid, pid);
        welcome(all, fd, uid, pid, true);
    } else {
        tell_full(all, uid, pid);
        rpc_fail(&error, RPC_TOO_MANY_CLIENTS, "%zu clients are connected (reclaimd --max-clients): try again later",
                 all->open_count);
        turn_away(fd, &error);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_reopen(uv_timer_t *timer)
{
    struct sessions *all = timer->data;
    uv_poll_start(&all->accept, UV_READABLE, on_connection);
}

/* Whoever waits stays in the kernel's queue: asking again at once would only spin. */
static void pause_accepting(struct sessions *all, int error)
{
    if (!all->failure_told)
        sessions_log(all, "event=accept-failed error=\"%s\" clients=%zu", strerror(error), all->open_count);
    all->failure_told = true;
    uv_poll_stop(&all->accept);
    uv_timer_start(&all->reopen, on_reopen, REOPEN_MS, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct sessions *all = poll->data;
    (void)status; /* accept tells */
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

/* ---- a turn ----------------------------------------------------------------------------------------------------- */

/* Stops only when it finds nothing: a loop without an idle handle would block in the turn in which requests were taken,
 * before its user had a chance to flush. */
static void on_resume(uv_idle_t *idle)
{
    struct sessions *all = idle->data;
    if (TAILQ_EMPTY(&all->resumed))
        uv_idle_stop(idle);
    for (struct session *session; (session = TAILQ_FIRST(&all->resumed)) != NULL;) {
        TAILQ_REMOVE(&all->resumed, session, resume);
        session->is_resumed = false;
        session_take(session);
    }
}

void sessions_resume(struct session *session)
{
    if (session->is_resumed)
        return;
    session->is_resumed = true;
    TAILQ_INSERT_TAIL(&session->all->resumed, session, resume);
    uv_idle_start(&session->all->resume, on_resume);
}

void sessions_flush(struct sessions *sessions)
{
    /* One that is closed meanwhile, itself or by on_close, keeps its place until its handles are closed. */
    for (struct session *session = LIST_FIRST(&sessions->open); session != NULL; session = LIST_NEXT(session, entry))
        session_flush(session);
}

/* ---- start and end ---------------------------------------------------------------------------------------------- */

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
    uv_idle_init(loop, &all->resume);
    all->accept.data = all->reopen.data = all->grace.data = all->resume.data = all;
    all->handles = 4;
    all->loop = loop;
    all->door = door->fd;
    all->options = *options;
    if (all->options.stall_ms == 0)
        all->options.stall_ms = SESSION_STALL_MS;
    if (all->options.reserved_ms == 0)
        all->options.reserved_ms = SESSION_RESERVED_MS;
    all->is_accepting = true;
    LIST_INIT(&all->open);
    TAILQ_INIT(&all->resumed);
    uv_poll_start(&all->accept, UV_READABLE, on_connection);
    *sessions = all;
    return 0;
}

void sessions_stop_accepting(struct sessions *sessions)
{
    sessions->is_accepting = false;
    uv_poll_stop(&sessions->accept);
    uv_timer_stop(&sessions->reopen);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sessions *all = handle->data;
    if (--all->handles > 0)
        return;
    void (*const done)(void *user) = all->done;
    void *const user = all->options.user;
    free(all);
    if (done != NULL)
        done(user);
}

static void close_when_empty(struct sessions *all)
{
    if (!all->is_closing || all->alive_count > 0)
        return;
    uv_close((uv_handle_t *)&all->accept, on_handle_closed);
    uv_close((uv_handle_t *)&all->reopen, on_handle_closed);
    uv_close((uv_handle_t *)&all->grace, on_handle_closed);
    uv_close((uv_handle_t *)&all->resume, on_handle_closed);
}

void session_freed(struct sessions *all)
{
    all->alive_count--;
    close_when_empty(all);
}

static const char ending[] = "the daemon ends";

static void on_grace(uv_timer_t *timer)
{
    struct sessions *all = timer->data;
    for (struct session *session; (session = LIST_FIRST(&all->open)) != NULL;)
        session_close(session, ending);
}

void sessions_close(struct sessions *sessions, int64_t grace_ms, void (*done)(void *user))
{
    assert(!sessions->is_closing);
    sessions_stop_accepting(sessions);
    sessions->done = done;
    sessions->is_closing = true;
    for (struct session *session = LIST_FIRST(&sessions->open); session != NULL; session = LIST_NEXT(session, entry))
        session_end(session, ending);
    if (grace_ms <= 0)
        on_grace(&sessions->grace);
    else
        uv_timer_start(&sessions->grace, on_grace, (uint64_t)grace_ms, 0);
    close_when_empty(sessions);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->open_count;
}
