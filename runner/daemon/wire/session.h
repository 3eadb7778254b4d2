/* session.h - one connection: whole requests in, bytes out, with every bound of docs/protocol.md.
 *
 * Knows MessagePack-RPC and the loop (libuv), no method and no job. One thread: the loop's. */
#ifndef SESSION_H
#define SESSION_H

#include "log.h"
#include "rpc.h"

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

#define SESSION_STALL_MS     30000 /* for one message, and for reading anything of what waits */
#define SESSION_REQUESTS_MAX 1000
#define SESSION_RESERVED     4    /* connections beyond clients_max */
#define SESSION_RESERVED_MS  5000 /* for a next request on one of these */

struct session;

struct session_options {
    size_t message_max; /* bytes */
    size_t unread_max;  /* bytes; an answer that begins below it is sent whole */
    size_t clients_max;
    size_t reserved_max; /* let in beyond clients_max, for clients that ask and go where others only wait */
    int64_t stall_ms;    /* 0: SESSION_STALL_MS; for tests */
    int64_t reserved_ms; /* 0: SESSION_RESERVED_MS; for tests */
    /* A whole request; *borrowed*. It is answered exactly once, now or later: see session_answered, session_fail. */
    void (*on_request)(void *user, struct session *session, const struct rpc_request *request);
    void (*on_close)(void *user, struct session *session); /* the last call; frees info->user */
    struct log *log;                                       /* *borrowed* */
    void *user;
};

/* Answers are packed into one buffer a session, and go out at sessions_flush: so a turn's answers wait for its commit.
 * rewind drops the bytes added since mark. */
msgpack_packer *session_packer(struct session *session);
size_t session_mark(const struct session *session);
void session_rewind(struct session *session, size_t mark);
/* Counts a request as answered; call after its response was packed. */
void session_answered(struct session *session);
void session_fail(struct session *session, uint32_t id, const struct rpc_error *error); /* packs it, and counts */

/* Bytes that wait for the peer, packed ones included. Above unread_max large late answers should wait. */
size_t session_unread(const struct session *session);

/* Whether its requests may be answered later than in their turn: not on a reserved place, which it leaves here for an
 * ordinary one where one is free by now. */
bool session_may_stay(struct session *session);

struct session_info {
    uint64_t serial; /* counts up from 1, never used again */
    uid_t uid;       /* of the peer, as pid */
    pid_t pid;
    void *user; /* the caller's; NULL at first */
    /* The caller's; false at first. Its own requests do not bound the bytes that a subscriber leaves unread, so a flush
     * closes it where that would put more behind unread_max. */
    bool is_subscriber;
};
struct session_info *session_info(struct session *session);
/* Closes at once: bytes that were not sent are dropped. why (*borrowed* during the call) is logged. */
void session_close(struct session *session, const char *why);

/* ---- for sessions.c -------------------------------------------------------------------------------------------- */

/* The sessions that there are, for which sessions.c lets in. */
struct session_set {
    uv_loop_t *loop;
    struct session_options options;
    uv_idle_t resume; /* runs while sessions are resumed */
    LIST_HEAD(session_list, session) open;
    TAILQ_HEAD(session_queue, session) resumed; /* those that may take requests again */
    size_t open_count, reserved_count;          /* open, all of them and those on reserved places */
    size_t alive_count;                         /* not freed */
    uint64_t last_serial;
    void (*on_freed)(struct session_set *set);
};

/* *Takes* fd. NULL: no memory. */
struct session *session_new(struct session_set *set, int fd, uid_t uid, pid_t pid, bool is_reserved);
bool session_set_has_place(const struct session_set *set); /* an ordinary one */
/* Flushes every session. */
void session_set_flush(struct session_set *set);
/* Takes no more requests, and closes each session when everything that is packed was sent; why: static. */
void session_set_end(struct session_set *set, const char *why);
void session_set_close(struct session_set *set, const char *why); /* at once */

#endif
