/* session.h - connections: whole requests in, bytes out, with every bound of docs/protocol.md.
 *
 * Knows MessagePack-RPC and the loop (libuv), no method and no job. One thread: the loop's. */
#ifndef SESSION_H
#define SESSION_H

#include "door.h"
#include "rpc.h"

#include <stdbool.h>
#include <uv.h>

#define SESSION_STALL_MS     30000 /* for one message, and for reading anything of what waits */
#define SESSION_ELEMENTS_MAX 1000000
#define SESSION_REQUESTS_MAX 1000
#define SESSION_RESERVED     4    /* connections beyond clients_max */
#define SESSION_RESERVED_MS  5000 /* for a next request on one of these */

struct session;  /* one connection */
struct sessions; /* all of them */

struct session_options {
    size_t message_max; /* bytes */
    size_t unread_max;  /* bytes; an answer that begins below it is sent whole */
    size_t clients_max;
    size_t reserved_max; /* are let in beyond, so that who asks and goes gets in where others only wait */
    int64_t stall_ms;    /* 0: SESSION_STALL_MS; for tests */
    int64_t reserved_ms; /* 0: SESSION_RESERVED_MS; for tests */
    /* A whole request; *borrowed*. It is answered exactly once, now or later: see session_answered, session_fail. */
    void (*on_request)(void *user, struct session *session, const struct rpc_request *request);
    void (*on_close)(void *user, struct session *session); /* the last word of it; *user_data has to be let go */
    void (*log)(void *user, const char *line);             /* "uid=1000 pid=7 event=denied"-like words, encoded */
    void *user;
};

/* Accepts from door (*borrows*, until sessions_stop_accepting) on loop. SIGPIPE has to be ignored: writes to a client
 * that has gone are errors like others. */
int sessions_open(struct sessions **sessions, uv_loop_t *loop, const struct door *door,
                  const struct session_options *options);
/* No more connections are accepted; those that there are live on. */
void sessions_stop_accepting(struct sessions *sessions);
/* Sends what waits, and what is flushed meanwhile, for at most grace_ms, takes no more requests, closes all (on_close),
 * frees when the handles are closed; done may be NULL. */
void sessions_close(struct sessions *sessions, int64_t grace_ms, void (*done)(void *user));
size_t sessions_count(const struct sessions *sessions);

/* Answers are built in one buffer a session, and go out at sessions_flush: that is how a turn's
 * answers wait for its commit. rewind drops what was added since mark. */
msgpack_packer *session_packer(struct session *session);
size_t session_mark(const struct session *session);
void session_rewind(struct session *session, size_t mark);
/* Counts a request as answered; call after its response was packed. */
void session_answered(struct session *session);
void session_fail(struct session *session, uint32_t id, const struct rpc_error *error); /* packs it, and counts */
/* Sends what was packed. A session for which unread_max waits is not read from until it has read. */
void sessions_flush(struct sessions *sessions);
/* A subscriber: what it does not read is not bounded by its own requests, so it is closed at a flush that would put
 * more behind unread_max. */
void session_set_subscriber(struct session *session, bool on);

/* Bytes that wait for it, packed ones included: late answers that are large had better wait while it is above
 * unread_max. */
size_t session_unread(const struct session *session);

/* Whether its requests may be answered later than in their turn: not on a reserved place, which it leaves here for an
 * ordinary one where one is free by now. */
bool session_may_stay(struct session *session);

void session_user_set(struct session *session, void *data);
void *session_user(const struct session *session);
uint64_t session_serial(const struct session *session); /* counts up from 1, never used again */
uid_t session_uid(const struct session *session);
pid_t session_pid(const struct session *session);
/* What was packed and not flushed is dropped, and what the peer's socket has had no room for. Logged. */
void session_close(struct session *session, const char *why);

#endif
