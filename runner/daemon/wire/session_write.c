/* session_write.c - answers: packed by the user, flushed by the user, and then sent as the peer reads. */
#include "session_state.h"

#include <stdlib.h>

/* Whether anything went wrong is looked at when it is to be sent. */
static int put(struct session *session, msgpack_sbuffer *buffer, const char *bytes, size_t size)
{
    if (!session->out_of_memory && msgpack_sbuffer_write(buffer, bytes, size) < 0)
        session->out_of_memory = true;
    return session->out_of_memory ? -1 : 0;
}

static int on_packed(void *data, const char *bytes, size_t size)
{
    struct session *session = data;
    return put(session, &session->packed, bytes, size);
}

static int on_refused(void *data, const char *bytes, size_t size)
{
    struct session *session = data;
    return put(session, &session->waiting, bytes, size);
}

void session_write_init(struct session *session)
{
    msgpack_packer_init(&session->packer, session, on_packed);
    msgpack_sbuffer_init(&session->packed);
    msgpack_sbuffer_init(&session->waiting);
    session->write.data = session;
}

void session_write_deinit(struct session *session)
{
    msgpack_sbuffer_destroy(&session->packed);
    msgpack_sbuffer_destroy(&session->waiting);
    free(session->sending);
}

/* Bytes that were flushed and that its socket has not taken. */
static size_t unsent(const struct session *session)
{
    return session->waiting.size + uv_stream_get_write_queue_size((const uv_stream_t *)&session->pipe);
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status);

/* A client that has read everything costs no buffer. */
static void forget(msgpack_sbuffer *buffer)
{
    msgpack_sbuffer_destroy(buffer);
    msgpack_sbuffer_init(buffer);
}

/* What the socket does not take at once becomes the one write under way. */
static int send_waiting(struct session *session)
{
    uv_stream_t *stream = (uv_stream_t *)&session->pipe;
    uv_buf_t rest = {.base = session->waiting.data, .len = session->waiting.size};
    if (session->sending != NULL || rest.len == 0)
        return 0;
    const int sent = uv_try_write(stream, &rest, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return sent;
    rest.base += sent > 0 ? sent : 0;
    rest.len -= sent > 0 ? (size_t)sent : 0;
    if (rest.len == 0) {
        forget(&session->waiting);
        return 0;
    }
    session->sending = msgpack_sbuffer_release(&session->waiting);
    return uv_write(&session->write, stream, &rest, 1, on_written);
}

/* After something was sent, or could not be. */
static void go_on(struct session *session, int rc)
{
    if (rc < 0) {
        session_close(session, uv_strerror(rc));
        return;
    }
    if (session->is_held && session_takes(session))
        sessions_resume(session);
    session_watch(session);
}

/* Behind what waits already; most often nothing does. */
static void move_packed(struct session *session)
{
    session->passed_on += session->packed.size;
    if (session->waiting.size == 0) {
        forget(&session->waiting);
        session->waiting = session->packed;
        msgpack_sbuffer_init(&session->packed);
    } else if (put(session, &session->waiting, session->packed.data, session->packed.size) == 0) {
        forget(&session->packed);
    }
}

static void send_all(struct session *session)
{
    go_on(session, session->out_of_memory ? UV_ENOMEM : send_waiting(session));
}

static void on_written(uv_write_t *write, int status)
{
    struct session *session = write->data;
    free(session->sending);
    session->sending = NULL;
    if (session->is_closed)
        return;
    if (status < 0)
        go_on(session, status);
    else
        send_all(session);
}

void session_flush(struct session *session)
{
    if (session->is_closed)
        return;
    /* one answer may be larger than unread_max, so that only what waits from before counts */
    if (session->is_subscriber && session->packed.size > 0 && unsent(session) > session->all->options.unread_max) {
        session_close(session, "a subscriber that does not read its events");
        return;
    }
    if (session->packed.size == 0) {
        send_all(session);
        return;
    }
    move_packed(session);
    send_all(session);
    if (session->is_held && session_takes(session)) /* it had all that a turn gives */
        sessions_resume(session);
    else
        session_watch(session);
}

/* ---- what is packed --------------------------------------------------------------------------------------------- */

size_t session_unread(const struct session *session)
{
    return session->packed.size + unsent(session);
}

uint64_t session_sent(const struct session *session)
{
    return session->passed_on - unsent(session);
}

void session_refuse(struct session *session, const uint32_t *id, const struct rpc_error *error)
{
    msgpack_packer packer;
    const size_t before = session->waiting.size;
    msgpack_packer_init(&packer, session, on_refused);
    rpc_pack_error(&packer, id, error);
    session->passed_on += session->waiting.size - before;
    send_all(session);
}

msgpack_packer *session_packer(struct session *session)
{
    return &session->packer;
}

size_t session_mark(const struct session *session)
{
    return session->packed.size;
}

void session_rewind(struct session *session, size_t mark)
{
    session->packed.size = mark;
}
