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
/* Sends what was packed. A session for which unread_max waits is not read from until it has read. */
void sessions_flush(struct sessions *sessions);
/* Sends what waits, and what is flushed meanwhile, for at most grace_ms, takes no more requests, closes all (on_close),
 * frees when the handles are closed; done may be NULL. */
void sessions_close(struct sessions *sessions, int64_t grace_ms, void (*done)(void *user));
size_t sessions_count(const struct sessions *sessions);

#endif
