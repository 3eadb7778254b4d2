/* daemon_start.h - starts reclaimd in the background, in a session of its own, with its log in its state directory. */
#ifndef DAEMON_START_H
#define DAEMON_START_H

#include <stdint.h>

/* Starts the reclaimd beside this program, else the one in PATH, and waits until a reclaimd answers at the socket (this
 * one, or one that somebody started a moment earlier). state: its directory, NULL: the default; timeout_ms: a reclaimd
 * that does not answer within that time is ended; options: more options for reclaimd, ended by NULL. 0, or -1 after a
 * message. */
int daemon_start(const char *state, int64_t timeout_ms, char **options);

#endif
