/* birth.h - forking one worker: its channels, its page, and an end of each for whom it belongs to. */
#ifndef BIRTH_H
#define BIRTH_H

#include "forkserver_state.h"

/* Makes channels ahead, for the next worker: when that is due somebody waits. */
void birth_stock(struct server *server);

/* Makes the channels, and the cgroup, of a slot's worker to be. They can be used at once: a task waits in its socket.
 * False: slot->error is the errno. */
bool birth_prepare(struct server *server, struct slot *slot);

/* Forks the worker of a prepared slot: fills slot->pid, or slot->error. Returns in the fork server only. */
void birth_fork(struct server *server, struct slot *slot);

#endif
