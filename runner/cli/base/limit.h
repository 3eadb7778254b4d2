/* limit.h - what a job may use, as every verb's options say it. */
#ifndef LIMIT_H
#define LIMIT_H

#include "table.h"

#include <reclaim/pool.h>

struct limits {
    pool_job_options_t job; /* the limits, as pool_submit_command takes them */
    int64_t runs;           /* at most so many runs in all */
    const char *retry_oom;  /* as it was given; NULL: not */
    int64_t output_limit;   /* bytes of each stream; RELAY_NO_LIMIT: not given */
};

/* Rows for a verb's own struct, whose first member is a struct limits. */
extern const struct table_option limits_table[];
extern const struct table_option limits_times[]; /* --timeout and --kill-after, with -t and -k */

/* Defaults; to be called first. */
void limits_init(struct limits *limits);

/* Fills in what follows from several of them. 0, or -1 after values_fail. */
int limits_finish(struct limits *limits);

#endif
