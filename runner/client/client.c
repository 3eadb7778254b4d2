/* client.c - opening and closing, requests and notifications. */
#include "connection.h"

#include "scan.h"
#include "trust.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void connection_pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
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
        return connection_fail(error, code, "what answers at %s does not speak reclaimd's protocol", client->path);
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
    connection_pack_text(&packer, method);
    int rc = msgpack_pack_array(&packer, params.size > 0 ? 1 : 0);
    if (rc == 0 && params.size > 0)
        rc = msgpack_sbuffer_write(&buffer, params.data, params.size);
    rc = rc < 0 ? -ENOMEM : transport_send(&client->transport, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return rc;
}

/* The answer to the last request; events that come before it are kept. */
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
        return connection_fail(error, -EINVAL, "%s: what is given is not one MessagePack map, or nested too deep",
                               method);
    if (client->message_max > 0 && size > client->message_max)
        return connection_fail(error, -E2BIG, "%s: %zu bytes are above the %zu that reclaimd takes (--max-message)",
                               method, size, client->message_max);
    return 0;
}

int connection_call(pool_client_t *client, const char *method, pool_bytes_t params, int64_t timeout_ms,
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
    return connection_call(client, method, params, -1, result, error);
}

int connection_ask(pool_client_t *client, const char *method, const msgpack_sbuffer *params, msgpack_unpacked *unpacked,
                   pool_error_t *error)
{
    pool_bytes_t result;
    msgpack_unpacked_init(unpacked);
    const int rc = pool_client_call(client, method, (pool_bytes_t){params->data, params->size}, &result, error);
    if (rc < 0)
        return rc;
    if (msgpack_unpack_next(unpacked, result.data, result.size, NULL) != MSGPACK_UNPACK_SUCCESS)
        return connection_fail(error, -ENOMEM, "%s: no memory for the answer", method);
    return unpacked->data.type == MSGPACK_OBJECT_MAP ? 0 : fail_broken(client, -EBADMSG, error);
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
        return connection_fail(error, rc, "nothing was told in that time");
    if (rc == 0)
        rc = reply_parse(data, size, &reply);
    if (rc < 0)
        return fail_broken(client, rc, error);
    if (reply.is_event) {
        *event = reply.result;
        return 0;
    }
    client->broken = -EPIPE; /* what is no event is the daemon's last word */
    return reply.error.size > 0 ? reply_fail(reply.error, client->code, error) : fail_broken(client, -EBADMSG, error);
}

int pool_client_fd(const pool_client_t *client)
{
    return client->transport.fd;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static int hello(pool_client_t *client, pool_error_t *error)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_unpacked unpacked;
    pool_bytes_t result;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    connection_pack_text(&packer, "protocol");
    msgpack_pack_uint8(&packer, PROTOCOL);
    connection_pack_text(&packer, "client");
    connection_pack_text(&packer, "libreclaim");
    int rc = connection_call(client, "hello", (pool_bytes_t){buffer.data, buffer.size}, HELLO_MS, &result, error);
    msgpack_sbuffer_destroy(&buffer);
    if (rc < 0)
        return rc;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, result.data, result.size, NULL) != MSGPACK_UNPACK_SUCCESS)
        rc = connection_fail(error, -ENOMEM, "no memory for reclaimd's answer");
    else if (unpacked.data.type != MSGPACK_OBJECT_MAP)
        rc = fail_broken(client, -EBADMSG, error);
    else if (reply_uint(&unpacked.data, "protocol") != PROTOCOL)
        rc = connection_fail(error, -EPROTONOSUPPORT,
                             "reclaimd at %s speaks no version of the protocol that is known "
                             "here: use programs of the same version",
                             client->path);
    else
        client->message_max = (size_t)reply_uint(&unpacked.data, "max_message");
    msgpack_unpacked_destroy(&unpacked);
    return rc;
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
        rc = trust_peer(opened->transport.fd, opened->path, error);
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
