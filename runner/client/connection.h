/* connection.h - what a pool_client_t holds; for the files of this folder only. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "reply.h"
#include "transport.h"

#include <reclaim/client.h>
#include <sys/queue.h>

struct client_event {
    STAILQ_ENTRY(client_event) next;
    size_t size;
    char data[];
};

struct pool_client {
    struct transport transport;
    char *path;
    uint32_t last_id;
    int broken; /* negative errno: what every further call gives; 0: it is not */
    char code[32];
    size_t message_max;                              /* bytes that the daemon takes; 0: not told yet */
    STAILQ_HEAD(client_events, client_event) events; /* that came while an answer was awaited */
    size_t event_bytes;
    struct client_event *given; /* what the last pool_client_event lent */
};

/* Fills error (may be NULL), printf-style and cut to fit, and returns code. */
int connection_fail(pool_error_t *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* pool_client_call, with a time limit (-1: none), after which the connection is broken. */
int connection_call(pool_client_t *client, const char *method, pool_bytes_t params, int64_t timeout_ms,
                    pool_bytes_t *result, pool_error_t *error);

/* The same, and the result unpacked: the caller's for msgpack_unpacked_destroy, also on failure. It borrows from the
 * client until the next call. -EBADMSG where it is no map. */
int connection_ask(pool_client_t *client, const char *method, const msgpack_sbuffer *params, msgpack_unpacked *unpacked,
                   pool_error_t *error);

/* "name": for the maps of requests. */
void connection_pack_text(msgpack_packer *packer, const char *text);

#endif
