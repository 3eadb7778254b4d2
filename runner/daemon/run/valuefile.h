/* valuefile.h - values that are files: written by a thread, before their job's end is.
 *
 * A value that finds no room is the failure of the job that made it, and nobody else's: what says so is
 * ending->unkept. Where not even that can be written, the disk is full without it, and the value waits for room as
 * everything else does. */
#ifndef VALUEFILE_H
#define VALUEFILE_H

#include "daemon.h"

/* 1: the ending can be applied, as far as its value goes (or as unkept); 0: not yet, a turn will come; negative errno:
 * the disk fails, and the next call tries again. */
int valuefile_prepare(struct daemon *daemon, struct ending *ending);

/* The turn that it was applied in could not be written. is_too_large: for want of room, and it was all that the turn
 * had, while the store can be written: then it is without its value that it is tried next. */
void valuefile_undone(struct ending *ending, bool is_too_large);

/* Whether a thread has it. */
bool valuefile_is_awaited(const struct ending *ending);

void ending_free(struct ending *ending);

#endif
