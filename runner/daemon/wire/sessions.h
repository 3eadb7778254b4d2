/* sessions.h - all connections: which ones are let in, the flush of a turn, the end. */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "door.h"
#include "session.h"

struct sessions;

/* Accepts from door (*borrows*, until sessions_stop_accepting) on loop. SIGPIPE has to be ignored: writes to a client
 * that has gone are errors like others. */
int sessions_open(struct sessions **sessions, uv_loop_t *loop, const struct door *door,
                  const struct session_options *options);
/* Accepts no more connections; the others live on. */
void sessions_stop_accepting(struct sessions *sessions);
/* Sends the answers of a turn. A session with unread_max bytes unread is not read from until it has read. */
void sessions_flush(struct sessions *sessions);
/* Takes no more requests, goes on sending for at most grace_ms, closes all sessions (on_close), and frees when the
 * handles are closed; done may be NULL. */
void sessions_close(struct sessions *sessions, int64_t grace_ms, void (*done)(void *user));
size_t sessions_count(const struct sessions *sessions);

#endif
