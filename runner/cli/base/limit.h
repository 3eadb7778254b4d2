/* limit.h - the options for the limits of a job, which several verbs share. */
#ifndef LIMIT_H
#define LIMIT_H

#include "table.h"

#include <reclaim/pool.h>

struct limits {
    pool_job_options_t job; /* as pool_submit_command takes them */
    int64_t runs;           /* at most, in all */
    const char *retry_oom;  /* the argument; NULL: not given */
    int64_t output_limit;   /* bytes of each stream; RELAY_NO_LIMIT: not given */
};

/* Rows for a verb's own struct, whose first member is a struct limits. */
extern const struct table_option limits_table[];
extern const struct table_option limits_times[]; /* --timeout and --kill-after, with -t and -k */

/* Sets the defaults. To be called first. */
void limits_init(struct limits *limits);

/* Checks options against each other, and fills in job.retries. 0, or -1 after values_fail. */
int limits_finish(struct limits *limits);

#endif
