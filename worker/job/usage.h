/* usage.h - from the counts of the kernel and the meter to the memory that the job added. Pure. Sources: getrusage(2),
 * proc(5); the kernel's mm->hiwater_rss starts at the parent's resident size at fork, and signal->maxrss keeps the
 * largest over exec. */
#ifndef USAGE_H
#define USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage_raw {
    uint64_t most;      /* bytes: wait4's ru_maxrss of the worker and the children that it waited for */
    uint64_t left;      /* the same of processes that the fork server reaped */
    uint64_t baseline;  /* resident in the worker when its job began */
    uint64_t inherited; /* anonymous part of that */
    uint64_t file;      /* file pages among `most`; 0: unknown */
    uint64_t written;   /* into a memfd, beside what was resident */
    bool is_command;

    bool sampled;       /* the rest has a meaning */
    uint64_t sum;       /* the highest sum over all processes */
    uint64_t vague;     /* the highest that this sum may have been */
    uint64_t rewritten; /* inherited bytes that were rewritten, part of `sum` */
};

struct usage_peak {
    uint64_t peak;  /* bytes that the job added at its highest */
    uint64_t bound; /* it may have been higher by this */
};

/* A command's worker grows as it waits, and the kernel's counters lag: so much above the baseline is the worker's. */
#define USAGE_SLACK ((uint64_t)2 << 20)

/* A function's usage is its growth above the baseline; writes to inherited anonymous pages do not show: hence a bound.
 * A command begins anew at exec, but the high-water mark does not: a usage below the baseline stays unknown. The
 * high-water mark of one process is exact, but counts file pages; the sum counts anonymous and shared memory, but only
 * at each look: the peak is the higher of the two. */
struct usage_peak usage_peak(const struct usage_raw *raw);

#endif
