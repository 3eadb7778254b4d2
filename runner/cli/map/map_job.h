/* map_job.h - one job of a map: its command, from the template and its inputs, and its output. */
#ifndef MAP_JOB_H
#define MAP_JOB_H

#include "job_stream.h"
#include "map_options.h"
#include "text.h"

#include <pthread.h>
#include <reclaim/pool.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct map_job {
    TAILQ_ENTRY(map_job) entry;
    uint64_t seq; /* 1 for the first input */
    uint32_t slot;
    uint32_t earlier;    /* runs in earlier sessions, from the joblog */
    struct text inputs;  /* one after the other, a NUL after each */
    const char **values; /* the same as a list, which NULL ends */
    size_t input_count;
    enum unfit_reason unfit; /* of its first unfit input */
    struct text tag;         /* its inputs, as --tag shows them */
    struct text command;     /* as it is logged: the key of a resume */
    struct text words;
    const char **argv; /* into words */

    struct job_stream streams[2];
    pthread_mutex_t lock;    /* guards the streams while they are not live, and the next two members */
    double running_since;    /* map_now; 0: it does not run */
    bool give_up;            /* no further run */
    bool owns_timeout;       /* submitted without a timeout: see map_job_check_time */
    bool timed_out, settled; /* by map_job_check_time; result is set */
    bool refused;            /* it cannot be executed: message says why */
    double doubtful_until;   /* map_now at which it counts as failed: see map_jobs.c; 0: it runs, or is judged */

    pool_job_t *job;
    pool_result_t result;
    char message[160]; /* of a result that is not the pool's */
};

/* A job of the inputs (*copied*) that inputs_next() gave last. *job is NULL on failure: -ENOMEM. */
int map_job_new(struct map_job **job, const struct map_options *options, const char *const *values, uint64_t seq);

/* Opens its streams (outlets: of standard output and error, *borrowed*) and submits it. timeout_ms replaces that of the
 * options where it is above 0. 1: it is refused, and has ended with that: exit code 126, as if exec had failed.
 * Negative errno; what pool_message() says, where *by_pool. */
int map_job_submit(struct map_job *job, const struct map_options *options, pool_t *pool, struct outlet outlets[2],
                   int64_t timeout_ms, bool *by_pool);

/* The descriptor to poll for one of its streams; -1: none now. */
int map_job_fd(struct map_job *job, int stream);

/* Takes the output that has arrived on one of its streams. False: it is over the limit. */
bool map_job_read(struct map_job *job, int stream);

/* Makes its streams live. */
void map_job_go_live(struct map_job *job);

/* Ends it, without a further run. */
void map_job_cancel(struct map_job *job);

/* Lets it finish its run if it runs, without a further run; else ends it. */
void map_job_let_finish(struct map_job *job);

/* Ends a job that was submitted without a timeout when it has run for so many seconds; it is not run again. */
void map_job_check_time(struct map_job *job, double now, double seconds);

/* For a job that the pool has settled: takes the rest of its output, and its result. timeout_seconds: as given to
 * map_job_check_time. */
void map_job_end(struct map_job *job, const struct map_options *options, double timeout_seconds);

void map_job_free(struct map_job *job);

/* Seconds, CLOCK_MONOTONIC. */
double map_now(void);

/* ---- map_command.c ----------------------------------------------------------------------------------------------- */

/* Fills in its command for the log. No memory: command.failed. */
void map_job_describe(struct map_job *job, const struct map_options *options);

/* Its argv, once the slot is known, and whether it is refused: the kernel would not take it, or an input. -ENOMEM. */
int map_job_place(struct map_job *job, const struct map_options *options, uint32_t slot);

#endif
