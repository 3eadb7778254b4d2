/* loop.h - the pool's libuv loop, which hands jobs to workers and hears what became of them. All of it belongs to who
 * has the turn: see drive.h.
 *
 *     drive.c       who runs it: the pool's own thread, or who waits
 *     loop.c        what is due, and when something is next: dispatch, births, cancels, closing
 *     supervise.c   keeper and fork server: the host's side
 *     peer.c        one worker: the host's side
 */
#ifndef LOOP_H
#define LOOP_H

#include "births.h"
#include "drive.h"
#include "peer.h"
#include "pool_state.h"
#include "readable.h"
#include "room.h"

#include <sys/queue.h>
#include <uv.h>

TAILQ_HEAD(loop_peers, peer);
STAILQ_HEAD(unsent_list, unsent);

/* A packet for the fork server that its socket would not take yet. */
struct unsent {
    STAILQ_ENTRY(unsent) link;
    size_t size;
    uint8_t data[];
};

struct loop {
    pool_t *pool;
    uv_loop_t uv;
    uv_async_t wake;
    struct drive drive;
    struct readable_set readables;
    bool has_news; /* what libuv is to listen to has changed: it knows at its next turn */

    /* keeper and fork server: supervise.c */
    struct forkserver_config config;
    int keeper_socket, keeper_pidfd; /* -1 */
    pid_t keeper_pid;
    char sampled_why[CGROUP_WHY_MAX]; /* why there are no cgroups; empty: there are, or nobody wanted any */
    uv_poll_t keeper_poll;
    bool keeper_gone, ending; /* ending: we asked it to end everything */
    bool nothing_left;        /* it has said so, and is gone */
    int control;              /* -1: no fork server */
    uv_poll_t *control_poll;
    bool server_ready;
    pid_t server_pid;
    int server_pidfd; /* -1 */
    struct unsent_list unsent;
    uint64_t generation;
    unsigned failed_generations; /* in a row that never got ready */

    /* workers: peer.c */
    struct peer *peers; /* uthash by serial: every worker that is not gone */
    struct loop_peers idle;
    struct loop_peers young;        /* busy for some milliseconds at most: the oldest first */
    size_t idle_count, asked_count; /* asked: births that are to be told of */
    struct births_failures failures;
    int devnull;

    struct room room;
    int64_t retry_at;             /* something that was refused for want of descriptors is tried again */
    int64_t bound_at;             /* when an end that does not come is forced */
    pool_close_t close_seen;      /* the hardest close that has been acted on */
    atomic_int_least64_t next_at; /* ms: when there is something to do without an event */
};

#define LOOP_NEVER INT64_MAX

/* Starts the thread; the keeper has been started. Negative errno. */
int loop_start(pool_t *pool);

/* By who holds the lock, on any thread: there is something new under it. */
void loop_wake(struct loop *loop);

/* The same, seen to at once where nobody else has the turn. Not by who holds the lock. */
void loop_tell(struct loop *loop);

/* Puts a job back into the queue, in front of its priority. */
void loop_requeue(struct loop *loop, pool_job_t *job);

/* Requeues it for a further attempt after delay_ms. */
void loop_retry(struct loop *loop, pool_job_t *job, int64_t delay_ms);

/* Looks at the queue in a scan, which may go on behind it with ADMISSION_PASS: the answer to its last job, *found is
 * the one that may start, or NULL. The caller has the turn and the lock. -ENOMEM: one could not be looked at. */
int loop_scan_queue(struct loop *loop, struct admission_scan *scan, pool_job_t **found);

/* The fork server says that a running job has used so much at its highest. */
void loop_job_used(struct loop *loop, pool_job_t *job, uint64_t most);

/* An attempt is over and its memory is back; before the job may be queued again. learn: peak is what it needed, or a
 * lower bound of it. */
void loop_job_ended(struct loop *loop, pool_job_t *job, uint64_t peak, bool learn);

/* Bytes that a job's limit may grow to. */
uint64_t loop_memory_most(struct loop *loop);

/* What decides on births, as it is now. */
struct births_view loop_births(struct loop *loop);

/* A worker failed to be born, or died before it took its job. */
void loop_birth_failed(struct loop *loop, const char *why);

/* One line for the log hook. */
void loop_log(const struct loop *loop, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Does all that is due now; called after every event. */
void loop_step(struct loop *loop);

#endif
