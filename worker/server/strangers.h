/* strangers.h - the processes below the fork server that descend from no live worker: what jobs have left, or moved out
 * of their worker's tree. Finds out which job each belongs to, and kills those that no live job owns. */
#ifndef STRANGERS_H
#define STRANGERS_H

#include "proc.h"

#include <stdbool.h>
#include <stdint.h>

#define STRANGERS_MAX 256 /* of one job that are looked at */

struct server;

struct stranger {
    pid_t pid;
    uint64_t start;
    uint64_t serial; /* of the job that owns it; 0: unknown */
    bool killed;
    bool ignored; /* unkillable, and reported so */
};

struct stranger_list {
    struct stranger *all;
    size_t count, capacity;
};

struct strangers {
    int children;                       /* /proc/self/task/PID/children, kept open; -1: all of /proc is read instead */
    struct proc_list list;              /* reused by every sweep */
    struct stranger_list known, before; /* as of the last sweep, and of the one before */
    int64_t next_at;                    /* ms; strangers_update does nothing before */
    char text[64 * 1024];               /* of the children file */
};

/* Negative errno: this process cannot read /proc. */
int strangers_init(struct strangers *strangers);

/* The worst of all children of the fork server that are no workers. */
enum strangers_worst {
    STRANGERS_NONE,   /* each belongs to a live job, or is ignored */
    STRANGERS_LEFT,   /* some were left by a job that is over */
    STRANGERS_UNKNOWN /* of some the owner is unknown */
};

/* Looks at them, and counts in slot->left those that each job that is over has left. */
enum strangers_worst strangers_count(struct server *server);

/* One pass over all processes: finds the owner of each stranger, kills it unless that is a live job, and counts each
 * job's processes in slot->members. Negative errno. */
int strangers_sweep(struct server *server);

/* The same where there are new ones, at most so often that it takes one part in twenty of the time. */
void strangers_update(struct server *server, int64_t now);

/* NULL: not known. *Borrowed* until the next sweep. */
const struct stranger *strangers_find(const struct strangers *strangers, pid_t pid);

/* The process is reaped. */
void strangers_forget(struct strangers *strangers, pid_t pid);

/* Those of this job, and those of unknown owner, are unkillable. */
void strangers_ignore(struct strangers *strangers, uint64_t serial);

/* Pids of those that a live job owns. How many, at most size. */
size_t strangers_of_job(const struct strangers *strangers, uint64_t serial, pid_t *pids, size_t size);

#endif
