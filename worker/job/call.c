/* call.c - the pool_call_ functions: a job talking to its pool from inside its worker. */
#include "call_state.h"

#include "payload.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* False in processes that the job forked, which have a copy of the call. */
static bool is_worker(const pool_call_t *call)
{
    return call->pid == getpid();
}

/* A plain worker sends a large value in pieces, from its own memory. */
static bool is_plain(const pool_call_t *call)
{
    return call->channel->socket < 0;
}

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

static int return_inline(pool_call_t *call, const void *data, size_t size)
{
    if (size > 0) {
        call->data = size <= sizeof call->little ? call->little : malloc(size);
        if (call->data == NULL)
            return -ENOMEM;
        memcpy(call->data, data, size);
        call->payload = PAYLOAD_INLINE;
    }
    return 0;
}

static int return_copy(pool_call_t *call, const void *data, size_t size)
{
    const int fd = payload_create("reclaim-result");
    if (fd < 0)
        return fd;
    atomic_store(&call->channel->page->written, size); /* counts from now on: limits are checked meanwhile */
    const int rc = payload_write(fd, data, size);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    call->memfd = fd;
    call->payload = PAYLOAD_MEMFD;
    return 0;
}

/* The value was built in place: its memfd takes the size that is used. */
static int return_built(pool_call_t *call, size_t size)
{
    if (size > call->mapped)
        return -EINVAL;
    if (call->memfd >= 0 && size > 0 && size < call->mapped && ftruncate(call->memfd, (off_t)size) < 0)
        return -errno;
    call->payload = size == 0 ? PAYLOAD_NONE : call->memfd >= 0 ? PAYLOAD_MEMFD : PAYLOAD_INLINE;
    return 0;
}

int pool_call_return(pool_call_t *call, const void *data, size_t size)
{
    if (!is_worker(call))
        return -EPERM;
    if (data == NULL && size > 0)
        return -EINVAL;
    pthread_mutex_lock(&call->lock);
    int rc = -EALREADY;
    if (!call->returned) {
        if (call->mapped > 0 && data == call->data)
            rc = return_built(call, size);
        else if (call->mapped > 0)
            rc = -EINVAL; /* it has to be the one that was allocated */
        else if (size <= FRAME_INLINE_MAX || is_plain(call))
            rc = return_inline(call, data, size);
        else
            rc = return_copy(call, data, size);
        if (rc == 0) {
            call->size = size;
            call->returned = true;
        }
    }
    pthread_mutex_unlock(&call->lock);
    return rc;
}

static void *alloc_result(pool_call_t *call, size_t size)
{
    if (call->returned || call->mapped > 0) {
        errno = EALREADY;
        return NULL;
    }
    int fd = is_plain(call) ? -1 : payload_create("reclaim-result");
    if (fd < 0 && !is_plain(call)) {
        errno = -fd;
        return NULL;
    }
    void *data = MAP_FAILED;
    if (fd < 0)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else if (ftruncate(fd, (off_t)size) == 0)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        descriptor_close(&fd);
        return NULL;
    }
    call->memfd = fd;
    call->data = data;
    call->mapped = size;
    return data;
}

void *pool_call_alloc_result(pool_call_t *call, size_t size)
{
    if (!is_worker(call) || size == 0 || size > INT64_MAX) {
        errno = is_worker(call) ? EINVAL : EPERM;
        return NULL;
    }
    pthread_mutex_lock(&call->lock);
    void *data = alloc_result(call, size);
    pthread_mutex_unlock(&call->lock);
    return data;
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
    if (!is_worker(call))
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
        rc = is_plain(call) ? channel_send_pieces(call->channel, data, size) : send_copy(call->channel, data, size);
        partial.payload = is_plain(call) ? PAYLOAD_PIECES : PAYLOAD_MEMFD;
        partial.data.size = 0;
    }
    if (rc < 0)
        return rc;
    const ssize_t packed = message_pack(frame, sizeof frame, MESSAGE_PARTIAL, &partial);
    return packed < 0 ? (int)packed : channel_send(call->channel, frame, (size_t)packed, false);
}

int pool_call_emit(pool_call_t *call, const void *data, size_t size)
{
    if (!is_worker(call))
        return -EPERM;
    if (data == NULL && size > 0)
        return -EINVAL;
    if (!call->events)
        return 0;
    pthread_mutex_lock(&call->lock);
    channel_widen(call->channel);
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

/* The value's descriptor goes before the frame. A failed job has no value. */
static int send_value(struct pool_call *call, int code, bool early, struct message_result *result)
{
    if (code != 0 || call->payload == PAYLOAD_NONE)
        return 0;
    result->payload = call->payload;
    result->size = call->size;
    if (is_plain(call) && call->size > FRAME_INLINE_MAX) {
        result->payload = PAYLOAD_PIECES;
        return channel_send_pieces(call->channel, call->data, call->size);
    }
    if (call->payload == PAYLOAD_INLINE) {
        result->data = (struct message_slice){call->data, call->size};
        return 0;
    }
    if (early) { /* sealing fails while it is mapped for writing; then the host seals it at the end */
        if (call->mapped > 0)
            munmap(call->data, call->mapped);
        result->sealed = payload_seal(call->memfd) == 0;
    }
    return channel_send_descriptor(call->channel, call->memfd);
}

/* The caller holds the lock. */
static int send_result(struct pool_call *call, int code, bool early)
{
    static uint8_t large[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
    uint8_t small[2 * CALL_TEXT_MAX]; /* on the stack, which costs no copy of another page */
    struct message_result result = {.code = code};
    const int rc = send_value(call, code, early, &result);
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
    int rc = 0;
    if (code == 0 && !call->returned && call->mapped > 0) /* without pool_call_return() all of it is the value */
        rc = pool_call_return(call, call->data, call->mapped);
    else if (code == 0 && !call->returned && call->packing)
        rc = pool_call_return(call, call->packed.data, call->packed.size);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&call->lock);
    rc = send_result(call, code, early);
    if (rc < 0) /* else never: no frame may follow the result */
        pthread_mutex_unlock(&call->lock);
    return rc;
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
