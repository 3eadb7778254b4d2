/* job.h - one submitted job: what it runs, its state, its result. Reference counted; outlives its pool.
 *
 * A job that waits is small, since a million of them may. Its kind holds what it shares with others; its record, what a
 * job needs once dispatch has looked at it. */
#ifndef JOB_H
#define JOB_H

#include "admission.h"
#include "capture.h"
#include "futures.h"
#include "job_value.h"
#include "kind.h"
#include "message.h"
#include "queue.h"
#include "timetable.h"

#include <reclaim/pool.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#define JOB_INSIDE_MAX 256 /* bytes of an argument that are kept in the job itself */

/* Bytes that go down to every attempt: small ones in memory, large ones in a sealed memfd. */
struct job_payload {
    void *data; /* the job's inside, or from malloc */
    size_t size;
    int memfd; /* -1 */
    enum message_payload kind;
};

/* The descriptors that a job was given, as duplicates. */
struct job_files {
    int streams[3]; /* of a command: input, output, error; -1 */
    int cwd;        /* of a command, where its directory has no name; -1 */
    size_t count;
    int given[]; /* for pool_call_fd() */
};

/* What a job has once dispatch has looked at it. */
struct job_record {
    struct pool_job *job;
    uint64_t signals; /* to be sent, a bit each, 1 << (signal - 1): cancel.c adds, loop.c takes */
    uint32_t attempt, evictions, restarts, oom_retries;
    int64_t memory_limit;           /* bytes, of the next attempt; -1: none */
    uint64_t first_limit;           /* bytes; of the first attempt, where retry_oom has raised it; else 0 */
    uint64_t expected_floor;        /* bytes; the next attempt needs at least these */
    struct admission_ticket ticket; /* belongs to the thread that owns the loop */

    /* written before it is settled, read-only after */
    pool_result_t result;
    char *message, *crash;
    struct job_value value;
    struct capture_bytes captured[2]; /* standard output and error */
    bool captured_streams[2];

    char name[]; /* of a reservation: its ticket's until the job begins */
};

/* The one list of the pool's that a job is in. */
enum job_list {
    JOB_UNLISTED = 0,
    JOB_WAITING,  /* backlog.waiting: it has no worker */
    JOB_ASKED,    /* asked: to be cancelled, or sent a signal */
    JOB_COLLECTED /* futures.collected: settled, for pool_next */
};

struct pool_job {
    pool_t *pool;
    struct kind *kind;
    struct job_record *record; /* NULL: it was never looked at */
    struct job_files *files;   /* NULL: none */
    void *user;
    atomic_uint references;
    _Atomic pool_state_t state;
    struct job_payload payload;

    /* the pool's bookkeeping, under its lock */
    struct queue_entry queued;
    TAILQ_ENTRY(pool_job) link;
    struct timetable_entry timed; /* waits for a retry delay, or has a deadline */
    int64_t deadline_at;          /* ms; MOMENT_NEVER */
    struct waiters waiters;       /* for its being settled */
    struct peer *peer;            /* the worker that runs it; belongs to the thread that owns the loop */
    uint8_t list;                 /* enum job_list */
    bool has_time;                /* room in the timetable */
    bool is_admitted;             /* it came with a reservation, and has no worker yet */
    bool is_delayed, cancelled_by_close;
    uint8_t unstarted; /* pool_outcome_t of one that was settled without a record */
    _Atomic bool cancel_asked;

    uint8_t inside[];
};

/* A job with one reference. kind is *taken*, in case of failure, too. Of what the caller has given (may be NULL) only
 * user and the descriptors count, which are duplicated. size: of the argument that job_set_payload will be given, 0 if
 * that is not known yet. -ENOMEM, -EMFILE, -EBADF, with a message. */
int job_new(pool_t *pool, struct kind *kind, const pool_job_options_t *given, size_t size, pool_job_t **job);

/* Copies parts, of size bytes together, for the way down. */
int job_set_payload(pool_job_t *job, const pool_bytes_t *parts, size_t count, size_t size);

/* A record, perhaps before its job exists. name is *copied*, or NULL. NULL: no memory. */
struct job_record *job_record_new(const char *name, int64_t memory_limit);

/* Fills in what admission has to know of the job. */
struct admission_ticket *job_fill_ticket(pool_job_t *job);

/* The job of a ticket that is in a record. */
pool_job_t *job_of_ticket(struct admission_ticket *ticket);

/* Moves it from its list of the pool's to this one. The caller holds the pool's lock. */
void job_move(pool_job_t *job, enum job_list list);

/* Whether its worker must be a full one, with a socket: it has descriptors, or its value is expected to be large. */
bool job_needs_full(const pool_job_t *job);

/* The options of its submit. */
static inline const pool_job_options_t *job_options(const pool_job_t *job)
{
    return &job->kind->options;
}

/* Frees argument and descriptors: there will be no further attempt. */
void job_drop_inputs(pool_job_t *job);

/* Frees the value of an attempt that is not to be the result. */
void job_drop_value(pool_job_t *job);

/* Its attempt: 1 for the first, 0 before it. Attempts that were evicted do not count. */
static inline uint32_t job_attempt(const pool_job_t *job)
{
    return job->record == NULL ? 0 : job->record->attempt - job->record->evictions;
}

/* Runs the caller's on_event, if there is one; fills in time and attempt. On the thread that owns the loop. */
void job_event(pool_job_t *job, pool_event_t *event);

/* Bytes that its result holds. */
uint64_t job_held(const pool_job_t *job);

/* Frees a job that was never submitted: on_release does not run. */
void job_discard(pool_job_t *job);

#endif
