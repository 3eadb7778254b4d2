/* valuefile.h - values that are files: written by a thread, before their job's end is. */
#ifndef VALUEFILE_H
#define VALUEFILE_H

#include "daemon.h"

/* 1: the ending can be applied, as far as its value goes; 0: not yet, a turn will come; negative errno: it could not be
 * written, and the next call tries again. */
int valuefile_prepare(struct daemon *daemon, struct ending *ending);

/* Whether a thread has it. */
bool valuefile_is_awaited(const struct ending *ending);

void ending_free(struct ending *ending);

#endif
