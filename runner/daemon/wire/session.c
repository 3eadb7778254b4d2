/* session.c - one connection.
 *
 * Bounds, and what keeps them:
 *
 *     clients                     clients_max, and a few      sessions.c, at accept
 *     time of these few           reserved_ms                 watch(): closed when they ask nothing
 *     bytes of a message          message_max                 inbox.c, as soon as its headers announce more
 *     elements, nesting           INBOX_ELEMENTS_MAX, scan    inbox.c, before anything is unpacked
 *     bytes that wait to be taken message_max and one piece   inbox.c: the buffer grows as bytes arrive
 *     bytes read in a turn        INBOX_PIECE * 32            libuv, from pieces of this size
 *     requests without an answer  SESSION_REQUESTS_MAX        on_message()
 *     bytes answered in a turn    TURN_MAX, and one answer    may_take()
 *     bytes that wait for a peer  unread_max, and one answer  may_take(): above it no request is taken
 *     time for a message          stall_ms                    watch()
 *     time without any reading    stall_ms                    watch() */
#include "session.h"

#include "inbox.h"
#include "outbox.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOKS    4                     /* in stall_ms, at a peer that is to read */
#define TURN_MAX ((size_t)1024 * 1024) /* further requests wait for the next turn, so that other clients have theirs */

struct session {
    struct session_set *set;
    LIST_ENTRY(session) entry;   /* in set->open, until it is closed */
    TAILQ_ENTRY(session) resume; /* in set->resumed, if is_resumed */
    struct session_info info;
    uv_pipe_t pipe;
    uv_timer_t timer; /* watch() */
    unsigned handles; /* of these two that are not closed */
    bool is_reading, is_resumed, is_reserved;
    bool is_held;    /* whole requests may be in `in` that it must not take now: take_all() */
    bool has_eof;    /* the peer sends nothing more: closed when everything is answered */
    bool is_ending;  /* takes nothing more: closed when everything is sent */
    bool is_closed;  /* nothing happens any more; freed when its handles are closed */
    const char *why; /* is_ending */
    size_t unanswered;

    struct inbox in;
    struct outbox out;
    uint64_t sent_at_last_look; /* watch() */
    unsigned looks;             /* in a row that found nothing read */
};

static void watch(struct session *session);
static void take_all(struct session *session);

/* ---- closing ---------------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct session *session = handle->data;
    if (--session->handles > 0)
        return;
    struct session_set *set = session->set;
    outbox_deinit(&session->out);
    inbox_deinit(&session->in);
    free(session);
    set->alive_count--;
    set->on_freed(set);
}

void session_close(struct session *session, const char *why)
{
    struct session_set *set = session->set;
    if (session->is_closed)
        return;
    session->is_closed = true;
    LIST_REMOVE(session, entry);
    set->open_count--;
    set->reserved_count -= session->is_reserved;
    if (session->is_resumed)
        TAILQ_REMOVE(&set->resumed, session, resume);
    log_event(set->options.log, LOG_LEVEL_INFO, "closed", log_number("session", (int64_t)session->info.serial),
              log_number("uid", session->info.uid), log_number("pid", session->info.pid), log_text("why", why));
    set->options.on_close(set->options.user, session);
    uv_close((uv_handle_t *)&session->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&session->timer, on_handle_closed);
}

/* Closes when everything that is packed was sent. */
static void end(struct session *session, const char *why)
{
    session->is_ending = true;
    session->why = why;
    watch(session);
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

static bool may_take(const struct session *session)
{
    return !session->is_closed && !session->is_ending && session->out.packed.size < TURN_MAX &&
           session_unread(session) < session->set->options.unread_max;
}

/* Stops only when it finds nothing: a loop without an idle handle would block in the turn in which requests were taken,
 * before its user had a chance to flush. */
static void on_resume(uv_idle_t *idle)
{
    struct session_set *set = idle->data;
    if (TAILQ_EMPTY(&set->resumed))
        uv_idle_stop(idle);
    for (struct session *session; (session = TAILQ_FIRST(&set->resumed)) != NULL;) {
        TAILQ_REMOVE(&set->resumed, session, resume);
        session->is_resumed = false;
        take_all(session);
    }
}

/* Takes requests again, in the next turn of the loop. */
static void resume(struct session *session)
{
    if (session->is_resumed)
        return;
    session->is_resumed = true;
    TAILQ_INSERT_TAIL(&session->set->resumed, session, resume);
    uv_idle_start(&session->set->resume, on_resume);
}

/* After the outbox has sent, or could not (status: libuv's error). */
static void on_sent(struct session *session, int status)
{
    if (status < 0) {
        session_close(session, uv_strerror(status));
        return;
    }
    if (session->is_held && may_take(session))
        resume(session);
    watch(session);
}

static void on_written(struct outbox *outbox, int status)
{
    struct session *session = (struct session *)((char *)outbox - offsetof(struct session, out));
    if (!session->is_closed)
        on_sent(session, status < 0 ? status : outbox_send(outbox));
}

static void flush(struct session *session)
{
    const struct outbox *out = &session->out;
    if (session->is_closed)
        return;
    /* one answer may be larger than unread_max, so that only what waits from before counts */
    if (session->info.is_subscriber && out->packed.size > 0 && outbox_unsent(out) > session->set->options.unread_max)
        session_close(session, "a subscriber that does not read its events");
    else
        on_sent(session, outbox_flush(&session->out));
}

/* An error of the session itself: sent at once, before answers that wait to be flushed. id NULL: nil. */
static void refuse(struct session *session, const uint32_t *id, const struct rpc_error *error)
{
    on_sent(session, outbox_refuse(&session->out, id, error));
}

/* ---- taking requests -------------------------------------------------------------------------------------------- */

/* Ends it with an error that answers no request; why: static. */
static void give_up(struct session *session, const struct rpc_error *error, const char *why)
{
    refuse(session, NULL, error);
    end(session, why);
}

static void on_message(struct session *session, const msgpack_object *message)
{
    const struct session_options *options = &session->set->options;
    struct rpc_request request;
    struct rpc_error error;
    if (rpc_parse(message, &request, &error) < 0) {
        give_up(session, &error, rpc_code_name(error.code));
    } else if (session->unanswered >= SESSION_REQUESTS_MAX) {
        rpc_fail(&error, RPC_TOO_MANY_REQUESTS, "%d requests of this connection are unanswered: wait for some of them",
                 SESSION_REQUESTS_MAX);
        refuse(session, &request.id, &error);
    } else {
        session->unanswered++;
        options->on_request(options->user, session, &request);
    }
}

/* Takes the next message, if it is whole and may be taken. */
static bool take_next(struct session *session)
{
    msgpack_unpacked message;
    struct rpc_error error;
    if (!may_take(session))
        return false;
    msgpack_unpacked_init(&message);
    const int rc = inbox_next(&session->in, &message, &error);
    if (rc > 0)
        uv_timer_stop(&session->timer); /* what comes next has its own time */
    if (rc < 0)
        give_up(session, &error, rpc_code_name(error.code));
    else if (rc > 0)
        on_message(session, &message.data);
    msgpack_unpacked_destroy(&message);
    return rc > 0;
}

static void take_all(struct session *session)
{
    while (take_next(session)) {
    }
    inbox_drop(&session->in);
    session->is_held = session->in.size > 0 && !may_take(session);
    watch(session);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* The peer is closed altogether, not only its sending half. */
static bool has_hung_up(const struct session *session)
{
    struct pollfd peer = {.fd = -1};
    uv_fileno((const uv_handle_t *)&session->pipe, &peer.fd);
    return poll(&peer, 1, 0) == 1 && (peer.revents & POLLHUP) != 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct session *session = handle->data;
    char *room = inbox_room(&session->in);
    (void)suggested;
    *buffer = uv_buf_init(room, room == NULL ? 0 : INBOX_PIECE); /* 0: on_read gets UV_ENOBUFS */
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct session *session = stream->data;
    (void)buffer;
    if (size > 0) {
        session->in.size += (size_t)size;
        take_all(session);
    } else if (size == UV_EOF) {
        session->has_eof = true;
        if (has_hung_up(session)) /* and does not wait for answers */
            session_close(session, "hung up");
        else
            watch(session);
    } else if (size < 0) {
        session_close(session, size == UV_ENOBUFS ? "out of memory" : uv_strerror((int)size));
    }
}

/* ---- watching --------------------------------------------------------------------------------------------------- */

/* On a reserved place it is in others' way. */
static int64_t stall_ms(const struct session *session)
{
    const struct session_options *options = &session->set->options;
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
    give_up(session, &error, "idle on a reserved place");
}

/* While it is read from: the rest of a message, or on a reserved place any message, did not come. Else: since the last
 * look nothing was read by the peer. */
static void on_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;
    struct rpc_error error;
    if (session->is_reading && session->in.size == 0) {
        if (session->unanswered > 0 || session_may_stay(session))
            watch(session);
        else
            end_idle(session);
    } else if (session->is_reading) {
        rpc_fail(&error, RPC_MALFORMED, "the rest of a message did not come within %" PRId64 " ms", stall_ms(session));
        give_up(session, &error, "the rest of a message did not come");
    } else if (has_hung_up(session)) {
        session_close(session, "hung up");
    } else if (session_unread(session) > 0 && outbox_sent(&session->out) == session->sent_at_last_look) {
        if (++session->looks == LOOKS)
            session_close(session, "reads nothing of what waits for it");
        else
            watch(session);
    } else {
        session->looks = 0;
        watch(session);
    }
}

static void start_timer(struct session *session)
{
    const int64_t most = stall_ms(session);
    session->sent_at_last_look = outbox_sent(&session->out);
    uv_timer_start(&session->timer, on_timer, (uint64_t)(session->is_reading ? most : most / LOOKS + 1), 0);
}

static bool is_done(const struct session *session)
{
    return (session->is_ending || (session->has_eof && session->unanswered == 0)) && session_unread(session) == 0;
}

/* Reads on or not, sets the timer, and closes a session that has nothing left to do: after whatever changes it. */
static void watch(struct session *session)
{
    if (session->is_closed)
        return;
    if (is_done(session)) {
        session_close(session, session->is_ending ? session->why : "hung up");
        return;
    }
    const bool reads = may_take(session) && !session->is_held && !session->has_eof;
    if (reads != session->is_reading) {
        uv_timer_stop(&session->timer);
        session->looks = 0;
        const int rc = reads ? uv_read_start((uv_stream_t *)&session->pipe, on_alloc, on_read)
                             : uv_read_stop((uv_stream_t *)&session->pipe);
        assert(rc == 0);
        (void)rc;
        session->is_reading = reads;
    }
    /* not for a peer that says nothing and may stay */
    const bool wanted = !session->is_reading || session->in.size > 0 || session->is_reserved;
    if (!wanted)
        uv_timer_stop(&session->timer);
    else if (!uv_is_active((uv_handle_t *)&session->timer))
        start_timer(session);
}

/* ---- the set ---------------------------------------------------------------------------------------------------- */

bool session_set_has_place(const struct session_set *set)
{
    return set->open_count - set->reserved_count < set->options.clients_max;
}

/* In the two loops below a session that is closed meanwhile, by itself or by on_close, keeps its place until its
 * handles are closed. */
void session_set_flush(struct session_set *set)
{
    for (struct session *session = LIST_FIRST(&set->open); session != NULL; session = LIST_NEXT(session, entry))
        flush(session);
}

void session_set_end(struct session_set *set, const char *why)
{
    for (struct session *session = LIST_FIRST(&set->open); session != NULL; session = LIST_NEXT(session, entry))
        end(session, why);
}

void session_set_close(struct session_set *set, const char *why)
{
    for (struct session *session; (session = LIST_FIRST(&set->open)) != NULL;)
        session_close(session, why);
}

/* ---- the start, and what users ask ------------------------------------------------------------------------------ */

struct session *session_new(struct session_set *set, int fd, uid_t uid, pid_t pid, bool is_reserved)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        close(fd);
        return NULL;
    }
    uv_pipe_init(set->loop, &session->pipe, 0);
    const int rc = uv_pipe_open(&session->pipe, fd);
    assert(rc == 0); /* it is a socket */
    (void)rc;
    uv_timer_init(set->loop, &session->timer);
    session->pipe.data = session->timer.data = session;
    session->handles = 2;
    session->set = set;
    session->info = (struct session_info){.serial = ++set->last_serial, .uid = uid, .pid = pid};
    session->is_reserved = is_reserved;
    inbox_init(&session->in, set->options.message_max);
    outbox_init(&session->out, (uv_stream_t *)&session->pipe, on_written);
    LIST_INSERT_HEAD(&set->open, session, entry);
    set->open_count++;
    set->reserved_count += is_reserved;
    set->alive_count++;
    watch(session);
    return session;
}

size_t session_unread(const struct session *session)
{
    return session->out.packed.size + outbox_unsent(&session->out);
}

msgpack_packer *session_packer(struct session *session)
{
    return &session->out.packer;
}

size_t session_mark(const struct session *session)
{
    return session->out.packed.size;
}

void session_rewind(struct session *session, size_t mark)
{
    session->out.packed.size = mark;
}

void session_answered(struct session *session)
{
    assert(session->unanswered > 0);
    session->unanswered--;
}

void session_fail(struct session *session, uint32_t id, const struct rpc_error *error)
{
    rpc_pack_error(&session->out.packer, &id, error);
    session_answered(session);
}

bool session_may_stay(struct session *session)
{
    struct session_set *set = session->set;
    if (session->is_reserved && session_set_has_place(set)) {
        session->is_reserved = false;
        set->reserved_count--;
    }
    return !session->is_reserved;
}

struct session_info *session_info(struct session *session)
{
    return &session->info;
}
