/* unpack.c - reclaim/msgpack.h for readers: bytes are scanned before msgpack-c sees them. */
#include "scan.h"

#include <errno.h>
#include <reclaim/msgpack.h>

static int unpack_bytes(const void *data, size_t size, msgpack_unpacked *unpacked)
{
    msgpack_unpacked_init(unpacked);
    if (size == 0 || scan_object(data, size) < 0)
        return -EBADMSG;
    size_t offset = 0;
    switch (msgpack_unpack_next(unpacked, data, size, &offset)) {
    case MSGPACK_UNPACK_SUCCESS:
        return 0;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
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
