/* launch.h - a reclaimd in the background: of a session of its own, its log in its state directory. */
#ifndef DAEMON_START_H
#define DAEMON_START_H

#include <stdint.h>

/* Starts the reclaimd that lies beside this program, else the one in PATH, and waits until one answers at its socket:
 * it, or another that was sooner. state NULL: where it usually is; timeout_ms: what has not answered by then is ended;
 * options: further ones of reclaimd, ended by NULL. 0, or -1 after it has said why not. */
int daemon_start(const char *state, int64_t timeout_ms, char **options);

#endif
