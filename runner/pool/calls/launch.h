/* launch.h - forks a pool's keeper. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "state.h"

/* Forks the keeper, and forks it anew while its image has a lock that another thread held. Returns its pid, and our end
 * of its socket in *socket; or a negative errno, and why in words. On the thread that called pool_open. */
pid_t launch_keeper(pool_t *pool, int *socket, char *why, size_t size);

#endif
