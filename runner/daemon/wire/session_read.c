/* session_read.c - bytes of a client become requests. Nothing that it announces is believed before it is there. */
#include "session_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one message ------------------------------------------------------------------------------------------------ */

/* An error after which its bytes mean nothing any more. */
static void give_up(struct session *session, const struct rpc_error *error)
{
    session_refuse(session, NULL, error);
    session_end(session, rpc_code_name(error->code));
}

static void on_message(struct session *session, const msgpack_object *message)
{
    const struct session_options *options = &session->all->options;
    struct rpc_request request;
    struct rpc_error error;
    if (rpc_parse(message, &request, &error) < 0) {
        give_up(session, &error);
    } else if (session->unanswered >= SESSION_REQUESTS_MAX) {
        rpc_fail(&error, RPC_TOO_MANY_REQUESTS, "%d requests of this connection are unanswered: wait for some of them",
                 SESSION_REQUESTS_MAX);
        session_refuse(session, &request.id, &error);
    } else {
        session->unanswered++;
        options->on_request(options->user, session, &request);
    }
}

static void unpack(struct session *session, const char *data, size_t size)
{
    msgpack_unpacked unpacked;
    struct rpc_error error;
    size_t offset = 0;
    msgpack_unpacked_init(&unpacked);
    const msgpack_unpack_return rc = msgpack_unpack_next(&unpacked, data, size, &offset);
    if (rc == MSGPACK_UNPACK_SUCCESS) {
        on_message(session, &unpacked.data);
    } else { /* the scan let it through, so that it is not the bytes' fault */
        rpc_fail(&error, RPC_INTERNAL, "no memory for a message of %zu bytes", size);
        give_up(session, &error);
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* Looks at data, from the start of a message on: 1 whole, 0 not yet, -1 and error. */
static int scan_message(struct session *session, const char *data, size_t size, struct rpc_error *error)
{
    const size_t most = session->all->options.message_max;
    const int rc = scan_step(&session->scan, data, size);
    if (rc == -E2BIG)
        return rpc_fail(error, RPC_MALFORMED, "a message has more than %d elements", SESSION_ELEMENTS_MAX);
    if (rc < 0)
        return rpc_fail(error, RPC_MALFORMED, "no MessagePack, or nested deeper than %d", SCAN_DEPTH_MAX);
    if (scan_least(&session->scan) > most)
        return rpc_fail(error, RPC_TOO_LARGE, "a message is larger than %zu bytes (reclaimd --max-message)", most);
    return rc;
}

/* ---- all that came ---------------------------------------------------------------------------------------------- */

/* Takes the message at *at, if it is whole and may be taken. */
static bool take_next(struct session *session, size_t *at)
{
    struct rpc_error error;
    if (!session_takes(session))
        return false;
    const char *data = session->in + *at;
    const int rc = scan_message(session, data, session->in_size - *at, &error);
    if (rc < 0)
        give_up(session, &error);
    if (rc <= 0)
        return false;
    const size_t size = (size_t)session->scan.at;
    scan_begin(&session->scan, SESSION_ELEMENTS_MAX);
    uv_timer_stop(&session->timer); /* what comes next has its own time */
    unpack(session, data, size);
    *at += size;
    return true;
}

/* Forgets what was taken; a client that waits costs no buffer. */
static void drop(struct session *session, size_t size)
{
    session->in_size -= size;
    if (session->in_size > 0 && size > 0)
        memmove(session->in, session->in + size, session->in_size);
    if (session->in_size > 0)
        return;
    free(session->in);
    session->in = NULL;
    session->in_capacity = 0;
}

void session_take(struct session *session)
{
    size_t taken = 0;
    while (session->in_size > taken && take_next(session, &taken)) {
    }
    drop(session, taken);
    session->is_held = session->in_size > 0 && !session_takes(session);
    session_watch(session);
}

/* ---- the stream ------------------------------------------------------------------------------------------------- */

/* Room for a piece more. It is asked for only while the message is not above message_max, and doubles: so it never has
 * more than twice that and a piece. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct session *session = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(NULL, 0); /* read again with UV_ENOBUFS */
    if (session->in_capacity - session->in_size < SESSION_PIECE) {
        const size_t capacity = 2 * session->in_size + SESSION_PIECE;
        char *in = realloc(session->in, capacity);
        if (in == NULL)
            return;
        session->in = in;
        session->in_capacity = capacity;
    }
    *buffer = uv_buf_init(session->in + session->in_size, SESSION_PIECE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct session *session = stream->data;
    (void)buffer;
    if (size > 0) {
        session->in_size += (size_t)size;
        session_take(session);
    } else if (size == UV_EOF) {
        session->has_eof = true;
        if (session_has_hung_up(session)) /* and does not wait for answers */
            session_close(session, "hung up");
        else
            session_watch(session);
    } else if (size < 0) {
        session_close(session, size == UV_ENOBUFS ? "out of memory" : uv_strerror((int)size));
    }
}

void session_read(struct session *session, bool on)
{
    const int rc = on ? uv_read_start((uv_stream_t *)&session->pipe, on_alloc, on_read)
                      : uv_read_stop((uv_stream_t *)&session->pipe);
    assert(rc == 0);
    (void)rc;
    session->is_reading = on;
}
