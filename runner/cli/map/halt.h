/* halt.h - when to stop a map early, as GNU parallel's --halt says it. Pure. */
#ifndef HALT_H
#define HALT_H

#include <stdbool.h>
#include <stdint.h>

enum halt_when { HALT_NEVER = 0, HALT_SOON, HALT_NOW };
enum halt_what { HALT_FAIL = 0, HALT_SUCCESS, HALT_DONE };

struct halt {
    enum halt_when when;
    enum halt_what what;
    uint64_t count; /* jobs, */
    double percent; /* or, where this is above 0, percent of all jobs */
};

struct halt_counts {
    uint64_t failed, done; /* done includes the failed ones */
    uint64_t total;        /* 0: not known */
};

/* "never", "now,fail=1", "soon,success=3", "now,done=20%"; also 0, 1 and 2, the older words for never, soon,fail=1 and
 * now,fail=1. -EINVAL. */
int halt_parse(const char *text, struct halt *halt);

/* Whether it is time, asked after a job that failed, or did not. */
bool halt_reached(const struct halt *halt, const struct halt_counts *counts, bool failed);

/* The exit code of a map that a job stopped; job_code is that job's own, as outcome_exit_code says. */
int halt_exit_code(const struct halt *halt, const struct halt_counts *counts, int job_code);

/* Of a map that ran to its end: the number of failed jobs, 101 for more than 100; where percent were asked for, the
 * percentage that failed. */
int halt_end_code(const struct halt *halt, const struct halt_counts *counts);
int halt_failures_code(uint64_t failed);

#endif
