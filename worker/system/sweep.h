/* sweep.h - who of all processes belongs to which job, and ending those that no live job owns.
 *
 * A job's processes descend from its worker, or carry its serial as soft RLIMIT_LOCKS, which the kernel does not use
 * and which survives fork, setsid and exec: getrlimit(2). */
#ifndef SWEEP_H
#define SWEEP_H

#include "proc.h"

#include <stdbool.h>
#include <stdint.h>

/* Tags the calling process and what it starts. */
int sweep_tag(uint64_t serial);

/* What the sweeper knows of a serial. */
enum sweep_owner { SWEEP_UNKNOWN = 0, SWEEP_LIVE, SWEEP_DEAD };

/* One process below the sweeper, and what it carries. */
struct sweep_process {
    uint64_t branch_serial; /* of the worker that it descends from; 0: from none that lives */
    uint64_t tag;           /* its own */
    uint64_t branch_tag;    /* of the topmost ancestor below the sweeper */
};

typedef enum sweep_owner (*sweep_lookup_fn)(uint64_t serial, void *context);

/* Pure: the serial of the job that a process belongs to; 0: nobody's, an orphan of no known job. */
uint64_t sweep_belongs(const struct sweep_process *process, sweep_lookup_fn lookup, void *context);

/* A signal for one process below the caller: by pid for an unreaped child of the caller, else through a pidfd after
 * looking again that it is the same process. True when the signal was sent. */
bool sweep_signal(const struct proc_entry *entry, pid_t self, int signal);

/* For who is nobody's ancestor: passes over all processes, with SIGKILL for each whose tag is ours, until one finds
 * none or there have been `passes`, pause_ms apart. How many the last one found. */
size_t sweep_tagged(bool (*is_ours)(uint64_t serial, void *context), void *context, int passes, int pause_ms);

/* Kills and reaps everything below the calling process, which must be a child subreaper with SIGCHLD blocked. Waits for
 * it, at most five seconds. 0, or -ETIMEDOUT: something cannot be killed. */
int sweep_all_below(pid_t self);

#endif
