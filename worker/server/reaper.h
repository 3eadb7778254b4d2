/* reaper.h - deaths: deadlines, kills, reaping, and the sweep of what a job left behind. Nothing in here waits. */
#ifndef REAPER_H
#define REAPER_H

#include "forkserver_state.h"

#define REAPER_ADOPTED_MAX 256 /* of one job that are looked at */

int reaper_init(struct reaper *reaper);

/* Does all that is due now; reap: a SIGCHLD has come. Slots of which nothing is left become SLOT_GONE. */
void reaper_run(struct server *server, bool reap, int64_t now);

/* Pids of processes that a live job has left to the fork server, as far as they are known. How many, at most size. */
size_t reaper_adopted(struct server *server, uint64_t serial, pid_t *pids, size_t size);

/* Finds out whose they are, where there are new ones. */
void reaper_look_around(struct server *server, int64_t now);

/* When reaper_run has to be called at the latest; LADDER_NEVER. */
int64_t reaper_next(const struct server *server, int64_t now);

/* Kills and reaps everything below the calling process, which must be a child subreaper with SIGCHLD blocked. Waits for
 * it, at most a few seconds. 0, or -ETIMEDOUT: something cannot be killed. */
int reaper_end_all(pid_t self);

#endif
