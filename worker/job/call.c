/* call.c - the pool_call_ functions: a job talking to its pool from inside its worker. */
#include "call_value.h"

#include "payload.h"
#include "process.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const void *pool_call_arg(const pool_call_t *call, size_t *size)
{
    if (size != NULL)
        *size = call->arg_size;
    return call->arg_size == 0 ? NULL : call->arg;
}

void pool_call_set_arg(pool_call_t *call, const void *data, size_t size)
{
    call->arg = data;
    call->arg_size = size;
}

uint32_t pool_call_attempt(const pool_call_t *call)
{
    return call->attempt;
}

int pool_call_fd(const pool_call_t *call, size_t index)
{
    return index < call->fd_count ? call->fds[index] : -EBADF;
}

int pool_call_fail(pool_call_t *call, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&call->lock);
    if (vsnprintf(call->text, sizeof call->text, format, args) < 0)
        call->text[0] = '\0';
    pthread_mutex_unlock(&call->lock);
    va_end(args);
    return code == 0 ? 1 : code;
}

int pool_call_progress(pool_call_t *call, uint64_t done, uint64_t total)
{
    if (!call_is_worker(call))
        return -EPERM;
    if (!call->events)
        return 0;
    const struct message_progress progress = {.done = done, .total = total};
    pthread_mutex_lock(&call->lock);
    const int rc = channel_send_small(call->channel, MESSAGE_PROGRESS, &progress, false);
    pthread_mutex_unlock(&call->lock);
    return rc;
}

static int send_copy(struct channel *channel, const void *data, size_t size)
{
    int fd = payload_copy("reclaim-partial", data, size);
    if (fd < 0)
        return fd;
    const int rc = channel_send_descriptor(channel, fd);
    close(fd);
    return rc;
}

/* The caller holds the lock: a descriptor and its frame go in pairs. */
static int send_partial(pool_call_t *call, const void *data, size_t size)
{
    static uint8_t frame[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
    struct message_partial partial = {.payload = PAYLOAD_INLINE, .size = size, .data = {data, size}};
    int rc = 0;
    if (size > FRAME_INLINE_MAX) {
        const bool plain = channel_is_plain(call->channel);
        rc = plain ? channel_send_pieces(call->channel, false, &(pool_bytes_t){data, size}, 0)
                   : send_copy(call->channel, data, size);
        partial.payload = plain ? PAYLOAD_PIECES : PAYLOAD_MEMFD;
        partial.data.size = 0;
    }
    if (rc < 0)
        return rc;
    const ssize_t packed = message_pack(frame, sizeof frame, MESSAGE_PARTIAL, &partial);
    return packed < 0 ? (int)packed : channel_send(call->channel, frame, (size_t)packed, false);
}

int pool_call_emit(pool_call_t *call, const void *data, size_t size)
{
    if (!call_is_worker(call))
        return -EPERM;
    if (data == NULL && size > 0)
        return -EINVAL;
    if (call_is_too_large(call, size))
        return -EFBIG;
    if (!call->events)
        return 0;
    pthread_mutex_lock(&call->lock);
    channel_widen(call->channel, CHANNEL_WIDEST);
    const int rc = send_partial(call, data, size);
    pthread_mutex_unlock(&call->lock);
    return rc;
}

void *pool_call_alloc(pool_call_t *call, size_t size)
{
    pthread_mutex_lock(&call->arena_lock); /* not `lock`, which call_finish keeps */
    void *data = arena_alloc(&call->arena, size);
    pthread_mutex_unlock(&call->arena_lock);
    return data;
}

msgpack_packer *pool_call_packer(pool_call_t *call)
{
    pthread_mutex_lock(&call->lock);
    if (!call->packing) {
        msgpack_sbuffer_init(&call->packed);
        msgpack_packer_init(&call->packer, &call->packed, msgpack_sbuffer_write);
        call->packing = true;
    }
    pthread_mutex_unlock(&call->lock);
    return &call->packer;
}

/* The caller holds the lock. */
static int send_result(struct pool_call *call, int code, bool early)
{
    static uint8_t large[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
    uint8_t small[2 * CALL_TEXT_MAX]; /* on the stack, which costs no copy of another page */
    struct message_result result = {.code = code};
    const int rc = call_value_send(call, early, &result);
    if (rc < 0)
        return rc;
    if (code != 0)
        result.text = (struct message_slice){call->text, strlen(call->text)};
    const bool is_small = result.data.size < CALL_TEXT_MAX / 2;
    uint8_t *frame = is_small ? small : large;
    const ssize_t size = message_pack(frame, is_small ? sizeof small : sizeof large, MESSAGE_RESULT, &result);
    return size < 0 ? (int)size : channel_send(call->channel, frame, (size_t)size, true);
}

int call_finish(struct pool_call *call, int code, bool early)
{
    int rc = code == 0 ? call_value_settle(call) : 0;
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&call->lock);
    rc = send_result(call, code, early);
    if (rc < 0) /* else never: no frame may follow the result */
        pthread_mutex_unlock(&call->lock);
    return rc;
}

/* Returns the code of the failure. */
static int fail_by_value(struct pool_call *call, int error)
{
    const size_t size = call->returned ? call->size : call->refused_size;
    if (call_is_too_large(call, size))
        return pool_call_fail(call, EFBIG,
                              "the value could not be returned: its %zu bytes are over its result_limit of %" PRId64,
                              size, call->result_limit);
    return pool_call_fail(call, -error, "the value could not be returned: %s",
                          error == -ESTALE ? "the job has closed or reused its descriptor" : process_error(-error));
}

int call_finish_without_value(struct pool_call *call, int code, int error)
{
    call->payload = PAYLOAD_NONE;
    return call_finish(call, code != 0 ? code : fail_by_value(call, error), false);
}

/* ---- reading MessagePack --------------------------------------------------------------------------------------- */

/* Scans the bytes before msgpack-c sees them: see scan.h. */
static int unpack_bytes(const void *data, size_t size, msgpack_unpacked *unpacked)
{
    msgpack_unpacked_init(unpacked);
    if (size == 0 || scan_object(data, size) < 0)
        return -EBADMSG;
    size_t offset = 0;
    const msgpack_unpack_return got = msgpack_unpack_next(unpacked, data, size, &offset);
    return got == MSGPACK_UNPACK_SUCCESS ? 0 : got == MSGPACK_UNPACK_NOMEM_ERROR ? -ENOMEM : -EBADMSG;
}

int pool_call_unpack(const pool_call_t *call, msgpack_unpacked *unpacked)
{
    size_t size;
    const void *data = pool_call_arg(call, &size);
    return unpack_bytes(data, size, unpacked);
}

int pool_result_unpack(const pool_result_t *result, msgpack_unpacked *unpacked)
{
    return unpack_bytes(result->data, result->size, unpacked);
}
