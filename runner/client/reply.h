/* reply.h - what a daemon sends: the parts of a MessagePack-RPC message. Pure.
 *
 * Every byte of it was scanned before; nothing here trusts more than that. */
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

/* An error of a response: its code in code, its sentence in error (may be NULL). The negative errno of that code;
 * -EPROTO where it is not known here. */
int reply_fail(pool_bytes_t bytes, char code[32], pool_error_t *error);

/* The value of a field; NULL: there is none, or map is no map. *Borrowed*. */
const msgpack_object *reply_field(const msgpack_object *map, const char *name);
/* 0, false or "" where it is of another type. */
uint64_t reply_uint(const msgpack_object *map, const char *name);
int64_t reply_int(const msgpack_object *map, const char *name);
double reply_double(const msgpack_object *map, const char *name);
void reply_text(const msgpack_object *map, const char *name, char *text, size_t size);

#endif
