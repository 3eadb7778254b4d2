/* sweep.h - which job a process belongs to, and ending processes that no live job owns.
 *
 * A job's processes descend from its worker, or carry its serial as their tag: their soft RLIMIT_LOCKS, which the
 * kernel does not use and which survives fork, setsid and exec: getrlimit(2). */
#ifndef SWEEP_H
#define SWEEP_H

#include "proc.h"

#include <stdbool.h>
#include <stdint.h>

/* Tags the calling process and what it starts. most: what sweep_tag_most said in the fork server. */
int sweep_tag(uint64_t serial, uint64_t most);
uint64_t sweep_tag_most(void);

/* A process below the caller. */
struct sweep_process {
    uint64_t branch_serial; /* of the live worker that it descends from; 0: of none */
    uint64_t tag;           /* its own */
    uint64_t branch_tag;    /* of the topmost ancestor below the caller */
};

/* Pure: the serial of the job that a process belongs to; 0: of no job that is known. */
uint64_t sweep_belongs(const struct sweep_process *process, bool (*is_known)(uint64_t serial, void *context),
                       void *context);

/* Sends a signal to a process below the caller (self): by pid if it is a child, which the caller has not reaped, else
 * through a pidfd once it is sure to be the same process. True: sent. */
bool sweep_signal(const struct proc_entry *entry, pid_t self, int signal);

/* For a caller that is no ancestor of them: SIGKILL for each process whose tag is ours, in at most `passes` over all
 * processes, pause_ms apart, until a pass finds none. How many the last pass found. */
size_t sweep_tagged(bool (*is_ours)(uint64_t serial, void *context), void *context, int passes, int pause_ms);

/* Kills and reaps everything below the calling process, which must be a child subreaper with SIGCHLD blocked. Waits for
 * it, at most five seconds. 0, or -ETIMEDOUT: something cannot be killed. */
int sweep_all_below(pid_t self);

#endif
