/* session_state.h - what the files of sessions share: sessions.c has the set of them and lets them in, session.c one of
 * them from its start to its end, session_read.c what comes in, session_write.c what goes out.
 *
 * What bounds what:
 *
 *     clients                     clients_max, and a few      sessions.c, at accept
 *     time of these few           reserved_ms                 session.c, session_watch(): closed when they ask nothing
 *     bytes of a message          message_max                 session_read.c: as soon as its headers announce more
 *     elements, nesting           SESSION_ELEMENTS_MAX, scan  session_read.c, before anything is unpacked
 *     bytes that wait to be taken message_max and one piece   session_read.c: the buffer grows as bytes arrive
 *     bytes read in a turn        SESSION_PIECE * 32          session_read.c
 *     requests without an answer  SESSION_REQUESTS_MAX        session_read.c
 *     bytes answered in a turn    SESSION_TURN_MAX            session_takes(), and one answer
 *     bytes that wait for a peer  unread_max, and one answer  session_takes(): above it no request is taken
 *     time for a message          stall_ms                    session.c, session_watch()
 *     time without any reading    stall_ms                    session.c, session_watch()
 */
#ifndef SESSION_STATE_H
#define SESSION_STATE_H

#include "session.h"

#include "scan.h"

#include <sys/queue.h>

/* libuv reads up to 32 times in a turn as long as buffers come back full (uv__read): so this is what makes 256 KiB. */
#define SESSION_PIECE ((size_t)8 * 1024)

/* Above it a client's further requests wait for the next turn, so that others have theirs. */
#define SESSION_TURN_MAX ((size_t)1024 * 1024)

struct session {
    struct sessions *all;
    LIST_ENTRY(session) entry;   /* in all->open, until it is closed */
    TAILQ_ENTRY(session) resume; /* in all->resumed, if is_resumed */
    uint64_t serial;
    uid_t uid;
    pid_t pid;
    void *user;
    uv_pipe_t pipe;
    uv_timer_t timer; /* session_watch() */
    unsigned handles; /* of these two that are not closed */
    bool is_reading, is_resumed, is_subscriber, is_reserved;
    bool is_held;    /* whole requests may be in `in` that it must not take now: session_take() */
    bool has_eof;    /* the peer sends nothing more: closed when everything is answered */
    bool is_ending;  /* takes nothing more: closed when everything is sent */
    bool is_closed;  /* nothing happens any more; freed when its handles are closed */
    const char *why; /* is_ending */
    size_t unanswered;

    char *in; /* what came and is not taken: in_size bytes from the start of a message on */
    size_t in_size, in_capacity;
    struct scan scan; /* of that message */

    msgpack_packer packer;   /* into packed */
    msgpack_sbuffer packed;  /* not flushed */
    msgpack_sbuffer waiting; /* to be sent: the next write */
    char *sending;           /* the write under way; NULL: none */
    uv_write_t write;
    bool out_of_memory;         /* something is missing in packed: nothing more may be sent */
    uint64_t passed_on;         /* bytes that went into waiting, ever */
    uint64_t sent_at_last_look; /* session_watch() */
    unsigned looks;             /* in a row that found nothing read */
};

struct sessions {
    uv_loop_t *loop;
    struct session_options options;
    int door;
    uv_poll_t accept;
    uv_timer_t reopen; /* accepting goes on */
    uv_timer_t grace;
    uv_idle_t resume;
    unsigned handles; /* of these that are not closed */
    LIST_HEAD(session_list, session) open;
    TAILQ_HEAD(session_queue, session) resumed; /* those that may take requests again */
    size_t open_count, reserved_count;          /* open, all of them and those on reserved places */
    size_t alive_count;                         /* not freed */
    uint64_t last_serial;
    bool is_accepting, is_closing;
    bool full_told, failure_told; /* logged once until somebody is let in again */
    void (*done)(void *user);
};

/* ---- session.c */

/* Takes fd. NULL: out of memory. */
struct session *session_new(struct sessions *all, int fd, uid_t uid, pid_t pid, bool is_reserved);
/* Reads on or not, sets its timer, and closes it where nothing is left to be done: after whatever changes it. */
void session_watch(struct session *session);
/* Whether its next request may be taken. */
bool session_takes(const struct session *session);
/* The peer is closed altogether, not only its sending half. */
bool session_has_hung_up(const struct session *session);
/* Closes when everything that is packed was sent; why (*borrowed* until then) is for the log. */
void session_end(struct session *session, const char *why);
__attribute__((format(printf, 2, 3))) void sessions_log(const struct sessions *all, const char *format, ...);

/* ---- session_read.c */

void session_read(struct session *session, bool on);
/* Takes what whole requests there are, as long as it may. */
void session_take(struct session *session);

/* ---- session_write.c */

void session_write_init(struct session *session);
void session_write_deinit(struct session *session);
void session_flush(struct session *session);
/* An error of the session itself: sent at once, before answers that wait to be flushed. id NULL: nil. */
void session_refuse(struct session *session, const uint32_t *id, const struct rpc_error *error);
uint64_t session_sent(const struct session *session); /* bytes, ever */

/* ---- sessions.c */

/* Whether there is an ordinary place. */
bool sessions_has_place(const struct sessions *all);
/* session_take() in the next turn of the loop. */
void sessions_resume(struct session *session);
void session_freed(struct sessions *all);

#endif
