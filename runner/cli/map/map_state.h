/* map_state.h - a running map: for the map*.c files only. */
#ifndef MAP_STATE_H
#define MAP_STATE_H

#include "halt.h"
#include "joblog.h"
#include "map_job.h"
#include "map_options.h"
#include "outlet.h"
#include "progress.h"
#include "resume.h"
#include "summary.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#define MAP_OWN_FAILURE 255
#define MAP_BROKEN_PIPE (128 + SIGPIPE)

TAILQ_HEAD(map_jobs, map_job);

struct map {
    struct map_options options;
    pool_t *pool;
    struct outlet outlets[2];
    struct joblog joblog;
    struct resume resume;
    FILE *report;
    int signals;
    bool begun; /* map_begin_files() has emptied the joblog and the report */

    struct map_jobs jobs; /* in the order of their inputs, until their output is written */
    struct map_job *next; /* the next job, not yet in the list (--delay); NULL: none */
    uint64_t seq;         /* of the latest input */
    size_t running, held; /* number of jobs in the pool; in the list */
    size_t doubtful;      /* number of jobs in the list whose end is not judged yet */
    size_t ahead;         /* number of ended jobs that may wait for their turn (-k) */
    bool *slots;          /* by number less 1: is it taken */
    bool wants_input;     /* the next input has not arrived */
    bool stopping;        /* no more jobs start */
    bool killed, interrupted;
    bool lost_output;
    bool withdrew; /* the stop ended a job, or kept it from starting */
    int code;      /* exit code after a failure of reclaim or a --halt; -1: neither */
    double started, next_start;
    bool waits_to_start; /* map->next waits for next_start */

    struct halt_counts counts;
    struct median median;
    struct summary summary;
    struct progress_view view;

    struct pollfd *fds;
    struct map_job **readers; /* the job whose stream is polled at the same index */
    size_t fds_capacity;
};

/* ---- map_stop.c -------------------------------------------------------------------------------------------------- */

/* A line on standard error. Returns -1. */
int map_say(struct map *map, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Starts no more jobs; running jobs may finish. */
void map_stop_starting(struct map *map);

/* The same for a failure of reclaim itself, with that exit code. */
void map_fail(struct map *map, int code);

/* The same after a job's output could not be written, which is printed once. After EPIPE it ends running jobs, too: the
 * reader wants no more output. */
void map_stop_for_output(struct map *map, const struct map_job *job, int error);

/* Ends running jobs. */
void map_kill_all(struct map *map);

/* The first Ctrl-C, or a SIGHUP, stops starting; the second, or a SIGTERM, ends running jobs; one more kills them. */
void map_handle_signals(struct map *map);

/* Handles signals while an outlet waits for its reader. */
bool map_on_wake(void *user);

/* ---- map_jobs.c -------------------------------------------------------------------------------------------------- */

/* Starts the jobs that may start now. True: one has ended already, so look again before you wait. */
bool map_start_ready(struct map *map);

/* Takes settled jobs from the pool. */
void map_collect(struct map *map);

/* Counts the ends of jobs that have been in doubt long enough, or of all after an interrupt, and applies --halt. */
void map_judge_doubtful(struct map *map);

/* Writes the output and the rows of ended jobs, and frees them: of all, or with --keep-order of the first ones. */
void map_give_turns(struct map *map);

/* Number of jobs of this session; 0: not known. */
uint64_t map_total_jobs(const struct map *map);

/* --timeout in seconds; 0: none, or none yet. */
double map_timeout_seconds(const struct map *map);

/* ---- map_open.c -------------------------------------------------------------------------------------------------- */

/* Opens and checks everything before a job runs; overwrites nothing yet. -1 after a message. */
int map_open_all(struct map *map);

/* Takes over signals and the terminal. -1 after a message. */
int map_begin(struct map *map);

/* Empties and begins the joblog and the report: just before the first job starts, or at the end if there is none. -1
 * after a message. */
int map_begin_files(struct map *map);

#endif
