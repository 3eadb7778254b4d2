/* peer.h - the host's side of one worker: its channels, the job that it runs, its result.
 *
 * Everything that comes from a worker is hostile: frames are bounded and checked against the state; the first illegal
 * frame ends the worker, and its channel is not read again. A peer belongs to the thread that owns the loop. */
#ifndef PEER_H
#define PEER_H

#include "capture.h"
#include "frame.h"
#include "hash.h"
#include "job.h"
#include "links.h"
#include "message.h"
#include "pieces.h"
#include "readable.h"

#include <sys/queue.h>

struct peer_stream {
    struct capture capture;
    struct readable readable;
    struct peer *peer;
    bool is_reported; /* that it is over its limit */
};

struct peer {
    UT_hash_handle hh; /* from here to grown_at: crew.c */
    TAILQ_ENTRY(peer) idle, recent;
    bool insert_failed, is_idle, is_recent;
    int64_t grown_at; /* ms; when its job is recent no more */

    pool_t *pool;
    struct link *link; /* to the fork server that it is from */
    uint64_t serial;
    size_t slot;              /* of pool->area */
    int pipe, socket;         /* socket -1: a plain worker */
    uint64_t secret;          /* what the area says until its job begins */
    size_t task_size;         /* bytes of the area that the task takes; 0: none was given */
    bool watch_sent;          /* the fork server watches its job's limits */
    bool birth_counted;       /* its failure has been counted */
    bool is_leaving;          /* it was idle and told to leave: spawn.c */
    struct readable readable; /* its pipe; fd -1: that is not listened to */

    struct frame_reader reader;
    struct peer_stream streams[2]; /* captured standard output and error */
    pool_job_t *job;
    bool is_closed; /* nothing is read from it any more */
    bool has_result, protocol_error, value_bad, settled_early, timeout_is_deadline;
    int host_error;               /* errno: this process had no memory or descriptor for something legal */
    int unkept;                   /* errno: the same for its value; EFBIG: the value is over its limit */
    struct message_result result; /* its slices are not used */
    struct pieces value, partial; /* an inline value, or its pieces; those of the next partial result */
    uint64_t value_pieces;        /* bytes of the value that came in pieces, kept or not */
    char *text;                   /* the job's own words, ours */
    int value_fd;                 /* memfd of the value, -1 */
    int64_t timeout_ms;           /* in force for this attempt; -1 */
    double started;               /* seconds since the epoch */
    uint64_t started_ns;          /* as uv_hrtime */
};

/* An idle worker. pipe and socket are *taken*, in case of failure, too. NULL: no memory. */
struct peer *peer_new(pool_t *pool, struct link *link, const struct message_born *born, int pipe, int socket);
void peer_free(struct peer *peer);

/* The end of a read. */
enum peer_heard {
    PEER_HEARD_ALL = 0, /* the pipe is empty for now */
    PEER_HEARD_END,     /* the worker's pipe is closed. Its end is known by `gone` alone */
    PEER_HEARD_BAD      /* something illegal, or something that this process has no memory or descriptor for */
};

/* Reads and handles the messages of its worker: events run the caller's code, a result is kept in the peer. At most 1
 * MiB, then other workers get their turn. */
enum peer_heard peer_read(struct peer *peer);

/* The same of a dead worker, to the end; then the frame that it left elsewhere because the job had broken the pipe.
 * gone NULL: its fork server died. */
void peer_read_rest(struct peer *peer, const struct message_gone *gone);

/* Listens to its pipe: on_ready runs when there is something to read. */
void peer_listen(struct peer *peer, void (*on_ready)(void *peer));

/* Ends a worker that sent something illegal, and never trusts its channel again. */
void peer_distrust(struct peer *peer);

/* Captures a stream of its job, 0 standard output, 1 error: *write_end is the caller's. Negative errno. */
int peer_capture(struct peer *peer, int which, int *write_end);

/* Moves its value to its job. -EBADMSG: it is not what was announced; another negative errno: no room for it here. */
int peer_give_value(struct peer *peer);

/* Moves captured output to its job: all writers are gone, or have flushed. */
void peer_give_output(struct peer *peer);

/* Has the fork server end its tree. grace_ms between SIGTERM and SIGKILL. */
void peer_kill(struct peer *peer, enum message_kill_reason reason, int64_t grace_ms);

/* Has the fork server send its job a signal. */
void peer_signal(struct peer *peer, int signal);

/* When its fork server is dead: whether its job had begun, which the job cannot deny. */
bool peer_has_begun(const struct peer *peer);

#endif
