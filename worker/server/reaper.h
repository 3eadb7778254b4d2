/* reaper.h - deaths: keeps deadlines, kills, reaps, and ends what a job left behind. No function here blocks. */
#ifndef REAPER_H
#define REAPER_H

#include "forkserver_state.h"

/* Does all that is due now; reap: a SIGCHLD has come. A slot becomes SLOT_GONE when no process of its job is left. */
void reaper_run(struct server *server, bool reap, int64_t now);

/* When reaper_run has to be called at the latest; LADDER_NEVER. */
int64_t reaper_next(const struct server *server, int64_t now);

#endif
