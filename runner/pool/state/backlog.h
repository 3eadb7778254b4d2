/* backlog.h - jobs without a worker: in the queue, waiting for a moment, or admitted.
 *
 * The pool's lock guards it, and the caller of each function holds it. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include "moment.h"
#include "queue.h"
#include "timetable.h"

#include <pthread.h>
#include <reclaim/pool.h>
#include <stdint.h>
#include <sys/queue.h>

TAILQ_HEAD(pool_jobs, pool_job);

struct backlog {
    struct queue queue;       /* jobs that may start now */
    struct queue admitted;    /* jobs that start now: what they need is reserved */
    struct timetable times;   /* of jobs in `waiting`: a deadline, or the end of a retry delay */
    struct pool_jobs waiting; /* all of them, but for those that are to be cancelled */
    size_t delayed_count;     /* jobs that are not in the queue, because of a retry delay */
    pthread_cond_t space;     /* a job has left, or a place was given up */
};

/* Adds new jobs of one kind, all or none. -ENOMEM, with a message. */
int backlog_add(struct backlog *backlog, pool_job_t **jobs, size_t count);

/* Takes a job out of wherever it waits. */
void backlog_take(pool_job_t *job);

/* A job that has lost its worker waits for another: in front of its priority; or not before a moment in ms. */
void backlog_return(pool_job_t *job);
void backlog_delay(pool_job_t *job, int64_t not_before);

/* Makes a job's record and reserves its place in the timetable, if it has none. -ENOMEM. */
int backlog_prepare(pool_job_t *job);

/* The job is settled: frees its place in the timetable. */
void backlog_forget(pool_job_t *job);

/* The next job; the job after it; the next admitted job. NULL: none. */
pool_job_t *backlog_first(const struct backlog *backlog);
pool_job_t *backlog_after(const pool_job_t *job);
pool_job_t *backlog_first_admitted(const struct backlog *backlog);

/* The first job whose delay is over or whose deadline has passed; NULL: none. */
pool_job_t *backlog_due(const struct backlog *backlog, int64_t now);

/* When a job is due next, in ms; MOMENT_NEVER: never. */
int64_t backlog_next_at(const struct backlog *backlog);

/* How many jobs could start now. */
size_t backlog_startable(const struct backlog *backlog);

#endif
