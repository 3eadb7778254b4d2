/* meter.h - what a job uses while it runs, and what it may use: one interface over two mechanisms.
 *
 *     meter.c            when a job is looked at, what follows from it, what the host is told
 *     meter_sampled.c    everywhere: its processes are looked at through /proc, and killed past their limit
 *     meter_cgroup.c     where cgroups are delegated: the kernel counts and limits, and is asked
 *
 * All times are milliseconds of the fork server's clock. */
#ifndef METER_H
#define METER_H

#include "cgroup.h"
#include "message.h"
#include "tree.h"

#include <reclaim/pool.h>
#include <stdbool.h>
#include <stdint.h>

struct server;
struct slot;

/* One job's, in its slot. */
struct meter {
    unsigned looks;             /* that have told something; 0: it is not looked at */
    bool untold;                /* the host has not heard of `used` */
    int64_t limit, every_ms;    /* bytes, ms; -1: none */
    uint64_t argument;          /* bytes of it that the worker has mapped */
    int64_t look_at, looked_at; /* look_at LADDER_NEVER: not */
    int64_t grew_at;            /* when it was last seen to, or began */
    int64_t met_at;             /* when new processes were last looked for */
    uint64_t used, most;        /* bytes now, and at the highest so far */
    bool sure;                  /* `used` is no estimate that was made some time ago */
    uint64_t told;              /* the highest that the host has heard of */
    int64_t told_at;

    /* meter_sampled.c */
    struct tree tree;
    uint64_t vague;     /* the highest that it may have been while nothing better was known */
    unsigned walked;    /* how many processes the tree had met at that walk; 0: there was none */
    uint64_t shared;    /* bytes that the sum over its processes counts too often, as of the last walk of page tables */
    uint64_t moved;     /* bytes of these that may count after all: see footprint.h */
    uint64_t rewritten; /* bytes of what it inherited that it has made its own, at the highest */
    int64_t walk_us;    /* what a walk in the last look has cost */
    int64_t walk_credit_us, walk_credit_at; /* time that walks may take now, and when that was last made up */

    /* meter_cgroup.c */
    int leaf, current; /* -1 */
    enum message_oom oom;
};

struct meter_mechanism {
    pool_memory_method_t method;
    /* Before the worker is forked: what it needs to join. Negative errno: it must not be forked. */
    int (*prepare)(struct server *server, struct slot *slot);
    /* Its job runs, or is about to. */
    int (*start)(struct server *server, struct slot *slot);
    /* Somebody has been born somewhere: whether this job has other processes now. */
    bool (*meet)(struct server *server, struct slot *slot);
    /* Brings used and most up to date. */
    void (*look)(struct server *server, struct slot *slot, int64_t now);
    /* SIGKILL for all its processes, as far as they are known. How many there were. */
    size_t (*kill)(struct server *server, struct slot *slot);
    /* Its worker is reaped: last numbers. */
    void (*end)(struct server *server, struct slot *slot);
    /* The slot is given up. */
    void (*release)(struct server *server, struct slot *slot);
};

extern const struct meter_mechanism meter_sampled, meter_cgroup;

/* What the fork server needs for it. */
struct metering {
    const struct meter_mechanism *mechanism;
    struct cgroup_pool cgroup;
    int loadavg;         /* kept open, -1 */
    uint64_t births;     /* proc_births as last looked at */
    int64_t births_at;   /* when to look at them again */
    uint64_t oom_kills;  /* proc_oom_kills that have been accounted for */
    unsigned oom_credit; /* and those that no dead process has been found for */
    int64_t oom_at;      /* when that was last looked at */
    unsigned looked_at;  /* jobs that are */
};

void meter_init(struct meter *meter);

/* Chooses the mechanism: cgroups in place, if its path is not empty. Negative errno and why. */
int meter_open(struct server *server, const struct cgroup_place *place, char *why, size_t why_size);

/* Before the first job. */
void meter_begin(struct server *server);
void meter_close(struct server *server);

/* The host says how to watch a job. */
void meter_start(struct server *server, struct slot *slot, const struct message_watch *watch);

/* Does all that is due now: jobs past their limit are asked to end, by their ladder. */
void meter_run(struct server *server, int64_t now);

/* When meter_run has to be called at the latest; LADDER_NEVER. */
int64_t meter_next(const struct server *server);

/* Whether that is now: what takes time has to wait. */
bool meter_is_due(const struct server *server);

/* The worker is reaped, or its death explained: oom is filled in when the kernel was short of memory. */
void meter_end(struct server *server, struct slot *slot);

void meter_release(struct server *server, struct slot *slot);

#endif
