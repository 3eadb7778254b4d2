/* SPDX-License-Identifier: MIT
 *
 * reclaim/call.h - for code that runs in a worker: a pool_fn and what it calls.
 *
 * The worker is a process of its own: a copy-on-write copy of the fork server, with one thread, standard input from
 * /dev/null, and every other descriptor closed but those that the caller handed over. (In a host whose fork handlers
 * open descriptors, as libuv's do, numbers 3 and 4 are /dev/null, too.) Fork handlers (pthread_atfork(3)) do not run in
 * it. It may start threads and processes (what is left of them when the function returns is killed), leak, and crash.
 * exit(3) in it flushes stdio, runs the handlers that the job itself has registered, none of the host's, and ends the
 * job as CRASHED. Its libc random generators are freshly seeded, unless another thread was inside one of them when the
 * pool was opened: the log hook is told. All calls may come from any thread of the worker, and are serialised; in a
 * process that the job forked they give -EPERM. Calls return 0 or a negative errno.
 */
#ifndef RECLAIM_CALL_H
#define RECLAIM_CALL_H

#include <reclaim/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The argument's bytes (*borrowed*, read-only, aligned to 16; NULL when size is 0). size may be NULL. */
POOL_API const void *pool_call_arg(const pool_call_t *call, size_t *size);

/* What pool_call_arg and pool_call_unpack give from now on: for functions that unwrap an argument before they call
 * another with it. *Borrows*: data has to stay as it is until the job ends, and should be aligned to 16. */
POOL_API void pool_call_set_arg(pool_call_t *call, const void *data, size_t size);

/* Sets the job's value (*copies*). Given the pointer from pool_call_alloc_result, and at most its size: no copy, the
 * value is shrunk to size. The value goes out when the function returns 0.
 * Errors: -EALREADY (a value was set before), -EINVAL (beyond the allocated result), -ENOMEM, -ENOSPC. */
POOL_API int pool_call_return(pool_call_t *call, const void *data, size_t size);

/* Memory in which to build a large result in place: zero-filled, aligned to a page, handed to the host without a copy
 * (memfd_create(2)). Once a job. pool_call_return(call, pointer, size) says how much of it is the value; a function
 * that returns 0 without it returns all that was allocated. NULL and errno on failure (EALREADY, EINVAL for size 0,
 * ENOMEM). */
POOL_API void *pool_call_alloc_result(pool_call_t *call, size_t size);

/* Says why the job fails, printf-style (at most 1,023 bytes are kept), and returns code (0 is taken as 1), so that
 * `return pool_call_fail(call, 3, "no such key: %s", key);` ends the job as FAILED. */
POOL_API int pool_call_fail(pool_call_t *call, int code, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Tells the host how far the job is: POOL_EVENT_PROGRESS. A worker that calls it more often than the host can take
 * is slowed down. total 0: unknown. */
POOL_API int pool_call_progress(pool_call_t *call, uint64_t done, uint64_t total);

/* Sends a partial result (*copies*), delivered in order as POOL_EVENT_PARTIAL before the job settles; blocks while
 * about 1 MiB is undelivered. */
POOL_API int pool_call_emit(pool_call_t *call, const void *data, size_t size);

/* Memory from an arena on huge pages where the system has them (madvise(2), MADV_HUGEPAGE): aligned to 16, zero-filled,
 * never freed: the process is the free. NULL and errno ENOMEM. */
POOL_API void *pool_call_alloc(pool_call_t *call, size_t size);

/* The descriptor that the caller handed over as options.fds[index]; -EBADF: there is none. */
POOL_API int pool_call_fd(const pool_call_t *call, size_t index);

/* The attempt that this is, 1 for the first. */
POOL_API uint32_t pool_call_attempt(const pool_call_t *call);

#ifdef __cplusplus
}
#endif
#endif
