/* admission.h - which waiting job may start now, by the memory that it is expected to need. Pure: times are the
 * caller's milliseconds.
 *
 * A job is expected to need what its caller said; else what jobs of its name have needed lately (learned.h); else it is
 * *unknown*. Never more than its limit or the budget. While it runs it has that much reserved, or its highest use where
 * that is more. What is reserved never exceeds the budget at the start of a job, but one that would start alone always
 * may. Learned needs have a part that is chance, their spread; it is improbable that all jobs that run have bad luck at
 * once, so of the spreads the root of the sum of their squares is reserved, as errors add up. For one job alone that is
 * all of its expectation.
 *
 * Unknown jobs reserve a fair share, budget / workers, so that as many as there are workers run at once. Where the
 * caller has given the budget it is kept: those that have a limit reserve that, and no less until something is learned.
 * Those without are taken for larger than a fair share at first: as many are *recent* at a time as there are others
 * that have shown what they use, two at least, and they divide what the others leave. When one has not grown for
 * ADMISSION_RECENT_MS it keeps a fair share, or half as much again as it was seen to use; so jobs that wait for each
 * other all start soon. When the first job of a name has ended, what was learned counts for those that still run.
 *
 * A job that does not fit may be passed by others behind it, a bounded number of times and for a bounded time; then
 * nothing passes it.
 *
 * Of the machine: what is available, less what running jobs have reserved and not used yet, less what the job is
 * expected to need, must leave the floor. Nobody knows what unknown jobs will need: each counts for no more than its
 * share of what is available. Nothing starts under pressure or below the floor. */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "learned.h"

#define ADMISSION_LOOKAHEAD         64 /* waiting jobs that are looked at */
#define ADMISSION_RECENT_MS         200
#define ADMISSION_PASSES_PER_WORKER 2
#define ADMISSION_PASSES_MS         30000
#define ADMISSION_LOOK_MS           100 /* while jobs are held up: the machine is looked at so often */
#define ADMISSION_SETTLE_MS         200 /* after an eviction, until the machine's numbers are believed again */
#define ADMISSION_ALONE_MS          10000
#define ADMISSION_SPREAD_UNIT       (UINT64_C(1) << 16) /* so that the squares of 4,096 jobs of a TiB are a number */

/* What an expectation rests on. */
enum admission_basis {
    ADMISSION_KNOWN = 0, /* said or learned */
    ADMISSION_LIMIT,     /* its limit, and a budget that was given: what is learned may lower it */
    ADMISSION_UNKNOWN
};

/* One job's part: embedded in it, zero-initialised. */
struct admission_ticket {
    const char *name; /* *borrows* */
    int64_t said;     /* by the caller: bytes; 0: nothing; -1: nothing worth counting */
    uint64_t limit;   /* most that it may use; 0: none */
    uint64_t least;   /* it has shown that it needs this; 0: it has not */
    bool rerunnable;  /* may be evicted */

    /* ours: while it waits */
    int64_t held_since; /* 0: it was never found wanting */
    int64_t alone_at;   /* evicted: before, it does not start below the floor though nothing else runs */
    uint32_t passed, evictions;

    /* ours: while it runs */
    TAILQ_ENTRY(admission_ticket) running, recent;
    bool is_running, is_recent, is_evictable, is_leaving;
    enum admission_basis basis;
    uint64_t reserved, spread; /* spread: the part of reserved that is chance */
    uint64_t share;            /* what it keeps after it was recent */
    uint64_t most;             /* highest use that the fork server reported */
    int64_t started, grown_at;
};

TAILQ_HEAD(admission_tickets, admission_ticket);

struct admission_rules {
    uint64_t budget;      /* bytes; 0: none */
    bool budget_is_given; /* by the caller, not the default */
    uint64_t floor;       /* bytes; 0: none */
    uint64_t total;       /* of the machine */
    size_t workers;       /* jobs that may run at once */
};

struct admission {
    struct admission_rules rules;
    struct learned learned;
    uint64_t available;                    /* of the machine, as last seen; UINT64_MAX: not known */
    bool pressure;                         /* set by the caller */
    struct admission_tickets running;      /* in the order of their starts */
    struct admission_tickets recent;       /* the one that grew last is last */
    uint64_t sure;                         /* reserved by all that run, but for the spreads */
    uint64_t squares;                      /* of the spreads, summed, in units of ADMISSION_SPREAD_UNIT */
    uint64_t recent_reserved;              /* by the recent ones */
    uint64_t unused_known, unused_unknown; /* reserved, and not in use yet */
    size_t unknown_count, recent_count, evictable_count, leaving_count;
    int64_t settled_at; /* after an eviction */
};

void admission_init(struct admission *admission, const struct admission_rules *rules);
void admission_deinit(struct admission *admission);

/* Whether there is a budget or a floor. */
bool admission_is_on(const struct admission *admission);

/* On, and under pressure or below the floor: nothing starts. */
bool admission_is_held(const struct admission *admission);

/* The most that one job may ever be expected to need, and its limit grow to: the budget, or all there is without one;
 * UINT64_MAX: not known. */
uint64_t admission_cap(const struct admission *admission);

/* What running jobs are expected to use together. */
uint64_t admission_reserved(const struct admission *admission);

/* A look at the waiting jobs in the order of their turn, ADMISSION_LOOKAHEAD of them at most. */
struct admission_scan {
    struct admission *admission;
    int64_t now;
    bool only_looks; /* ADMISSION_START then says that it could */
    size_t count;
    struct admission_ticket *passed[ADMISSION_LOOKAHEAD];
};

enum admission_answer {
    ADMISSION_START, /* it holds its reservation from now on, until admission_end or admission_give_back */
    ADMISSION_PASS,  /* not now, but one behind it may */
    ADMISSION_STOP   /* none starts now */
};

void admission_scan(struct admission *admission, int64_t now, struct admission_scan *scan);
enum admission_answer admission_try(struct admission_scan *scan, struct admission_ticket *ticket);

/* The job did not start after all. Nothing, for a ticket that holds no reservation. */
void admission_give_back(struct admission *admission, struct admission_ticket *ticket);

/* The job of a ticket that holds a reservation begins now. */
void admission_begin(struct admission *admission, struct admission_ticket *ticket, bool rerunnable, int64_t now);

/* Its highest use so far. */
void admission_used(struct admission *admission, struct admission_ticket *ticket, uint64_t most, int64_t now);

/* The job has ended, and its memory is back. learn: peak is the memory that it needed, or a lower bound of it. */
void admission_end(struct admission *admission, struct admission_ticket *ticket, uint64_t peak, bool learn,
                   int64_t now);

/* Below the floor: the youngest running job that may be evicted; NULL: none, or the last eviction is not over yet. */
struct admission_ticket *admission_victim(struct admission *admission, int64_t now);

/* This one is not evicted after all. */
void admission_spare(struct admission *admission, struct admission_ticket *ticket);

/* This one is being ended. It is expected to need what it had used, and does not at once start again alone. */
void admission_evict(struct admission *admission, struct admission_ticket *ticket, int64_t now);

/* Whether the floor has to be watched: something runs that could be evicted. */
bool admission_is_watching(const struct admission *admission);

/* The next moment at which time alone may change which jobs may start. */
int64_t admission_look_at(const struct admission *admission, int64_t now);

#endif
