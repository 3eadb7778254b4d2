/* starts.h - starting jobs: they are chosen and written down as running within a turn, and handed to the pool after its
 * commit. Memory is reserved for a job before it is written down; a job that has to wait for memory stays queued. */
#ifndef STARTS_H
#define STARTS_H

#include "daemon.h"

void starts_pick(struct daemon *daemon);                   /* within a turn: chooses */
void starts_hand_over(struct daemon *daemon, uint64_t id); /* after its commit */
/* Something has changed that may let a job start: none waits for a moment any more. */
void starts_look_again(struct daemon *daemon);

#endif
