#include "session_state.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOKS 4 /* in stall_ms, at a peer that is to read */

void sessions_log(const struct sessions *all, const char *format, ...)
{
    char line[512];
    va_list arguments;
    if (all->options.log == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    all->options.log(all->options.user, line);
}

/* ---- closing ---------------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct session *session = handle->data;
    if (--session->handles > 0)
        return;
    struct sessions *all = session->all;
    session_write_deinit(session);
    free(session->in);
    free(session);
    session_freed(all);
}

void session_close(struct session *session, const char *why)
{
    struct sessions *all = session->all;
    if (session->is_closed)
        return;
    session->is_closed = true;
    LIST_REMOVE(session, entry);
    all->open_count--;
    all->reserved_count -= session->is_reserved;
    if (session->is_resumed)
        TAILQ_REMOVE(&all->resumed, session, resume);
    sessions_log(all, "event=closed session=%" PRIu64 " uid=%u pid=%d why=\"%s\"", session->serial,
                 (unsigned)session->uid, (int)session->pid, why);
    all->options.on_close(all->options.user, session);
    uv_close((uv_handle_t *)&session->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&session->timer, on_handle_closed);
}

void session_end(struct session *session, const char *why)
{
    session->is_ending = true;
    session->why = why;
    session_watch(session);
}

/* ---- watching --------------------------------------------------------------------------------------------------- */

bool session_takes(const struct session *session)
{
    return !session->is_closed && !session->is_ending && session->packed.size < SESSION_TURN_MAX &&
           session_unread(session) < session->all->options.unread_max;
}

bool session_has_hung_up(const struct session *session)
{
    struct pollfd peer = {.fd = -1};
    uv_fileno((const uv_handle_t *)&session->pipe, &peer.fd);
    return poll(&peer, 1, 0) == 1 && (peer.revents & POLLHUP) != 0;
}

/* On a reserved place it is in others' way. */
static int64_t stall_ms(const struct session *session)
{
    const struct session_options *options = &session->all->options;
    return session->is_reserved && options->reserved_ms < options->stall_ms ? options->reserved_ms : options->stall_ms;
}

/* It has asked nothing for a while, on a reserved place. */
static void end_idle(struct session *session)
{
    struct rpc_error error;
    rpc_fail(&error, RPC_TOO_MANY_CLIENTS,
             "nothing was asked for %" PRId64 " ms, and all other places for clients are taken "
             "(reclaimd --max-clients)",
             stall_ms(session));
    session_refuse(session, NULL, &error);
    session_end(session, "idle on a reserved place");
}

/* While it is read from: the rest of a message, or on a reserved place any message, did not come. Else: since the last
 * look nothing was read by the peer. */
static void on_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;
    struct rpc_error error;
    if (session->is_reading && session->in_size == 0) {
        if (session->unanswered > 0 || session_may_stay(session))
            session_watch(session);
        else
            end_idle(session);
    } else if (session->is_reading) {
        rpc_fail(&error, RPC_MALFORMED, "the rest of a message did not come within %" PRId64 " ms", stall_ms(session));
        session_refuse(session, NULL, &error);
        session_end(session, "the rest of a message did not come");
    } else if (session_has_hung_up(session)) {
        session_close(session, "hung up");
    } else if (session_unread(session) > 0 && session_sent(session) == session->sent_at_last_look) {
        if (++session->looks == LOOKS)
            session_close(session, "reads nothing of what waits for it");
        else
            session_watch(session);
    } else {
        session->looks = 0;
        session_watch(session);
    }
}

static void start_timer(struct session *session)
{
    const int64_t most = stall_ms(session);
    session->sent_at_last_look = session_sent(session);
    uv_timer_start(&session->timer, on_timer, (uint64_t)(session->is_reading ? most : most / LOOKS + 1), 0);
}

static bool is_done(const struct session *session)
{
    return (session->is_ending || (session->has_eof && session->unanswered == 0)) && session_unread(session) == 0;
}

void session_watch(struct session *session)
{
    if (session->is_closed)
        return;
    if (is_done(session)) {
        session_close(session, session->is_ending ? session->why : "hung up");
        return;
    }
    const bool reads = session_takes(session) && !session->is_held && !session->has_eof;
    if (reads != session->is_reading) {
        uv_timer_stop(&session->timer);
        session->looks = 0;
        session_read(session, reads);
    }
    /* not for a peer that says nothing and may stay */
    const bool wanted = !session->is_reading || session->in_size > 0 || session->is_reserved;
    if (!wanted)
        uv_timer_stop(&session->timer);
    else if (!uv_is_active((uv_handle_t *)&session->timer))
        start_timer(session);
}

/* ---- the start, and what users ask ------------------------------------------------------------------------------ */

struct session *session_new(struct sessions *all, int fd, uid_t uid, pid_t pid, bool is_reserved)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        close(fd);
        return NULL;
    }
    uv_pipe_init(all->loop, &session->pipe, 0);
    const int rc = uv_pipe_open(&session->pipe, fd);
    assert(rc == 0); /* it is a socket */
    (void)rc;
    uv_timer_init(all->loop, &session->timer);
    session->pipe.data = session->timer.data = session;
    session->handles = 2;
    session->all = all;
    session->serial = ++all->last_serial;
    session->uid = uid;
    session->pid = pid;
    session->is_reserved = is_reserved;
    scan_begin(&session->scan, SESSION_ELEMENTS_MAX);
    session_write_init(session);
    LIST_INSERT_HEAD(&all->open, session, entry);
    all->open_count++;
    all->reserved_count += is_reserved;
    all->alive_count++;
    session_watch(session);
    return session;
}

void session_answered(struct session *session)
{
    assert(session->unanswered > 0);
    session->unanswered--;
}

void session_fail(struct session *session, uint32_t id, const struct rpc_error *error)
{
    rpc_pack_error(&session->packer, &id, error);
    session_answered(session);
}

void session_set_subscriber(struct session *session, bool on)
{
    session->is_subscriber = on;
}

bool session_may_stay(struct session *session)
{
    struct sessions *all = session->all;
    if (session->is_reserved && sessions_has_place(all)) {
        session->is_reserved = false;
        all->reserved_count--;
    }
    return !session->is_reserved;
}

void session_user_set(struct session *session, void *data)
{
    session->user = data;
}

void *session_user(const struct session *session)
{
    return session->user;
}

uint64_t session_serial(const struct session *session)
{
    return session->serial;
}

uid_t session_uid(const struct session *session)
{
    return session->uid;
}

pid_t session_pid(const struct session *session)
{
    return session->pid;
}
