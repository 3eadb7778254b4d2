/* SPDX-License-Identifier: MIT
 *
 * reclaim/client.h - a client of reclaimd: one connection, calls that block.
 *
 *     pool_client_t *client;
 *     pool_error_t error;
 *     if (pool_client_open(&client, NULL, &error) < 0) { fprintf(stderr, "%s\n", error.message); return 1; }
 *     const char *argv[] = {"sort", "big.txt", NULL};
 *     pool_client_job_t job = {.argv = argv, .cwd = "/data", .memory = INT64_C(2) << 30};
 *     uint64_t id;
 *     pool_client_submit(client, &job, &id, &error);
 *     pool_client_status_t status;
 *     pool_client_wait(client, id, -1, &status, &error);
 *
 * The protocol is docs/protocol.md's; pool_client_call sends any request of it. One thread at a time may use a client;
 * several clients are independent. Strings are NUL-terminated. Calls return 0 or a negative errno and fill error (may
 * be NULL) with a sentence; after -EPIPE, -ECONNRESET or -EBADMSG the connection is of no more use. Nothing
 * here needs a pool, and no call changes signal dispositions.
 */
#ifndef RECLAIM_CLIENT_H
#define RECLAIM_CLIENT_H

#include <reclaim/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pool_client pool_client_t;

/* Where reclaimd listens unless told otherwise: $RECLAIM_SOCKET, else $XDG_RUNTIME_DIR/reclaim/reclaimd.sock, for root
 * (or without XDG_RUNTIME_DIR: see reclaimd(8)) /run/reclaim/reclaimd.sock. Writes it to path. -ENAMETOOLONG. */
POOL_API int pool_client_path(char *path, size_t size);

/* Connects to the daemon at path (NULL: pool_client_path), and says hello. -ENOENT, -ECONNREFUSED: no daemon there, and
 * the message says how to start one. -EPROTONOSUPPORT: it speaks no version that we do. -EPERM: nothing was sent, for
 * who listens there (SO_PEERCRED) is neither the caller's effective user nor root. Root may talk to another user's
 * daemon as well, if each directory of path, as it is spelled and as it is resolved, belongs to root or that user, and
 * nobody else may write to it. */
POOL_API int pool_client_open(pool_client_t **client, const char *path, pool_error_t *error);
POOL_API void pool_client_close(pool_client_t *client); /* *takes*; NULL is fine */

/* What a job is to do: the fields of `submit`; zero means not given. */
typedef struct pool_client_job {
    const char *const *argv; /* NULL-terminated, or */
    const char *task;        /* a task's name, with */
    pool_bytes_t argument;   /* one MessagePack object; size 0: none */
    const char *const *env;  /* NULL-terminated; NULL: the daemon's */
    const char *cwd;         /* absolute; NULL: "/" */
    pool_bytes_t stdin_bytes;
    const char *key; /* makes a repeated submit harmless */
    const char *name, *group;
    int32_t priority;
    double timeout, kill_after, cpu_time; /* seconds; kill_after POOL_NONE: at once */
    int64_t memory, expected;             /* bytes */
    int32_t pids, nofile, nice, cpu_weight;
    int64_t output_limit; /* POOL_NONE: nothing may be written */
    bool huge_pages, rerunnable, memory_backstop;
    int32_t retries; /* runs in all */
    double retry_delay, retry_oom;
    double delay, start_at;
    const uint64_t *after;
    size_t after_count;
    bool run_after_failure; /* after_failure: "run" */
    bool requeue_on_crash;  /* on_crash: "requeue" */
    double keep;            /* seconds; POOL_NONE: not at all */
    uint64_t reserved[8];
} pool_client_job_t;

/* Submits it; on disk when this returns 0. Errors: -EEXIST (key-taken), -EAGAIN (queue-full, too-many-jobs), -EROFS
 * (read-only), -ESHUTDOWN (draining, shutting-down), -E2BIG (too-large, never-fits), -EINVAL, and the connection's. */
POOL_API int pool_client_submit(pool_client_t *client, const pool_client_job_t *job, uint64_t *id, pool_error_t *error);

/* A job, as far as most callers want to know; pool_client_call("status") has all of it. */
typedef struct pool_client_status {
    uint64_t id;
    char state[16];    /* "waiting" "queued" "running" "done" "failed" "cancelled" */
    char outcome[24];  /* "" before its end */
    int32_t exit_code; /* as timeout(1) and the shell tell it; 0 before its end */
    char message[512];
    uint64_t peak_memory, result_size, stdout_size, stderr_size;
    double wall_seconds;
    uint32_t attempt;
    bool ended;
    uint64_t reserved[8];
} pool_client_status_t;

POOL_API int pool_client_status(pool_client_t *client, uint64_t id, pool_client_status_t *status, pool_error_t *error);
/* Until it has ended; timeout_ms -1: for ever. -ETIMEDOUT and status as it is now; -ENOENT: no such job. */
POOL_API int pool_client_wait(pool_client_t *client, uint64_t id, int64_t timeout_ms, pool_client_status_t *status,
                              pool_error_t *error);
/* The value of an ended job, whole: *data is the caller's, for free(3); NULL where it has none. -EBUSY: not ended.
 * -EFBIG: above most (0: no bound). */
POOL_API int pool_client_result(pool_client_t *client, uint64_t id, size_t most, void **data, size_t *size,
                                pool_error_t *error);
POOL_API int pool_client_cancel(pool_client_t *client, uint64_t id, pool_error_t *error);

/* Any method: params is one MessagePack map (size 0: none), *result the response's result as MessagePack: *borrowed*
 * until the next call on the client. A response that is an error gives a negative errno as above (-EPROTO for what has
 * none) and its sentence; pool_client_error_code then has its code, "unknown-method". */
POOL_API int pool_client_call(pool_client_t *client, const char *method, pool_bytes_t params, pool_bytes_t *result,
                              pool_error_t *error);
/* "" where the last call went well, or failed without a word of the daemon. */
POOL_API const char *pool_client_error_code(const pool_client_t *client);

/* The next notification after a `subscribe`: its method's one parameter, *borrowed* until the next call. What comes
 * while an answer is awaited is kept, 64 MiB of it at most (then -ENOBUFS, and the connection is of no more use).
 * timeout_ms -1: for ever. -ETIMEDOUT. */
POOL_API int pool_client_event(pool_client_t *client, int64_t timeout_ms, pool_bytes_t *event, pool_error_t *error);

POOL_API int pool_client_fd(const pool_client_t *client); /* for poll(2) */

#ifdef __cplusplus
}
#endif
#endif
