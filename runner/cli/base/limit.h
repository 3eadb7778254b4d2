/* limit.h - what a job may use, as every verb's options say it. */
#ifndef LIMIT_H
#define LIMIT_H

#include "table.h"

#include <reclaim/pool.h>
#include <stdbool.h>

struct limits {
    pool_job_options_t job; /* the limits, as pool_submit_command takes them */
    int64_t runs;           /* at most so many runs in all */
    const char *retry_oom;  /* as it was given; NULL: not */
    bool output_limited;
    int64_t output_limit; /* bytes of each stream */
};

/* The context of these is the address of the verb's own struct, whose first member is a struct limits. */
extern const struct table_option limits_table[];
extern const struct table_option limits_timeout[];          /* a duration only */
extern const struct table_option limits_kill_after_short[]; /* with -k */
extern const struct table_option limits_kill_after_long[];  /* without */

int limits_set_timeout(void *context, const char *text);

/* Defaults; to be called first. */
void limits_init(struct limits *limits);

/* Fills in what follows from several of them. 0, or -1 after table_fail. */
int limits_finish(struct limits *limits);

#endif
