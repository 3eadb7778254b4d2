/* SPDX-License-Identifier: MIT
 *
 * reclaim/msgpack.h - arguments and results as MessagePack values, with msgpack-c
 * (https://github.com/msgpack/msgpack-c, branch c_master; the format:
 * https://github.com/msgpack/msgpack/blob/master/spec.md).
 *
 * msgpack-c alone reserves gigabytes for five hostile bytes. So reclaim checks bytes first: every declared element
 * needs at least a byte, nesting is at most 32, and nothing may follow the object.
 */
#ifndef RECLAIM_MSGPACK_H
#define RECLAIM_MSGPACK_H

#include <msgpack.h>
#include <reclaim/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In a worker: a packer (*borrowed*, always the same) whose bytes become the job's value when the function returns 0,
 * unless it calls pool_call_return. NULL and errno ENOMEM. */
POOL_API msgpack_packer *pool_call_packer(pool_call_t *call);

/* In a worker: the argument as one MessagePack object. *unpacked is the caller's, for msgpack_unpacked_destroy; its
 * strings may point into the argument. Errors: -EBADMSG (not one MessagePack object), -ENOMEM. */
POOL_API int pool_call_unpack(const pool_call_t *call, msgpack_unpacked *unpacked);

/* In the host: a job's value, as pool_call_unpack; valid as long as the result. */
POOL_API int pool_result_unpack(const pool_result_t *result, msgpack_unpacked *unpacked);

#ifdef __cplusplus
}
#endif
#endif
