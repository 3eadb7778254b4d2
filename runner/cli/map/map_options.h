/* map_options.h - what `reclaim map` is asked to do. */
#ifndef MAP_OPTIONS_H
#define MAP_OPTIONS_H

#include "halt.h"
#include "inherited.h"
#include "inputs.h"
#include "limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_options {
    struct limits limits;   /* the first: see limit.h */
    double timeout_percent; /* of the median; 0: none */

    int64_t jobs;                   /* that run at once */
    bool jobs_many, joblog_appends; /* as many jobs as can be; the joblog's rows stay */
    bool keep_order, tag, line_buffer, shell, dry_run, verbose, bar, rerunnable;
    bool resume, resume_failed;
    int64_t delay_ms;                    /* between starts */
    int64_t memory_budget, memory_floor; /* as pool_options_t has them */
    struct halt halt;
    const char *results, *joblog, *report; /* paths; NULL: none */

    const char *const *words; /* the command, ended by NULL; at least one word */
    bool replaces, tells;     /* see struct replace_use */
    bool from_stdin;          /* no other source of inputs was named */
    struct inputs inputs;     /* not opened yet */
    struct inherited inherited;
};

/* Reads the command line; argv is *borrowed*, and its ::: become NULL. 0; -1 after it has said what is wrong; -2: help
 * or version was asked for, and has been given. */
int map_options_read(struct map_options *options, int argc, char **argv);

void map_options_deinit(struct map_options *options);

#endif
