/* map_state.h - a map that runs: shared by the map_*.c files, and by nobody else. */
#ifndef MAP_STATE_H
#define MAP_STATE_H

#include "halt.h"
#include "joblog.h"
#include "map_job.h"
#include "map_options.h"
#include "median.h"
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
    bool begun; /* the joblog and the report are ours: see map_begin_files() */

    struct map_jobs jobs; /* in the order of their inputs, until their output is out */
    struct map_job *next; /* waits for --delay, not yet in the list; NULL: none */
    uint64_t seq;         /* of the latest input */
    size_t running, held; /* jobs in the pool; in the list */
    size_t doubtful;      /* of those, whose end is not judged yet */
    size_t ahead;         /* as many that have ended may wait for their turn (-k) */
    bool *slots;          /* taken, by number less 1 */
    bool wants_input;     /* the next input has to be waited for */
    bool stopping;        /* nothing more is started */
    bool killed, interrupted;
    bool lost_output;
    bool withdrew; /* a job was ended, or not started, in a stop */
    int code;      /* of a map that was stopped: by a failure of ours, by --halt; -1: it was not */
    double started, next_start;
    bool waits_to_start; /* map->next does, until next_start */

    struct halt_counts counts;
    struct median median;
    struct summary summary;
    struct progress_view view;

    struct pollfd *fds;
    struct map_job **readers; /* whose stream is polled at the same index */
    size_t fds_capacity;
};

/* ---- map_stop.c -------------------------------------------------------------------------------------------------- */

/* A line on standard error. */
void map_say(struct map *map, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Nothing more is started; what runs may finish. */
void map_stop_starting(struct map *map);

/* The same, for a failure of reclaim itself: with that exit code. */
void map_fail(struct map *map, int code);

/* The same, since a job's output cannot be written, which is said once; who has closed a pipe wants no more of it, and
 * what runs is ended. */
void map_stop_for_output(struct map *map, const struct map_job *job, int error);

/* What runs is ended. */
void map_kill_all(struct map *map);

/* The first Ctrl-C stops starting, as SIGHUP does; the second, or SIGTERM, ends what runs, and one more does so by
 * force. */
void map_handle_signals(struct map *map);

/* For outlets, while one waits for its reader. */
bool map_on_wake(void *user);

/* ---- map_jobs.c -------------------------------------------------------------------------------------------------- */

/* Starts what may start now. Whether some of it has ended already, so that there is more to do before anything is
 * waited for. */
bool map_start_ready(struct map *map);

/* Takes from the pool what it has settled. */
void map_collect(struct map *map);

/* What a job's end means for the others. */
void map_judge(struct map *map, struct map_job *job);

/* The same for those that have been in doubt long enough; all of them, once the map is told to stop. */
void map_judge_doubtful(struct map *map);

/* Writes out and forgets the jobs that have ended and whose turn it is: anybody's, or with --keep-order the first's. */
void map_give_turns(struct map *map);

/* Jobs of this session; 0: not known. */
uint64_t map_total_jobs(const struct map *map);

/* --timeout in seconds; 0: there is none, or not yet. */
double map_timeout_seconds(const struct map *map);

/* ---- map_open.c -------------------------------------------------------------------------------------------------- */

/* Everything that can fail before a job runs does so here, and nothing is overwritten yet. -1 after it has said why. */
int map_open_all(struct map *map);

/* Takes over signals and the terminal. -1 after it has said why. */
int map_begin(struct map *map);

/* Empties and begins what is written: when the first job is about to start, or when it turns out that there is none. -1
 * after it has said why. */
int map_begin_files(struct map *map);

#endif
