/* commit.h - the end of a turn of the loop: its requests and its ends of runs become one transaction, and then have
 * effects. */
#ifndef COMMIT_H
#define COMMIT_H

#include "daemon.h"

/* Adds to the turn what the daemon brings by itself (ends of runs, jobs to forget, jobs to start), commits it, carries
 * out its effects and sends its answers; or undoes all of it. Returns whether the next turn should come at once. */
bool commit_turn(struct daemon *daemon);

#endif
