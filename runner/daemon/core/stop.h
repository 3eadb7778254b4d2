/* stop.h - the daemon's end, in steps: running jobs finish, or are ended and requeued; ends are written; clients go. */
#ifndef STOP_H
#define STOP_H

#include "daemon.h"

/* As SIGTERM: running jobs may go on for drain_seconds. Called again: they are ended at once. */
void stop_begin(struct daemon *daemon, double drain_seconds);
/* The daemon cannot go on: it ends its jobs at once, and exits with 1. The caller has logged why. */
void stop_failed(struct daemon *daemon);
/* The start has failed: closes all that is open, and exits with 1. */
void stop_start_failed(struct daemon *daemon);
/* Takes the next step if it is time; once a turn. */
void stop_advance(struct daemon *daemon);

#endif
