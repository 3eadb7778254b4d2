/* connection.c - opening and closing, requests and notifications. */
#include "connection.h"

#include "scan.h"
#include "trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL      1
#define HELLO_MS      30000
#define EVENTS_MAX    ((size_t)64 * 1024 * 1024) /* bytes kept while an answer is awaited */
#define REQUEST_EXTRA 64                         /* at most, around params */

int connection_fail(pool_error_t *error, int code, const char *format, ...)
{
    va_list arguments;
    if (error == NULL)
        return code;
    error->code = code;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return code;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static int fail_broken(pool_client_t *client, int code, pool_error_t *error)
{
    client->broken = code;
    switch (code) {
    case -EPIPE:
    case -ECONNRESET:
        return connection_fail(error, code, "reclaimd at %s has closed the connection", client->path);
    case -ETIMEDOUT:
        return connection_fail(error, code, "reclaimd at %s does not answer", client->path);
    case -EBADMSG:
        return connection_fail(error, code, "the program at %s does not speak reclaimd's protocol", client->path);
    default:
        return connection_fail(error, code, "the connection to reclaimd at %s: %s", client->path, strerror(-code));
    }
}

static int keep_event(pool_client_t *client, pool_bytes_t bytes)
{
    if (client->event_bytes + bytes.size > EVENTS_MAX)
        return -ENOBUFS;
    struct client_event *event = malloc(sizeof *event + bytes.size);
    if (event == NULL)
        return -ENOMEM;
    event->size = bytes.size;
    memcpy(event->data, bytes.data, bytes.size);
    STAILQ_INSERT_TAIL(&client->events, event, next);
    client->event_bytes += bytes.size;
    return 0;
}

/* [0, id, method, params] */
static int send_request(pool_client_t *client, const char *method, pool_bytes_t params)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_uint8(&packer, 0);
    msgpack_pack_uint32(&packer, ++client->last_id);
    msgpack_pack_str_with_body(&packer, method, strlen(method));
    int rc = msgpack_pack_array(&packer, params.size > 0 ? 1 : 0);
    if (rc == 0 && params.size > 0)
        rc = msgpack_sbuffer_write(&buffer, params.data, params.size);
    rc = rc < 0 ? -ENOMEM : transport_send(&client->transport, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return rc;
}

/* Reads the answer to the last request; keeps the events before it. */
static int await_reply(pool_client_t *client, int64_t timeout_ms, struct reply *reply)
{
    for (;;) {
        const void *data;
        size_t size;
        int rc = transport_next(&client->transport, timeout_ms, &data, &size);
        if (rc == 0)
            rc = reply_parse(data, size, reply);
        if (rc == 0 && reply->is_event)
            rc = keep_event(client, reply->result);
        if (rc < 0)
            return rc;
        if (reply->is_event)
            continue;
        return !reply->has_id || reply->id == client->last_id ? 0 : -EBADMSG;
    }
}

static bool is_map(pool_bytes_t params)
{
    const unsigned char first = *(const unsigned char *)params.data;
    return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
}

static int check_request(const pool_client_t *client, const char *method, pool_bytes_t params, pool_error_t *error)
{
    const size_t size = strlen(method) + params.size + REQUEST_EXTRA;
    if (params.size > 0 && (!is_map(params) || scan_object(params.data, params.size) < 0))
        return connection_fail(error, -EINVAL, "%s: the parameters are not one MessagePack map, or nested too deep",
                               method);
    if (client->message_max > 0 && size > client->message_max)
        return connection_fail(error, -E2BIG, "%s: %zu bytes are above the %zu that reclaimd takes (--max-message)",
                               method, size, client->message_max);
    return 0;
}

/* pool_client_call, but the answer has to come within timeout_ms (-1: no limit), or the connection is broken. */
static int call(pool_client_t *client, const char *method, pool_bytes_t params, int64_t timeout_ms,
                pool_bytes_t *result, pool_error_t *error)
{
    struct reply reply = {0};
    *result = (pool_bytes_t){0};
    client->code[0] = '\0';
    if (client->broken != 0)
        return fail_broken(client, client->broken, error);
    int rc = check_request(client, method, params, error);
    if (rc < 0)
        return rc;
    const int sent = send_request(client, method, params);
    rc = sent;
    if (sent == 0 || sent == -EPIPE || sent == -ECONNRESET) /* before it closed, the daemon may have said why */
        rc = await_reply(client, timeout_ms, &reply);
    if (rc < 0)
        return fail_broken(client, sent < 0 ? sent : rc, error);
    if (!reply.has_id)
        client->broken = -EPIPE;
    if (reply.error.size > 0)
        return reply_fail(reply.error, client->code, error);
    *result = reply.result;
    return 0;
}

int pool_client_call(pool_client_t *client, const char *method, pool_bytes_t params, pool_bytes_t *result,
                     pool_error_t *error)
{
    return call(client, method, params, -1, result, error);
}

int connection_ask(pool_client_t *client, const char *method, pool_fields_t *params, int64_t timeout_ms,
                   msgpack_unpacked *answer, pool_error_t *error)
{
    pool_bytes_t map, result;
    msgpack_unpacked_init(answer);
    int rc = pool_fields_end(params, &map);
    if (rc < 0)
        connection_fail(error, rc, "%s: no memory for the request", method);
    else
        rc = call(client, method, map, timeout_ms, &result, error);
    pool_fields_free(params);
    if (rc < 0)
        return rc;
    if (msgpack_unpack_next(answer, result.data, result.size, NULL) != MSGPACK_UNPACK_SUCCESS)
        return connection_fail(error, -ENOMEM, "%s: no memory for the answer", method);
    return answer->data.type == MSGPACK_OBJECT_MAP ? 0 : fail_broken(client, -EBADMSG, error);
}

const char *pool_client_error_code(const pool_client_t *client)
{
    return client->code;
}

/* ---- notifications ----------------------------------------------------------------------------------------------- */

int pool_client_event(pool_client_t *client, int64_t timeout_ms, pool_bytes_t *event, pool_error_t *error)
{
    const void *data;
    size_t size;
    struct reply reply = {0};
    client->code[0] = '\0';
    free(client->given);
    client->given = STAILQ_FIRST(&client->events);
    if (client->given != NULL) {
        STAILQ_REMOVE_HEAD(&client->events, next);
        client->event_bytes -= client->given->size;
        *event = (pool_bytes_t){client->given->data, client->given->size};
        return 0;
    }
    if (client->broken != 0)
        return fail_broken(client, client->broken, error);
    int rc = transport_next(&client->transport, timeout_ms, &data, &size);
    if (rc == -ETIMEDOUT)
        return connection_fail(error, rc, "no notification came in that time");
    if (rc == 0)
        rc = reply_parse(data, size, &reply);
    if (rc < 0)
        return fail_broken(client, rc, error);
    if (reply.is_event) {
        *event = reply.result;
        return 0;
    }
    client->broken = -EPIPE; /* a response that nobody asked for: the daemon says why it closes */
    return reply.error.size > 0 ? reply_fail(reply.error, client->code, error) : fail_broken(client, -EBADMSG, error);
}

int pool_client_fd(const pool_client_t *client)
{
    return client->transport.fd;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

int pool_client_path(char *path, size_t size)
{
    const char *named = getenv("RECLAIM_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (named != NULL && named[0] != '\0')
        length = snprintf(path, size, "%s", named);
    else if (geteuid() != 0 && runtime != NULL && runtime[0] == '/')
        length = snprintf(path, size, "%s/reclaim/reclaimd.sock", runtime);
    else
        length = snprintf(path, size, "/run/reclaim/reclaimd.sock");
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

static int hello(pool_client_t *client, pool_error_t *error)
{
    pool_fields_t fields;
    msgpack_unpacked answer;
    pool_fields_begin(&fields);
    pool_fields_uint(&fields, "protocol", PROTOCOL);
    pool_fields_text(&fields, "client", "libreclaim");
    int rc = connection_ask(client, "hello", &fields, HELLO_MS, &answer, error);
    client->message_max = (size_t)pool_field_uint(&answer.data, "max_message");
    if (rc == 0 && pool_field_uint(&answer.data, "protocol") != PROTOCOL)
        rc = connection_fail(error, -EPROTONOSUPPORT,
                             "reclaimd at %s speaks another version of the protocol: use programs of the same version",
                             client->path);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* Before a daemon gets a byte: a submit carries the environment. unix(7), SO_PEERCRED: the user whose process called
 * listen(2), which cannot change later. Where systemd made the socket that is systemd's user. */
static int check_peer(const pool_client_t *client, pool_error_t *error)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(client->transport.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return connection_fail(error, -errno, "%s: the user who listens there is not known: %s", client->path,
                               strerror(errno));
    if (trust_uid(peer.uid, geteuid(), client->path))
        return 0;
    return connection_fail(error, -EPERM,
                           "%s: uid %u listens there, neither you (uid %u) nor root: nothing was sent; name your own "
                           "reclaimd's socket (RECLAIM_SOCKET)%s",
                           client->path, (unsigned)peer.uid, (unsigned)geteuid(),
                           geteuid() == 0 ? ", or be that user (runuser)" : "");
}

static int fail_connect(const char *path, int code, pool_error_t *error)
{
    if (code == -ENOENT || code == -ECONNREFUSED)
        return connection_fail(error, code,
                               "no reclaimd listens at %s: start one with `reclaim daemon start`, or "
                               "`systemctl --user start reclaimd`",
                               path);
    if (code == -ENAMETOOLONG)
        return connection_fail(error, code, "the path of a socket may have at most 107 bytes: %s", path);
    return connection_fail(error, code, "%s: %s", path, strerror(-code));
}

int pool_client_open(pool_client_t **client, const char *path, pool_error_t *error)
{
    char usual[4096];
    *client = NULL;
    if (path == NULL && pool_client_path(usual, sizeof usual) < 0)
        return connection_fail(error, -ENAMETOOLONG, "RECLAIM_SOCKET, or XDG_RUNTIME_DIR, is too long for a path");
    pool_client_t *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return connection_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
    STAILQ_INIT(&opened->events);
    opened->transport.fd = -1;
    opened->path = strdup(path != NULL ? path : usual);
    int rc = opened->path == NULL ? connection_fail(error, -ENOMEM, "%s", strerror(ENOMEM))
                                  : transport_connect(&opened->transport, opened->path);
    if (opened->path != NULL && rc < 0)
        fail_connect(opened->path, rc, error);
    if (rc == 0)
        rc = check_peer(opened, error);
    if (rc == 0)
        rc = hello(opened, error);
    if (rc < 0)
        pool_client_close(opened);
    else
        *client = opened;
    return rc;
}

void pool_client_close(pool_client_t *client)
{
    if (client == NULL)
        return;
    transport_close(&client->transport);
    for (struct client_event *event; (event = STAILQ_FIRST(&client->events)) != NULL;) {
        STAILQ_REMOVE_HEAD(&client->events, next);
        free(event);
    }
    free(client->given);
    free(client->path);
    free(client);
}
