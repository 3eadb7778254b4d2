/* reply.h - the parts of a MessagePack-RPC message from a daemon. Pure. The message was scanned, nothing more. */
#ifndef REPLY_H
#define REPLY_H

#include <msgpack.h>
#include <reclaim/pool.h>

struct reply {
    bool is_event; /* a notification: `result` is its one parameter */
    bool has_id;   /* false: an error about the connection */
    uint32_t id;
    pool_bytes_t error; /* size 0: none */
    pool_bytes_t result;
};

/* Everything is *borrowed* from data, which is one whole object. -EBADMSG: it is no response and no notification. */
int reply_parse(const void *data, size_t size, struct reply *reply);

/* An error of a response: copies its code, and its sentence into error (may be NULL). Returns the negative errno of
 * that code; -EPROTO: it is not known here. */
int reply_fail(pool_bytes_t bytes, char code[32], pool_error_t *error);

#endif
