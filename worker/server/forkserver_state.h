/* server.h - the fork server's state, shared by its loop, births and reaper. */
#ifndef SERVER_H
#define SERVER_H

#include "forkserver.h"
#include "meter.h"
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
    int64_t sweep_pause;                   /* ms, after the next sweep that leaves somebody */
    int64_t count_at;                      /* when to count processes for `pids` limits */
    int64_t look_around_at;                /* whose new strangers are is not looked at before */
};

/* A worker's channels: [0] the host's, [1] the worker's. */
struct birth_ends {
    int task[2], result[2];
};

/* Mapped, and not for workers (MADV_DONTFORK): they have no business in it, and a page that no child has costs no copy
 * when it is written after the fork. */
struct server {
    int control, signals, epoll;
    unsigned gap_end; /* see process_gap_end */
    bool seeds;       /* workers may seed random(3) */
    uint64_t notes;   /* enum message_note, for hello */
    pid_t pid;
    bool closing;
    size_t warm;             /* idle workers to keep without being asked */
    uint64_t births;         /* workers that the host has asked for, to be forked */
    size_t unforked;         /* slots whose worker is to be forked in a moment */
    struct birth_ends spare; /* the next worker's, if there are any yet */
    bool has_spare;
    uint64_t next_serial;
    const struct process_origin *origin;
    uint64_t inherited; /* anonymous bytes that every worker starts with */
    struct slot_table table;
    struct reaper reaper;
    struct metering metering;
    uint8_t incoming[4096], outgoing[16 * 1024];
    char crash[4096];         /* a crash note on its way */
    char children[64 * 1024]; /* our own children file */
};

/* Ends the process where there is no memory for it. config is *borrowed*. */
struct server *server_new(const struct forkserver_config *config, int control);

/* A slot for a worker to be, with a serial of its own. NULL: all are taken. */
struct slot *server_slot_take(struct server *server);

/* Gives it up, with all that is kept for it. */
void server_slot_free(struct server *server, struct slot *slot);

#endif
