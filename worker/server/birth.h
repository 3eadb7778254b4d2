/* birth.h - forking one worker, with its channels and its page. */
#ifndef BIRTH_H
#define BIRTH_H

#include "forkserver_state.h"

/* Makes the channels of the next worker ahead, since the host waits when it asks for one. */
void birth_stock(struct server *server);

/* Whether the host wants those workers to be full ones that it does not ask for. */
bool birth_wants_full(const struct server *server);

/* Makes the channels, and the cgroup, of a slot's worker; of a full one with a socket. The host may use its ends before
 * the worker is forked: a task waits in the area. False: slot->error is the errno. */
bool birth_prepare(struct server *server, struct slot *slot, bool full);

/* Forks the worker of a prepared slot: fills slot->pid, or slot->error. Returns in the fork server only. */
void birth_fork(struct server *server, struct slot *slot);

#endif
