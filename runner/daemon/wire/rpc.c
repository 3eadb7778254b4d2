#include "rpc.h"

#include "escape.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTED_MAX 60 /* bytes of a text from outside that are shown; four characters each at most */

enum kind { KIND_REQUEST = 0, KIND_RESPONSE = 1, KIND_NOTIFICATION = 2 };

static const char *const code_names[RPC_CODE_COUNT_] = {
    [RPC_MALFORMED] = "malformed",
    [RPC_TOO_LARGE] = "too-large",
    [RPC_INVALID_REQUEST] = "invalid-request",
    [RPC_UNSUPPORTED_PROTOCOL] = "unsupported-protocol",
    [RPC_UNKNOWN_METHOD] = "unknown-method",
    [RPC_UNKNOWN_FIELD] = "unknown-field",
    [RPC_MISSING_FIELD] = "missing-field",
    [RPC_WRONG_TYPE] = "wrong-type",
    [RPC_INVALID_VALUE] = "invalid-value",
    [RPC_UNKNOWN_TASK] = "unknown-task",
    [RPC_UNKNOWN_JOB] = "unknown-job",
    [RPC_UNKNOWN_GROUP] = "unknown-group",
    [RPC_KEY_TAKEN] = "key-taken",
    [RPC_CYCLE] = "cycle",
    [RPC_NEVER_FITS] = "never-fits",
    [RPC_NOT_ENDED] = "not-ended",
    [RPC_ALREADY_ENDED] = "already-ended",
    [RPC_ALREADY_RUNNING] = "already-running",
    [RPC_QUEUE_FULL] = "queue-full",
    [RPC_TOO_MANY_JOBS] = "too-many-jobs",
    [RPC_TOO_MANY_CLIENTS] = "too-many-clients",
    [RPC_TOO_MANY_REQUESTS] = "too-many-requests",
    [RPC_DENIED] = "denied",
    [RPC_DRAINING] = "draining",
    [RPC_SHUTTING_DOWN] = "shutting-down",
    [RPC_READ_ONLY] = "read-only",
    [RPC_STORAGE] = "storage",
    [RPC_INTERNAL] = "internal",
};

const char *rpc_code_name(enum rpc_code code)
{
    assert(code >= RPC_MALFORMED && code < RPC_CODE_COUNT_);
    return code_names[code];
}

int rpc_fail(struct rpc_error *error, enum rpc_code code, const char *format, ...)
{
    va_list arguments;
    error->code = code;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return -1;
}

const char *rpc_quote(const char *text, size_t size, char out[256])
{
    const size_t shown = size < QUOTED_MAX ? size : QUOTED_MAX;
    const size_t used = escape_bytes(text, shown, ESCAPE_CONTROL | ESCAPE_HIGH | ESCAPE_QUOTES, out, 256);
    snprintf(out + used, sizeof "...", "%s", shown < size ? "..." : "");
    return out;
}

static bool is_uint(const msgpack_object *object, uint64_t most)
{
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= most;
}

int rpc_parse(const msgpack_object *message, struct rpc_request *request, struct rpc_error *error)
{
    const enum rpc_code code = RPC_INVALID_REQUEST;
    const msgpack_object *part = message->via.array.ptr;
    if (message->type != MSGPACK_OBJECT_ARRAY || message->via.array.size != 4)
        return rpc_fail(error, code, "a request is an array of four: [0, msgid, method, params]");
    if (!is_uint(&part[0], KIND_REQUEST))
        return rpc_fail(error, code, "a client sends requests only: [0, msgid, method, params]");
    if (!is_uint(&part[1], UINT32_MAX))
        return rpc_fail(error, code, "msgid has to be a whole number from 0 to 4294967295");
    if (part[2].type != MSGPACK_OBJECT_STR)
        return rpc_fail(error, code, "method has to be a str");
    if (part[3].type != MSGPACK_OBJECT_ARRAY || part[3].via.array.size > 1)
        return rpc_fail(error, code, "params has to be an array: empty, or with one map");
    *request = (struct rpc_request){.id = (uint32_t)part[1].via.u64,
                                    .method = {.data = part[2].via.str.ptr, .size = part[2].via.str.size}};
    if (part[3].via.array.size == 0)
        return 0;
    request->params = part[3].via.array.ptr;
    if (request->params->type != MSGPACK_OBJECT_MAP)
        return rpc_fail(error, code, "what is in params has to be a map of named fields");
    return 0;
}

void rpc_pack_result(msgpack_packer *packer, uint32_t id)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_int(packer, KIND_RESPONSE);
    msgpack_pack_uint32(packer, id);
    msgpack_pack_nil(packer);
}

void rpc_pack_error(msgpack_packer *packer, const uint32_t *id, const struct rpc_error *error)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_int(packer, KIND_RESPONSE);
    if (id != NULL)
        msgpack_pack_uint32(packer, *id);
    else
        msgpack_pack_nil(packer);
    msgpack_pack_map(packer, 2);
    rpc_pack_text(packer, "code");
    rpc_pack_text(packer, rpc_code_name(error->code));
    rpc_pack_text(packer, "message");
    rpc_pack_text(packer, error->message);
    msgpack_pack_nil(packer);
}

void rpc_pack_notification(msgpack_packer *packer, const char *method)
{
    msgpack_pack_array(packer, 3);
    msgpack_pack_int(packer, KIND_NOTIFICATION);
    rpc_pack_text(packer, method);
    msgpack_pack_array(packer, 1);
}

int rpc_pack_text(msgpack_packer *packer, const char *text)
{
    return msgpack_pack_str_with_body(packer, text, strlen(text));
}

void rpc_pack_array(pool_fields_t *fields, const char *name, uint32_t count, const msgpack_sbuffer *elements)
{
    msgpack_packer *packer = pool_fields_packer(fields, name);
    msgpack_pack_array(packer, count);
    msgpack_pack_str_body(packer, elements->data, elements->size); /* appends the bytes as they are */
}
