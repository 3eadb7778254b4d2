/* reservation.h - a ticket (admission.h) and a place among the running jobs, held for a job that is not submitted yet.
 *
 * The record is the one that the job will have. While a reservation holds something, its ticket belongs to the thread
 * that owns the loop. So the loop gives back what was freed, and, when the pool is closed, everything:
 * reservation_sweep. The caller of each function holds the lock. */
#ifndef RESERVATION_H
#define RESERVATION_H

#include "job.h"

#include <sys/queue.h>

struct pool_reservation {
    pool_t *pool; /* a reference */

    /* under the pool's lock */
    TAILQ_ENTRY(pool_reservation) link; /* in the pool's list, while it holds something */
    struct job_record *record;          /* NULL: the job has it */
    bool holds, is_freed;
};

/* Gives back the freed ones; when the pool takes no more work, all of them. The caller owns the loop. */
void reservation_sweep(pool_t *pool);

/* Whether a job of these full options may be submitted to this pool with it. -EINVAL, with a message. */
int reservation_check(const pool_reservation_t *reservation, const pool_t *pool, const pool_job_options_t *full);

/* Its record and its place are the job's from now on. */
void reservation_move(pool_reservation_t *reservation, pool_job_t *job);

#endif
