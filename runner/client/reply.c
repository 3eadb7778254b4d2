#include "reply.h"

#include "scan.h"

#include <errno.h>
#include <reclaim/map.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    int number;
} codes[] = {
    {"malformed", EBADMSG},
    {"too-large", E2BIG},
    {"invalid-request", EINVAL},
    {"unsupported-protocol", EPROTONOSUPPORT},
    {"unknown-method", ENOSYS},
    {"unknown-field", EINVAL},
    {"missing-field", EINVAL},
    {"wrong-type", EINVAL},
    {"invalid-value", EINVAL},
    {"unknown-task", EINVAL},
    {"unknown-job", ENOENT},
    {"unknown-group", ENOENT},
    {"key-taken", EEXIST},
    {"cycle", EINVAL},
    {"never-fits", E2BIG},
    {"not-ended", EBUSY},
    {"already-ended", EALREADY},
    {"already-running", EBUSY},
    {"queue-full", EAGAIN},
    {"too-many-jobs", EAGAIN},
    {"too-many-clients", EUSERS},
    {"too-many-requests", EAGAIN},
    {"denied", EACCES},
    {"draining", ESHUTDOWN},
    {"shutting-down", ESHUTDOWN},
    {"read-only", EROFS},
    {"storage", EIO},
    {"internal", ENOMEM},
};

/* Takes the next element of a message off bytes. */
static int take(pool_bytes_t *bytes, pool_bytes_t *element)
{
    struct scan scan;
    scan_begin(&scan, bytes->size); /* each takes a byte */
    if (scan_step(&scan, bytes->data, bytes->size) != 1)
        return -EBADMSG;
    *element = (pool_bytes_t){bytes->data, (size_t)scan.at};
    bytes->data = (const char *)bytes->data + scan.at;
    bytes->size -= (size_t)scan.at;
    return 0;
}

/* Takes the header of an array that has its size in the first byte, as msgpack-c packs small ones. */
static int take_array(pool_bytes_t *bytes, unsigned *count)
{
    const unsigned char *tag = bytes->data;
    if (bytes->size == 0 || (*tag & 0xf0) != 0x90)
        return -EBADMSG;
    *count = *tag & 0x0f;
    *bytes = (pool_bytes_t){tag + 1, bytes->size - 1};
    return 0;
}

static bool is_nil(pool_bytes_t element)
{
    return element.size == 1 && *(const unsigned char *)element.data == 0xc0;
}

static int read_uint(pool_bytes_t element, uint32_t *value)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    int rc = -EBADMSG;
    if (msgpack_unpack_next(&unpacked, element.data, element.size, NULL) == MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_POSITIVE_INTEGER && unpacked.data.via.u64 <= UINT32_MAX) {
        *value = (uint32_t)unpacked.data.via.u64;
        rc = 0;
    }
    msgpack_unpacked_destroy(&unpacked);
    return rc;
}

static int parse_response(pool_bytes_t rest, struct reply *reply)
{
    pool_bytes_t id, error;
    if (take(&rest, &id) < 0 || take(&rest, &error) < 0 || take(&rest, &reply->result) < 0 || rest.size != 0)
        return -EBADMSG;
    reply->has_id = !is_nil(id);
    if (reply->has_id && read_uint(id, &reply->id) < 0)
        return -EBADMSG;
    if (!is_nil(error))
        reply->error = error;
    return reply->has_id || reply->error.size > 0 ? 0 : -EBADMSG;
}

static int parse_event(pool_bytes_t rest, struct reply *reply)
{
    pool_bytes_t method;
    unsigned count;
    reply->is_event = true;
    if (take(&rest, &method) < 0 || take_array(&rest, &count) < 0 || count != 1)
        return -EBADMSG;
    return take(&rest, &reply->result) == 0 && rest.size == 0 ? 0 : -EBADMSG;
}

int reply_parse(const void *data, size_t size, struct reply *reply)
{
    pool_bytes_t rest = {data, size}, first;
    unsigned count;
    uint32_t kind;
    *reply = (struct reply){0};
    if (take_array(&rest, &count) < 0 || take(&rest, &first) < 0 || read_uint(first, &kind) < 0)
        return -EBADMSG;
    if (kind == 1 && count == 4)
        return parse_response(rest, reply);
    return kind == 2 && count == 3 ? parse_event(rest, reply) : -EBADMSG;
}

int reply_fail(pool_bytes_t bytes, char code[32], pool_error_t *error)
{
    msgpack_unpacked unpacked;
    pool_error_t said = {.code = -EPROTO};
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, bytes.data, bytes.size, NULL) == MSGPACK_UNPACK_SUCCESS) {
        pool_field_text(&unpacked.data, "code", code, 32);
        pool_field_text(&unpacked.data, "message", said.message, sizeof said.message);
    }
    msgpack_unpacked_destroy(&unpacked);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i].code) == 0)
            said.code = -codes[i].number;
    if (said.message[0] == '\0')
        snprintf(said.message, sizeof said.message, "the daemon refused it, and did not say why");
    if (error != NULL)
        *error = said;
    return said.code;
}
