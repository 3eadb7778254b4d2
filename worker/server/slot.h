/* slot.h - the fork server's table of workers. Its memory is mapped at the start: no limit waits for memory. */
#ifndef SLOT_H
#define SLOT_H

#include "ladder.h"
#include "message.h"
#include "meter.h"
#include "page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct server;

enum slot_state {
    SLOT_FREE = 0,
    SLOT_ALIVE,  /* its worker runs */
    SLOT_REAPED, /* its worker is reaped; processes of its job may be left */
    SLOT_GONE,   /* no process is left, or one cannot be killed: to be reported */
    SLOT_STUCK   /* reported as unkillable, and the worker still not reaped */
};

/* The channels of one worker: its pipe and, of a full one, its socket; -1: closed. */
struct slot_ends {
    int host[2];   /* until the host has them */
    int worker[2]; /* until the worker is forked */
};

#define SLOT_NO_ENDS \
    {                \
        {-1, -1},    \
        {            \
            -1, -1   \
        }            \
    }

struct slot {
    enum slot_state state;
    bool born_unsent; /* the host does not have its ends yet */
    bool unforked;    /* the host has its ends, and the worker is not forked yet */
    bool unreaped;    /* given up before the worker was reaped */
    uint64_t serial;  /* tags the processes of its job: see sweep.h */
    uint64_t secret;  /* what its page says until its job begins */
    pid_t pid;
    uint64_t error; /* errno of the fork; then there is no worker */
    struct slot_ends ends;
    int64_t birth_deadline;
    struct ladder ladder;
    int64_t give_up_at;   /* from then on its processes count as unkillable */
    int64_t cpu_ms, pids; /* -1: no limit */
    struct page *page;
    struct meter meter;

    int status;
    struct rusage usage;
    uint64_t left_user_us, left_system_us; /* of processes of its job that the fork server reaped */
    uint64_t left_peak;                    /* bytes, of the largest of those */
    uint64_t processes, killed;            /* of its job besides the worker: reaped here; killed by a sweep */
    uint64_t members;                      /* processes of its job in the last sweep */
    uint64_t left;                         /* children of the fork server that the job left when it ended */
    bool unkillable;
    bool pausable; /* a command: the page tells how long it was stopped. A function may write anything there */
};

/* Maps count slots, and makes their area. Negative errno. */
int slot_table_init(struct server *server, size_t count);

/* Makes a free slot ready for a worker, with a serial of its own. NULL: all are taken. */
struct slot *slot_take(struct server *server);

/* A random number. */
uint64_t slot_draw(struct server *server);

/* Frees it, with its ends and what its meter holds. */
void slot_free(struct server *server, struct slot *slot);

/* Its place in table and area. */
size_t slot_index(const struct server *server, const struct slot *slot);

/* NULL: none. By pid: of a worker that is not reaped. */
struct slot *slot_find(const struct server *server, uint64_t serial);
struct slot *slot_find_pid(const struct server *server, pid_t pid);

/* Fills in the report of a slot that is gone; its crash note *borrows* server->crash. */
void slot_report(struct server *server, const struct slot *slot, struct message_gone *gone);

/* For how many milliseconds its command has been stopped. */
int64_t slot_paused(const struct slot *slot, int64_t now);

#endif
