/* peer.h - the host's side of one worker: its two channels, the job that it runs, what it has said.
 *
 * Everything that comes from it is hostile: frames are bounded and checked against the state; the first illegal one
 * ends the worker, and the channel is not read again. */
#ifndef PEER_H
#define PEER_H

#include "capture.h"
#include "frame.h"
#include "hash.h"
#include "job.h"
#include "message.h"
#include "readable.h"

#include <sys/queue.h>

struct loop;

enum peer_state {
    PEER_IDLE = 0,
    PEER_BUSY,
    PEER_DYING /* will take no job any more; `gone` is to come */
};

struct peer_stream {
    struct capture capture;
    struct readable readable;
    struct peer *peer;
    bool told; /* that it is over its limit */
};

struct peer {
    UT_hash_handle hh;
    TAILQ_ENTRY(peer) idle, young;
    struct loop *loop;
    uint64_t serial;
    enum peer_state state;
    int task, pipe;
    bool is_young; /* its job may be a short one: it is in the loop's list of those */
    bool limits_sent, left_out;
    bool blamed;              /* its failure has been counted */
    struct readable readable; /* its pipe, if that is listened to */
    int64_t grown_at;

    struct frame_reader reader;
    struct peer_stream streams[2]; /* captured standard output and error */
    pool_job_t *job;
    bool deaf; /* nothing is read from it any more */
    bool has_result, protocol_error, value_bad, settled_early, timeout_is_deadline;
    int host_error;               /* errno: what it sent was legal, and this process had no room for it */
    struct message_result result; /* its slices are not used */
    void *value;                  /* inline value, ours */
    char *text;                   /* the job's own words, ours */
    int value_fd;                 /* memfd of the value, -1 */
    int64_t timeout_ms;           /* in force for this attempt; -1 */
    double started;
    uint64_t started_ns;
};

struct peer *peer_find(struct loop *loop, uint64_t serial);

/* A worker was born: takes the descriptors. NULL for want of memory. */
struct peer *peer_born(struct loop *loop, uint64_t serial, int task, int pipe);

/* What short jobs are spared, for the workers that have been busy for some milliseconds: their result pipes are polled,
 * where a short job's result is read when it is gone, and the fork server is told to look at their memory. */
void peer_grow_up(struct loop *loop, int64_t now);

/* The fork server tells what its job uses. */
void peer_memory(struct peer *peer, const struct message_memory *memory);

/* Gives it a job, which is the peer's from now on. A negative errno: it did not take it, the job is still the caller's;
 * -EPIPE: the worker is dead, anything else: try again later. */
int peer_hand(struct peer *peer, pool_job_t *job);

/* Captures a stream of its job, 0 standard output, 1 error: *write_end is the caller's. Negative errno. */
int peer_capture(struct peer *peer, int which, int *write_end);
void peer_stop_stream(struct peer_stream *stream);

/* Frees the value that it has sent and nobody has taken. */
void peer_drop_value(struct peer *peer);

/* Seconds since the epoch. */
double peer_realtime(void);

/* Has its tree ended. grace_ms between SIGTERM and SIGKILL. */
void peer_kill(struct peer *peer, enum message_verdict verdict, int64_t grace_ms);

/* A signal for its job. */
void peer_signal(struct peer *peer, int signal);

/* It is reaped, and all that it left: settles its job, or has it run again. Frees the peer. */
void peer_gone(struct peer *peer, const struct message_gone *gone);

/* Its fork server died: what it left has been swept. Frees the peer. */
void peer_lost(struct peer *peer);

#endif
