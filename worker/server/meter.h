/* meter.h - what a job uses while it runs, and what it may use: one interface over two mechanisms.
 *
 *     meter.c            when to look at a job, what follows from that, when the host gets a report
 *     meter_sampled.c    everywhere: looks at its processes through /proc, and kills them past their limit
 *     meter_cgroup.c     where cgroups are delegated: the kernel counts and limits
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
    unsigned looks;          /* so far; 0: nothing is known */
    bool report_due;         /* the host is to get a report of `used` */
    int64_t limit, every_ms; /* bytes; ms between two reports; -1: none */
    uint64_t argument;       /* bytes of it that the worker has mapped */
    int64_t look_at;         /* next look; LADDER_NEVER: none */
    int64_t looked_at;
    int64_t grew_at;     /* when it was last seen to grow, or began */
    int64_t walked_at;   /* when its new processes were last searched */
    uint64_t used, most; /* bytes now, and at the highest so far */
    bool sure;           /* `used` is exact, or surely above the limit */
    uint64_t reported;   /* `most` of the last report */
    int64_t reported_at;

    /* meter_sampled.c */
    struct tree tree;
    uint64_t vague;     /* the highest that it may have been while nothing better was known */
    unsigned walked;    /* tree.seen at the last walk of page tables; 0: there was none */
    uint64_t shared;    /* bytes that the sum over its processes counts too often, as of that walk */
    uint64_t moved;     /* bytes of these that may count after all: see footprint.h */
    uint64_t rewritten; /* bytes of what it inherited that it has made its own, at the highest */
    int64_t walk_us;    /* cost of the walk in the last look */
    int64_t walk_credit_us, walk_credit_at; /* time that walks may take now, and when that was last updated */

    /* meter_cgroup.c */
    int leaf, current; /* descriptors; -1 */
    enum message_oom oom;
};

struct meter_mechanism {
    pool_memory_method_t method;
    /* Makes the cgroup that the worker will join. Negative errno: do not fork the worker. NULL: nothing to do. */
    int (*prepare)(struct server *server, struct slot *slot);
    /* Its job runs, or is about to. Negative errno: it is not looked at. */
    int (*start)(struct server *server, struct slot *slot);
    /* Looks for new processes of the job: whether there are any. NULL: the mechanism need not know them. */
    bool (*walk)(struct server *server, struct slot *slot);
    /* Brings used, most and sure up to date. */
    void (*look)(struct server *server, struct slot *slot, int64_t now);
    /* SIGKILL for all its processes that are known. */
    void (*kill)(struct server *server, struct slot *slot);
    /* Its worker is reaped: takes the last numbers. NULL: there are none. */
    void (*end)(struct server *server, struct slot *slot);
    /* Releases what the mechanism holds for a slot. */
    void (*release)(struct server *server, struct slot *slot);
};

extern const struct meter_mechanism meter_sampled, meter_cgroup;

/* The fork server's. */
struct metering {
    const struct meter_mechanism *mechanism;
    struct cgroup_pool cgroup;
    int loadavg;         /* kept open; -1 */
    uint64_t births;     /* proc_births at the last look */
    int64_t births_at;   /* when to look at them again */
    uint64_t oom_kills;  /* proc_oom_kills that have been accounted for */
    unsigned oom_credit; /* OOM kills to which no dead job has been matched */
    int64_t oom_at;      /* when oom_kills was last read */
    unsigned looked_at;  /* jobs that are looked at */
};

/* Chooses cgroups in place, if its path is not empty. Negative errno and why: none can be there; jobs are sampled. */
int meter_open(struct metering *metering, const struct cgroup_place *place, char *why, size_t why_size);

/* Before the first job. */
void meter_begin(struct metering *metering);

/* The host says how to watch a job. */
void meter_start(struct server *server, struct slot *slot, const struct message_watch *watch);

/* Does all that is due now. A job past its limit is asked to end, by its ladder. */
void meter_run(struct server *server, int64_t now);

/* When meter_run has to be called at the latest; LADDER_NEVER. */
int64_t meter_next(const struct server *server);

/* Whether that is now: then the fork server puts off everything that takes time. */
bool meter_is_due(const struct server *server);

/* The worker is reaped or given up. Fills in oom if the kernel was short of memory. */
void meter_end(struct server *server, struct slot *slot);

#endif
