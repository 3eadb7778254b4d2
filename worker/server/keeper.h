/* keeper.h - the process that outlives fork servers: it keeps the image of the moment when the pool was opened, starts
 * a fork server from it, and when that one dies ends and reaps all that it left, tells the host, and starts the next.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "forkserver.h"

/* Forks the keeper; returns in the host only: its pid, or a negative errno. *socket is the host's end of the channel on
 * which the keeper says server and server_lost (SOCK_SEQPACKET); its end-of-file is the keeper's death, and shutting it
 * down asks the keeper to end everything. It exits with 0 when nothing is left of what was below it, else with another
 * code. config is *borrowed*: as it is now; the keeper writes to its own copy. */
pid_t keeper_start(struct forkserver_config *config, int *socket);

#endif
