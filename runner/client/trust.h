/* trust.h - the daemons that a client may talk to. */
#ifndef TRUST_H
#define TRUST_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether a client of the user `own` may talk to a daemon that the user uid runs, at the socket path: to its own and to
 * root's. Root may also talk to another user's if nobody but root and that user can have put the socket there: every
 * directory of path, as it is spelled and as it is resolved, belongs to one of both; nobody else may write to it. */
bool trust_uid(uid_t uid, uid_t own, const char *path);

#endif
