/* server.h - the fork server's state, shared by its loop, births and reaper. */
#ifndef SERVER_H
#define SERVER_H

#include "proc.h"
#include "process.h"
#include "slot.h"

#include <stdbool.h>
#include <stdint.h>

/* A process below the fork server that descends from no live worker. */
struct reaper_stranger {
    pid_t pid;
    uint64_t start;
    uint64_t serial; /* of the job that owns it; 0: nobody's */
    bool killed;
    bool ignored; /* cannot be killed, and that has been reported */
};

struct reaper_strangers {
    struct reaper_stranger *all;
    size_t count, capacity;
};

struct reaper {
    int children;          /* /proc/self/task/TID/children, kept open; -1: look at all of /proc instead */
    struct proc_list list; /* reused by every sweep */
    struct reaper_strangers known, before; /* as of the last sweep, and of the one before */
    int64_t sweep_at;                      /* when to look again; LADDER_NEVER: not needed */
    int64_t count_at;                      /* when to count processes for `pids` limits */
};

struct server {
    int control;
    pid_t pid;
    bool closing;
    const struct process_origin *origin;
    struct slot_table table;
    struct reaper reaper;
};

#endif
