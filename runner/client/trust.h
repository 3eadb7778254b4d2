/* trust.h - who listens: asked before a daemon is told anything, for a submit carries its environment along.
 *
 * unix(7), SO_PEERCRED: whose process had called listen(2), which cannot be changed later. Where systemd made the
 * socket that is its own user, root or the user whose manager it is. */
#ifndef TRUST_H
#define TRUST_H

#include <reclaim/pool.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whether a client of the user `own` may talk to what the user uid listens with at path: to its own and to root's. Root
 * may also talk to another user's, where nobody but root and that user can have put it there: every directory of path,
 * as it is spelled and as it is resolved, belongs to one of both, and nobody else may write to it. */
bool trust_uid(uid_t uid, uid_t own, const char *path);

/* The same, of who listens at the other end of fd, a connection to path. 0; -EPERM: not to be trusted; else what
 * getsockopt(2) says. error (may be NULL) is filled in. */
int trust_peer(int fd, const char *path, pool_error_t *error);

#endif
