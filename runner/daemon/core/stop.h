/* stop.h - the daemon's end, in steps: running jobs finish, or are ended and requeued; ends are written; clients go. */
#ifndef STOP_H
#define STOP_H

#include "daemon.h"

/* Takes the next step if it is time; called once a turn. */
void stop_advance(struct daemon *daemon);
/* After a start that failed half-way: whatever is open is closed. */
void stop_at_once(struct daemon *daemon);

#endif
