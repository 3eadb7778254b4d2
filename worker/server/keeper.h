/* keeper.h - the process that outlives fork servers. It keeps the host's image of the moment when the pool was opened,
 * and starts a fork server from it. When that dies, it ends and reaps what is left, tells the host, starts the next. */
#ifndef KEEPER_H
#define KEEPER_H

#include "forkserver.h"

/* Forks the keeper; returns in the host only: its pid, or a negative errno. *socket is the host's end of the channel on
 * which the keeper sends server and server_lost (SOCK_SEQPACKET). End-of-file there means that the keeper is dead;
 * shutting it down asks the keeper to end everything below it and itself: with code 0 if all has ended. config is
 * *borrowed* for this call; the keeper writes to its own copy. */
pid_t keeper_start(struct forkserver_config *config, int *socket);

/* Waits until the keeper has tried its image, where config says that there is something to try: config->threaded,
 * ->exclude. 0: workers can be made from it. -EBUSY: message is where a lock is held, "malloc()"; another negative
 * errno: message says what is wrong with the keeper. Then it is reaped, and the socket is of no use. */
int keeper_await(pid_t keeper, int socket, const struct forkserver_config *config, char *message, size_t size);

#endif
