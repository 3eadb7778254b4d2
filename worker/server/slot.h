/* slot.h - the fork server's table of workers: preallocated, so that enforcement never waits for memory. */
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

enum slot_state {
    SLOT_FREE = 0,
    SLOT_ALIVE,  /* its worker runs */
    SLOT_REAPED, /* its worker is reaped, something it left may still be there */
    SLOT_GONE,   /* nothing is left, or it cannot be killed: to be reported */
    SLOT_STUCK   /* reported as unkillable, and the kernel still has not let go of the worker */
};

struct slot {
    enum slot_state state;
    bool born_unsent; /* the host does not have its ends yet */
    bool unforked;    /* the host has its ends, and there is no process yet */
    bool unreaped;    /* given up on before the worker was reaped */
    uint64_t serial;
    pid_t pid;
    uint64_t error;     /* errno of the fork; then there is no worker */
    int host_ends[2];   /* task socket, result pipe: until sent */
    int worker_ends[2]; /* the same, until forked */
    int64_t birth_deadline;
    struct ladder ladder;
    int64_t give_up_at;   /* when what cannot be killed is reported as such */
    int64_t cpu_ms, pids; /* -1: no limit */
    struct page *page;
    struct meter meter;

    int status;
    struct rusage usage;
    uint64_t left_user_us, left_system_us; /* of processes that it left and the fork server reaped */
    uint64_t left_peak;                    /* the largest of those */
    uint64_t processes, killed;            /* seen beside the worker; ended by a sweep */
    uint64_t members;                      /* in the last sweep: processes there */
    uint64_t left;                         /* of a job that is over: children of ours that it has left */
    bool unkillable;
    bool pausable; /* what the page says of being stopped counts: a function's page is the job's to scribble on */
};

struct slot_table {
    struct slot *slots;
    struct page *pages; /* one a slot, shared with its worker alone */
    size_t count;
};

/* Maps the table and its pages. Negative errno. */
int slot_table_init(struct slot_table *table, size_t count);

/* A free slot made ready for serial: NULL when all are taken. */
struct slot *slot_take(struct slot_table *table, uint64_t serial);
void slot_free(struct slot *slot);

struct slot *slot_find(const struct slot_table *table, uint64_t serial);
struct slot *slot_find_pid(const struct slot_table *table, pid_t pid);

/* Only the worker about to be forked gets this slot's page. */
void slot_page_share(const struct slot *slot, bool share);

/* What the host is told of a slot that is gone. crash: text for the note, *borrowed* by the message. */
void slot_report(const struct slot *slot, const struct metering *metering, char *crash, size_t crash_size,
                 struct message_gone *gone);

/* How long its command has been stopped, in milliseconds. */
int64_t slot_paused(const struct slot *slot, int64_t now);

#endif
