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
 * docs/protocol.md is the protocol; pool_client_call sends any of its requests. A client may be used by one thread at a
 * time; several clients are independent. Strings are NUL-terminated. Calls return 0 or a negative errno and put a
 * sentence into error (may be NULL). After -EPIPE, -ECONNRESET or -EBADMSG the connection cannot be used any more. No
 * call needs a pool or changes signal dispositions.
 */
#ifndef RECLAIM_CLIENT_H
#define RECLAIM_CLIENT_H

#include <reclaim/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pool_client pool_client_t;

/* Writes the path where reclaimd listens by default: $RECLAIM_SOCKET, else $XDG_RUNTIME_DIR/reclaim/reclaimd.sock; for
 * root (or without XDG_RUNTIME_DIR: see reclaimd(8)) /run/reclaim/reclaimd.sock. -ENAMETOOLONG. */
POOL_API int pool_client_path(char *path, size_t size);

/* Connects to the daemon at path (NULL: pool_client_path) and says hello. Errors: -ENOENT and -ECONNREFUSED (no daemon
 * there; the message says how to start one), -EPROTONOSUPPORT (no common version), -EPERM (the listener, by
 * SO_PEERCRED, is neither the caller's effective user nor root; nothing was sent). Root may also talk to another user's
 * daemon, if each directory of path, as spelled and as resolved, belongs to root or that user and nobody else may write
 * to it. */
POOL_API int pool_client_open(pool_client_t **client, const char *path, pool_error_t *error);
POOL_API void pool_client_close(pool_client_t *client); /* *takes*; NULL is fine */

/* A job: the fields of `submit`; zero means not given. */
typedef struct pool_client_job {
    const char *const *argv; /* a command, NULL-terminated; or: */
    const char *task;        /* a task's name */
    pool_bytes_t argument;   /* of the task: one MessagePack object; size 0: none */
    const char *const *env;  /* NULL-terminated; NULL: the daemon's */
    const char *cwd;         /* absolute; NULL: "/" */
    pool_bytes_t stdin_bytes;
    const char *key; /* makes a repeated submit harmless */
    const char *name, *group;
    int32_t priority;
    double timeout, kill_after, cpu_time; /* seconds; kill_after POOL_NONE: at once */
    int64_t memory, expected;             /* bytes */
    int32_t pids, nofile, nice, cpu_weight;
    int64_t output_limit; /* bytes; POOL_NONE: no output allowed */
    bool huge_pages, rerunnable, memory_backstop;
    int32_t retries; /* runs in all */
    double retry_delay, retry_oom;
    double delay, start_at;
    const uint64_t *after;
    size_t after_count;
    bool run_after_failure; /* after_failure: "run" */
    bool requeue_on_crash;  /* on_crash: "requeue" */
    double keep;            /* seconds; POOL_NONE: not at all */
    double memory_share;    /* memory as a share of the machine's, above 0, at most 1; the lower of both counts */
    int64_t result_limit;   /* bytes, of a task's value; POOL_NONE: any size */
    uint64_t reserved[6];
} pool_client_job_t;

/* Copies a job's limits and other settings, which both structs have, from the library's options (timeout_ms is timeout,
 * memory_limit is memory, and so on). The other members of job stay as they are: what runs, its words, its retries. */
POOL_API void pool_client_job_settings(pool_client_job_t *job, const pool_job_options_t *options);

/* Submits a job (*borrows*), which is on disk when this returns 0. Errors: -EEXIST (key-taken), -EAGAIN (queue-full,
 * too-many-jobs), -EROFS (read-only), -ESHUTDOWN (draining, shutting-down), -E2BIG (too-large, never-fits), -EINVAL,
 * and the connection's. */
POOL_API int pool_client_submit(pool_client_t *client, const pool_client_job_t *job, uint64_t *id, pool_error_t *error);

/* The main facts of a job; pool_client_call("status") gives all. */
typedef struct pool_client_status {
    uint64_t id;
    char state[16];    /* "waiting" "queued" "running" "done" "failed" "cancelled" */
    char outcome[24];  /* "" before its end */
    int32_t exit_code; /* as timeout(1) and the shell report it; 0 before its end */
    char message[512];
    uint64_t peak_memory, result_size, stdout_size, stderr_size;
    double wall_seconds;
    uint32_t attempt;
    bool ended;
    uint64_t reserved[8];
} pool_client_status_t;

/* Fills in status. -ENOENT: no such job. */
POOL_API int pool_client_status(pool_client_t *client, uint64_t id, pool_client_status_t *status, pool_error_t *error);
/* Waits until the job has ended; timeout_ms -1: for ever. -ETIMEDOUT: not yet, status is set; -ENOENT: no such job. */
POOL_API int pool_client_wait(pool_client_t *client, uint64_t id, int64_t timeout_ms, pool_client_status_t *status,
                              pool_error_t *error);
/* The whole value of an ended job: *data is the caller's, for free(3); NULL: it has none. -EBUSY: not ended. -EFBIG:
 * the value is larger than most (0: no bound). */
POOL_API int pool_client_result(pool_client_t *client, uint64_t id, size_t most, void **data, size_t *size,
                                pool_error_t *error);
/* Ends a job, as `cancel`. Errors: -ENOENT, -EALREADY (it has ended), -EROFS (read-only). */
POOL_API int pool_client_cancel(pool_client_t *client, uint64_t id, pool_error_t *error);

/* Calls any method. params is one MessagePack map (size 0: none), *result the MessagePack of the response's result,
 * *borrowed* until the next call on the client. An error response gives its sentence and a negative errno as above
 * (-EPROTO: other codes); pool_client_error_code then gives its code, such as "unknown-method". */
POOL_API int pool_client_call(pool_client_t *client, const char *method, pool_bytes_t params, pool_bytes_t *result,
                              pool_error_t *error);
/* "" if the last call succeeded, or failed without a response of the daemon. */
POOL_API const char *pool_client_error_code(const pool_client_t *client);

/* Waits for the next notification after a `subscribe`: *event is the parameter of its method, *borrowed* until the next
 * call. Notifications that arrive before an answer are kept, at most 64 MiB; then -ENOBUFS, and the connection cannot
 * be used any more. timeout_ms -1: for ever. -ETIMEDOUT. */
POOL_API int pool_client_event(pool_client_t *client, int64_t timeout_ms, pool_bytes_t *event, pool_error_t *error);

POOL_API int pool_client_fd(const pool_client_t *client); /* for poll(2) */

#ifdef __cplusplus
}
#endif
#endif
