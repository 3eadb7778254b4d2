/* birth.h - forking one worker: its channels, its page, and an end of each for whom it belongs to. */
#ifndef BIRTH_H
#define BIRTH_H

#include "server.h"

/* Fills slot->pid and slot->host_ends, or slot->error. Returns in the fork server only. */
void birth_fork(struct server *server, struct slot *slot);

#endif
