/* rpc.h - MessagePack-RPC: what a message is, and what errors there are (docs/protocol.md).
 *
 * Knows no socket and no job. Objects were checked by scan before msgpack-c unpacked them. */
#ifndef RPC_H
#define RPC_H

#include <reclaim/map.h>
#include <stdbool.h>
#include <stdint.h>

/* Of docs/protocol.md, in its order. */
enum rpc_code {
    RPC_MALFORMED = 1,
    RPC_TOO_LARGE,
    RPC_INVALID_REQUEST,
    RPC_UNSUPPORTED_PROTOCOL,
    RPC_UNKNOWN_METHOD,
    RPC_UNKNOWN_FIELD,
    RPC_MISSING_FIELD,
    RPC_WRONG_TYPE,
    RPC_INVALID_VALUE,
    RPC_UNKNOWN_TASK,
    RPC_UNKNOWN_JOB,
    RPC_UNKNOWN_GROUP,
    RPC_KEY_TAKEN,
    RPC_CYCLE,
    RPC_NEVER_FITS,
    RPC_NOT_ENDED,
    RPC_ALREADY_ENDED,
    RPC_ALREADY_RUNNING,
    RPC_QUEUE_FULL,
    RPC_TOO_MANY_JOBS,
    RPC_TOO_MANY_CLIENTS,
    RPC_TOO_MANY_REQUESTS,
    RPC_DENIED,
    RPC_DRAINING,
    RPC_SHUTTING_DOWN,
    RPC_READ_ONLY,
    RPC_STORAGE,
    RPC_INTERNAL,
    RPC_CODE_COUNT_
};

/* "unknown-method"; static. */
const char *rpc_code_name(enum rpc_code code);

struct rpc_error {
    enum rpc_code code;
    char message[512];
};

/* Fills error (printf-style, cut to fit) and returns -1. Text of a client goes through rpc_quote first. */
int rpc_fail(struct rpc_error *error, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes a text from outside fit for a message or a log: bytes that are not printable become \xNN, and a text longer
 * than 60 bytes is cut ("..."). Writes at most 256 bytes to out, returns it. */
const char *rpc_quote(const char *text, size_t size, char out[256]);

struct rpc_text {
    const char *data; /* not terminated; *borrowed* from the message */
    size_t size;
};

struct rpc_request {
    uint32_t id;
    struct rpc_text method;
    const msgpack_object *params; /* a map; NULL: none was given */
};

/* 0, or -1 and error: RPC_INVALID_REQUEST. Everything is *borrowed* from message. */
int rpc_parse(const msgpack_object *message, struct rpc_request *request, struct rpc_error *error);

/* [1, id, nil, ...: the result is packed next. */
void rpc_pack_result(msgpack_packer *packer, uint32_t id);
/* The whole response; id NULL: nil. */
void rpc_pack_error(msgpack_packer *packer, const uint32_t *id, const struct rpc_error *error);
/* [2, method, [...: one value is packed next. */
void rpc_pack_notification(msgpack_packer *packer, const char *method);

int rpc_pack_text(msgpack_packer *packer, const char *text); /* str, up to the NUL; as msgpack_pack_str_with_body */
/* A field that is an array: of count elements, packed one after the other in elements. */
void rpc_pack_array(pool_fields_t *fields, const char *name, uint32_t count, const msgpack_sbuffer *elements);

#endif
