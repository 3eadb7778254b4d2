/* connection.h - what a pool_client_t holds; for the files of this folder only. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "reply.h"
#include "transport.h"

#include <reclaim/client.h>
#include <reclaim/map.h>
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
    int broken; /* negative errno, which every further call returns; 0: it is not broken */
    char code[32];
    size_t message_max;                              /* bytes that the daemon takes; 0: not known yet */
    STAILQ_HEAD(client_events, client_event) events; /* that came before the answer to a request */
    size_t event_bytes;
    struct client_event *given; /* lent by the last pool_client_event */
};

/* Fills error (may be NULL), printf-style and cut to fit, and returns code. */
int connection_fail(pool_error_t *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Calls a method with the fields (*takes*: they are freed), within timeout_ms (-1: no limit), after which the
 * connection is broken. answer is the caller's for msgpack_unpacked_destroy, also on failure, and borrows from the
 * client until the next call. -EBADMSG: the answer is no map; else what pool_client_call says. */
int connection_ask(pool_client_t *client, const char *method, pool_fields_t *params, int64_t timeout_ms,
                   msgpack_unpacked *answer, pool_error_t *error);

#endif
