/* SPDX-License-Identifier: MIT
 *
 * reclaim/msgpack.h - arguments and results as MessagePack values, with msgpack-c
 * (https://github.com/msgpack/msgpack-c, branch c_master; the format:
 * https://github.com/msgpack/msgpack/blob/master/spec.md).
 *
 * Bytes are checked before msgpack-c unpacks them: every declared element must have at least a byte, nesting at most
 * 32, nothing may trail. msgpack-c alone reserves gigabytes for five hostile bytes.
 */
#ifndef RECLAIM_MSGPACK_H
#define RECLAIM_MSGPACK_H

#include <msgpack.h>
#include <reclaim/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In a worker: a packer whose bytes become the job's value when the function returns 0, unless pool_call_return was
 * called. *Borrowed*, the same one at each call; NULL and errno ENOMEM. */
POOL_API msgpack_packer *pool_call_packer(pool_call_t *call);

/* In a worker: the argument as one MessagePack object. *unpacked is the caller's, for msgpack_unpacked_destroy; strings
 * in it may point into the argument. Errors: -EBADMSG (no MessagePack, or bytes trail), -ENOMEM. */
POOL_API int pool_call_unpack(const pool_call_t *call, msgpack_unpacked *unpacked);

/* In the host: a job's value as one MessagePack object, as pool_call_unpack; valid as long as the result. */
POOL_API int pool_result_unpack(const pool_result_t *result, msgpack_unpacked *unpacked);

#ifdef __cplusplus
}
#endif
#endif
