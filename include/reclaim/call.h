/* SPDX-License-Identifier: MIT
 *
 * reclaim/call.h - for code that runs in a worker: a pool_fn and the functions that it calls.
 *
 * The worker is a process of its own: a copy-on-write copy of the fork server with one thread. Its standard input is
 * /dev/null. Except for standard output and error only descriptors that the caller handed over are open. (If the host
 * has fork handlers that open descriptors, as libuv's do, 3 and 4 are /dev/null, too.) Fork handlers
 * (pthread_atfork(3)) run in it only with pool_options_t.fork_handlers.
 *
 * A job may start threads and processes, leak, and crash: when its function returns, whatever is left is killed.
 * exit(3) flushes stdio, runs the handlers that the job itself has registered, but none of the host's, and ends the job
 * as CRASHED, whatever the status is; the result has it as its code. quick_exit(3) does the same, but does not flush.
 * libc's random generators have a fresh seed.
 *
 * Any thread of the worker may make these calls; they are serialised. They return 0 or a negative errno, in a process
 * that the job has forked -EPERM.
 */
#ifndef RECLAIM_CALL_H
#define RECLAIM_CALL_H

#include <reclaim/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The argument's bytes (*borrowed*, read-only, aligned to 16; NULL when size is 0). size may be NULL. */
POOL_API const void *pool_call_arg(const pool_call_t *call, size_t *size);

/* Replaces the argument, for a function that unwraps it and calls another with the inner part. *Borrows*: data must
 * stay as it is until the job ends, and should be aligned to 16. */
POOL_API void pool_call_set_arg(pool_call_t *call, const void *data, size_t size);

/* Sets the job's value (*copies*), which is delivered when the function returns, also with a code other than 0: a job
 * may fail with bytes. No copy is made of the pointer from pool_call_alloc_result; size may be less than was allocated.
 * If no value can be set, and the function returns 0 all the same, the job fails and says why. Errors: -EALREADY (a
 * value was set before), -EINVAL (beyond the allocated result), -EFBIG (over the job's result_limit), -ENOMEM, -ENOSPC.
 */
POOL_API int pool_call_return(pool_call_t *call, const void *data, size_t size);

/* The same for a value in parts (*copies*), one after the other: gathered with writev(2), which costs less than to
 * build a large value in the memory of pool_call_alloc_result from bytes that are elsewhere already. */
POOL_API int pool_call_return_parts(pool_call_t *call, const pool_bytes_t *parts, size_t count);

/* The same for the first size bytes of a memfd (memfd_create(2), with MFD_ALLOW_SEALING, open for reading and writing;
 * *borrows*: the descriptor may be closed at once). It is handed to the host without a copy, cut to size, and sealed
 * when the job has ended; if it cannot be sealed, the host makes a copy. Errors: as above, and -EBADF, -EINVAL (no
 * memfd, or less than size bytes), -EMFILE. */
POOL_API int pool_call_return_fd(pool_call_t *call, int fd, size_t size);

/* Memory in which to build a large value in place: zero-filled, page-aligned, on huge pages where shared memory may
 * have them, handed to the host without a copy (memfd_create(2)). Once a job. A function that returns 0 without
 * pool_call_return returns all of it. NULL and errno on failure (EALREADY, EINVAL for size 0, EFBIG, ENOMEM). */
POOL_API void *pool_call_alloc_result(pool_call_t *call, size_t size);

/* Sets the message of a job that fails, printf-style (at most 1,023 bytes are kept), and returns code (0: 1), so that
 * `return pool_call_fail(call, 3, "no such key: %s", key);` ends the job as FAILED. A value that was set before is
 * kept.
 */
POOL_API int pool_call_fail(pool_call_t *call, int code, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Sends a POOL_EVENT_PROGRESS; total 0: unknown. Blocks while the host is behind with earlier ones. */
POOL_API int pool_call_progress(pool_call_t *call, uint64_t done, uint64_t total);

/* Sends a partial result (*copies*): a POOL_EVENT_PARTIAL, in order, before the job settles. Blocks while about 1 MiB
 * is undelivered. -EFBIG: over the job's result_limit. */
POOL_API int pool_call_emit(pool_call_t *call, const void *data, size_t size);

/* Memory from an arena, on huge pages if the system has them (madvise(2), MADV_HUGEPAGE): zero-filled, aligned to 16,
 * freed only by the end of the process. NULL and errno ENOMEM. */
POOL_API void *pool_call_alloc(pool_call_t *call, size_t size);

/* The descriptor that the caller handed over as options.fds[index]; -EBADF: none. */
POOL_API int pool_call_fd(const pool_call_t *call, size_t index);

/* The number of this attempt, 1 for the first. */
POOL_API uint32_t pool_call_attempt(const pool_call_t *call);

#ifdef __cplusplus
}
#endif
#endif
