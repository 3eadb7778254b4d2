/* requests.h - what the host asks of the fork server: fork, kill, signal, watch. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "forkserver_state.h"

/* Reads and carries out one packet. False: there was none. A packet that is no legal message sets server->closing: the
 * host is ours, so this is a bug or bad memory, and workers must not live on under it. */
bool request_handle(struct server *server);

/* Forks workers that the host has asked for, at least one: the rest waits if looking at memory is due. */
void request_fork_workers(struct server *server);

/* Forks all replacements whose ends the host has already: slot->unforked. */
void request_fork_replacements(struct server *server);

#endif
