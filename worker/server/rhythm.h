/* rhythm.h - how often to look at a job's memory: seldom far from its limit, often near it or while it grows. Pure. */
#ifndef RHYTHM_H
#define RHYTHM_H

#include <stdbool.h>
#include <stdint.h>

#define RHYTHM_TREE_MS    16 /* several processes: the kernel does not keep the peak of their sum */
#define RHYTHM_SINGLE_MS  96 /* one process: the kernel keeps its peak, so only its limit matters */
#define RHYTHM_NEAREST_MS 1
#define RHYTHM_REST_MS    32  /* a job is at rest after so long without growth */
#define RHYTHM_FAR_SHARE  100 /* far from limits all looks together take at most one part in this of the time */
#define RHYTHM_NEAR_SHARE 4   /* near its limit a job's looks take at most one part in this */

/* No job grows faster than this for long: touching memory takes the kernel 0.2 to 0.7 ms a MiB, and 0.07 to 0.13 on
 * huge pages. A job at rest is assumed to start at the former, or all jobs at rest would be looked at too often. */
#define RHYTHM_FASTEST_PER_MS   ((uint64_t)16 << 20)
#define RHYTHM_FROM_REST_PER_MS ((uint64_t)6 << 20)

struct rhythm_view {
    int64_t limit;      /* bytes; -1: none */
    uint64_t used;      /* bytes, at this look */
    int64_t still_ms;   /* since it last grew, or began */
    int64_t cost_us;    /* of this look, in CPU time */
    unsigned looked_at; /* how many jobs are looked at */
    bool tree;          /* more than one process */
    int64_t every_ms;   /* between two reports to the host; -1: none */
};

/* Milliseconds until the next look, at least 1. */
int64_t rhythm_next(const struct rhythm_view *view);

#endif
