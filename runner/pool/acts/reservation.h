/* reservation.h - what jobs hold that are not in the pool yet: a ticket (admission.h) and a place among those that run.
 *
 * The record is the one that the job will have. While a reservation holds something its ticket belongs to who has the
 * turn, so what is freed, and what a pool that is closed takes back, is given back by the loop: reservation_sweep. */
#ifndef RESERVATION_H
#define RESERVATION_H

#include "job.h"

#include <sys/queue.h>

struct loop;

struct pool_reservation {
    pool_t *pool; /* a reference */

    /* under the pool's lock */
    TAILQ_ENTRY(pool_reservation) link; /* in the pool's list, while it holds something */
    struct job_record *record;          /* NULL: the job has it, or the pool is closed */
    bool holds, is_freed;
};

/* Gives back what was freed, and, when the pool takes no more work, all. The caller has the turn and the lock. */
void reservation_sweep(struct loop *loop);

/* Whether a job of these options (full ones) may be submitted to this pool with it. The caller holds the lock.
 * -EINVAL, with a message. */
int reservation_check(const pool_reservation_t *reservation, const pool_t *pool, const pool_job_options_t *options);

/* Its record, and the place in pool->running, are the job's from now on. The caller holds the lock. */
void reservation_move(pool_reservation_t *reservation, pool_job_t *job);

#endif
