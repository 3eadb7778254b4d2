/* submit.h - the way of a new job into the queue. Each call gives 0 or a negative errno, with a message. */
#ifndef SUBMIT_H
#define SUBMIT_H

#include "job.h"

#include <reclaim/pool.h>

/* Whether this process may submit to the pool. -EINVAL, -EPERM. */
int submit_check_caller(const pool_t *pool);

/* The kind of job that a caller's options ask for. like says what kind it is otherwise, and its name where the options
 * give none; like is *changed*. *kind is the caller's reference. */
int submit_find_kind(pool_t *pool, const pool_job_options_t *given, struct kind *like, struct kind **kind);

/* Queues a job that was made, or discards it. *job, if job is not NULL: the caller's reference, or NULL. */
int submit_queue(pool_t *pool, pool_job_t *made, const pool_job_options_t *options, pool_job_t **job);

#endif
