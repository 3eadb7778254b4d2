/* job.h - one submitted job: what to run, how it stands, what became of it. Reference counted; outlives its pool. */
#ifndef JOB_H
#define JOB_H

#include "admission.h"
#include "capture.h"
#include "message.h"
#include "queue.h"
#include "verdict.h"

#include <reclaim/pool.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct waiter;

/* A waiter's interest in one job. */
struct job_watch {
    LIST_ENTRY(job_watch) link;
    struct waiter *waiter;
};

LIST_HEAD(job_watches, job_watch);

/* Bytes that go down to every attempt: small ones here, large ones in a sealed memfd. */
struct job_payload {
    enum message_payload kind;
    void *data;
    int memfd;
    size_t size;
};

/* The descriptors of a command's streams, and which of them are captured. */
struct job_streams {
    pool_stdin_t in;
    pool_stream_t out, err;
    int fds[3]; /* duplicates, -1 */
};

struct pool_job {
    pool_t *pool;
    atomic_uint references;
    _Atomic pool_state_t state;
    pool_job_options_t options; /* defaults filled in; name and fds are our own copies */
    char *name;
    int *fds;
    bool is_command, has_callbacks;
    uint64_t function;
    struct job_payload payload;
    struct job_streams streams;

    /* the pool's bookkeeping, under its lock */
    struct queue_entry queued;
    TAILQ_ENTRY(pool_job) unsettled;
    TAILQ_ENTRY(pool_job) timed; /* waits for a retry delay or has a deadline */
    TAILQ_ENTRY(pool_job) collected;
    TAILQ_ENTRY(pool_job) cancel;
    struct job_watches watches;
    bool is_timed, is_delayed, cancel_listed, cancelled_by_close;
    _Atomic bool cancel_asked;
    int64_t deadline_at, not_before; /* ms, INT64_MAX and 0: none */
    uint64_t signals;                /* asked for, a bit each: for the loop */
    struct peer *peer;               /* the worker that runs it: the loop's */
    uint32_t attempt, evictions, restarts, oom_retries;
    uint64_t first_limit;           /* bytes; of the first attempt, where retry_oom has raised it; else 0 */
    uint64_t expected_floor;        /* bytes that the next attempt is known to need at least */
    struct admission_ticket ticket; /* the loop's */

    /* written before it is settled, read-only after */
    pool_result_t result;
    char *message, *crash;
    void *value_data;
    size_t value_mapped;              /* 0: value_data is from malloc */
    struct capture_bytes captured[2]; /* standard output and error */
    bool captured_streams[2];
};

/* A job with one reference, its options copied, descriptors duplicated. -ENOMEM, -EMFILE, -EBADF, with a message.
 * options are full ones (options_job). */
int job_new(pool_t *pool, const pool_job_options_t *options, const char *name, pool_job_t **job);

/* Copies size bytes for the way down. */
int job_set_payload(pool_job_t *job, const void *data, size_t size);

/* Frees what only a further attempt would need. */
void job_drop_inputs(pool_job_t *job);

/* Frees the value of an attempt that is not to be the result. */
void job_drop_value(pool_job_t *job);

/* Which attempt it is at, 1 for the first: those that were taken from it are none. */
uint32_t job_attempt(const pool_job_t *job);

/* Bytes that its result holds. */
uint64_t job_held(const pool_job_t *job);

/* Frees a job that was never submitted: on_release does not run. */
void job_discard(pool_job_t *job);

#endif
