/* map_job.h - one job of a map: its command, made of the template and its inputs, and its output. */
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
    uint32_t earlier;   /* runs in earlier sessions, as the joblog has it */
    struct text inputs; /* one after the other, a NUL after each */
    size_t input_count;
    enum unfit_reason unfit; /* one of its inputs is */
    struct text tag;         /* its inputs, as --tag shows them */
    struct text command;     /* as it is logged: the key of a resume */
    struct text words;
    const char **argv; /* into words */

    struct job_stream streams[2];
    pthread_mutex_t lock;    /* the streams while they are not live, and the next two */
    double running_since;    /* seconds (CLOCK_MONOTONIC); 0: it does not run */
    bool give_up;            /* no further run */
    bool owns_timeout;       /* its timeout was not known yet when it was submitted */
    bool timed_out, settled; /* by that; result is there */
    bool refused;            /* it cannot be executed: message says why */
    double doubtful_until;   /* map_now() at which it counts as failed: see map_jobs.c; 0: it is judged, or runs */

    pool_job_t *job;
    pool_result_t result;
    char message[160]; /* for a result that says something else than the pool's */
};

/* A job of these inputs, which are *copied*; the ones that inputs_next() has given last. *job is NULL on failure:
 * -ENOMEM.
 */
int map_job_new(struct map_job **job, const struct map_options *options, const char *const *values, uint64_t seq);

/* Opens its streams (outlets: of standard output and error, *borrowed*) and submits it. timeout_ms replaces that of the
 * options where it is above 0. 1: it is refused, and has ended with that: exit code 126, as if exec had failed.
 * Negative errno; what pool_message() says, where *by_pool. */
int map_job_submit(struct map_job *job, const struct map_options *options, pool_t *pool, struct outlet outlets[2],
                   int64_t timeout_ms, bool *by_pool);

/* What to poll for one of its streams; -1: nothing now. */
int map_job_fd(struct map_job *job, int stream);

/* Takes what it has written to one of its streams. False: it has written more than it may. */
bool map_job_read(struct map_job *job, int stream);

/* From now on its lines go out as they come. */
void map_job_go_live(struct map_job *job);

/* Asks for its end, and for no further run. */
void map_job_cancel(struct map_job *job);

/* As that, but one that runs now may go on. */
void map_job_let_finish(struct map_job *job);

/* Ends a job that was submitted without a timeout when it has run for so many seconds; it is not run
 * again. */
void map_job_check_time(struct map_job *job, double now, double seconds);

/* The pool has settled it: the rest of its output, and its result. timeout_seconds: as map_job_check_time had it. */
void map_job_end(struct map_job *job, const struct map_options *options, double timeout_seconds);

void map_job_free(struct map_job *job);

/* Seconds, CLOCK_MONOTONIC. */
double map_now(void);

/* ---- map_command.c ----------------------------------------------------------------------------------------------- */

/* Its command as it is logged, of these inputs of its own. No memory: command.failed. */
void map_job_describe(struct map_job *job, const struct map_options *options, const char *const *values);

/* Its argv, once the slot is known, and whether it is refused: since the kernel would not take it, or one of its
 * inputs. -ENOMEM. */
int map_job_place(struct map_job *job, const struct map_options *options, uint32_t slot);

#endif
