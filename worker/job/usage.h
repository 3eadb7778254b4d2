/* usage.h - from what the kernel and the meter counted to what the job added. Pure. Sources: getrusage(2), proc(5); the
 * kernel's mm->hiwater_rss starts at the parent's resident size at fork, and signal->maxrss keeps the largest over
 * exec. */
#ifndef USAGE_H
#define USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage_raw {
    uint64_t most;      /* wait4's ru_maxrss of the worker and the children it waited for, in bytes */
    uint64_t left;      /* the same of processes that others had to reap */
    uint64_t baseline;  /* resident in the worker when its job began */
    uint64_t inherited; /* anonymous among it */
    uint64_t file;      /* file pages among `most`, as far as they were seen; 0 where only rusage is told */
    uint64_t written;   /* into a memfd, beside what was resident */
    bool is_command;

    bool sampled;       /* what follows means something */
    uint64_t sum;       /* the highest sum over all processes */
    uint64_t vague;     /* the highest that it may have been, by what could not be told apart */
    uint64_t rewritten; /* of what was inherited, in `sum` */
};

struct usage_peak {
    uint64_t peak;  /* bytes added at the highest */
    uint64_t bound; /* may be higher by this much */
};

/* A command's worker grows a little itself while it watches, and the kernel's counters lag: so little above the
 * baseline is not the command's. */
#define USAGE_SLACK ((uint64_t)2 << 20)

/* A function job is what it grew beyond the baseline; writes to inherited anonymous pages do not show, hence the bound.
 * A command begins anew at exec, where the high-water mark does not: what is not well above the baseline is unknown
 * below that. The high-water mark of a single process is kept by the kernel to the byte and without gaps, but counts
 * file pages; the sum is of anonymous and shared memory, but was only looked at now and then: the higher of the two. */
struct usage_peak usage_peak(const struct usage_raw *raw);

#endif
