/* map_options.h - the command line of `reclaim map`. */
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

    int64_t jobs;        /* at once */
    bool jobs_many;      /* -j 0: as many as possible */
    bool joblog_appends; /* the joblog keeps its rows */
    bool keep_order, tag, line_buffer, shell, dry_run, verbose, bar;
    bool resume, resume_failed;
    int64_t delay_ms;                    /* between starts */
    int64_t memory_budget, memory_floor; /* as pool_options_t has them */
    struct halt halt;
    const char *results, *joblog, *report; /* paths; NULL: none */

    const char *const *words;    /* the command, ended by NULL; at least one word */
    bool replaces, shows_inputs; /* see struct replace_use */
    bool from_stdin;             /* the command line names no source of inputs */
    struct inputs inputs;        /* not opened yet */
    struct inherited inherited;
};

/* Reads the command line. *Borrows* argv, and replaces each ::: in it by NULL. 0; -1: an error, which it has printed;
 * -2: it has printed help or version. */
int map_options_read(struct map_options *options, int argc, char **argv);

void map_options_deinit(struct map_options *options);

#endif
