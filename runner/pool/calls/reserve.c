/* reserve.c - pool_reservation_new, pool_reserve, pool_reservation_free: what a job needs, before it is in the pool. */
#include "callback.h"
#include "failure.h"
#include "options.h"
#include "process.h"
#include "reservation.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

/* ---- making and freeing ---------------------------------------------------------------------------------------- */

static pool_reservation_t *make(pool_t *pool, const char *name, const pool_job_options_t *full)
{
    pool_reservation_t *reservation = calloc(1, sizeof *reservation);
    struct job_record *record = job_record_new(name, full->memory_limit);
    if (reservation == NULL || record == NULL) {
        free(reservation);
        free(record);
        return NULL;
    }
    record->ticket.name = record->name;
    record->ticket.said = full->memory_expected;
    record->ticket.limit = full->memory_limit > 0 ? (uint64_t)full->memory_limit : 0;
    reservation->pool = state_retain(pool);
    reservation->record = record;
    return reservation;
}

int pool_reservation_new(pool_t *pool, const pool_job_options_t *options, pool_reservation_t **reservation)
{
    pool_job_options_t full;
    if (reservation == NULL)
        return failure(-EINVAL, "reservation is NULL: it is where the new one goes");
    *reservation = NULL;
    int rc = state_check_owner(pool); /* credentials are asked for when the job comes */
    if (rc < 0)
        return rc;
    if (options == NULL || options->name == NULL)
        return failure(-EINVAL, "options.name is NULL: give the job's name, by which its memory needs are learned");
    const pool_job_options_t memory = {.memory_expected = options->memory_expected,
                                       .memory_limit = options->memory_limit};
    if ((rc = options_job(&memory, true, &full)) < 0 || (rc = state_check_means(pool, &full)) < 0)
        return rc;
    *reservation = make(pool, options->name, &full);
    return *reservation != NULL ? 0 : failure(-ENOMEM, "no memory for a reservation");
}

void pool_reservation_free(pool_reservation_t *reservation)
{
    if (reservation == NULL || state_is_foreign(reservation->pool))
        return;
    pool_t *pool = reservation->pool;
    pthread_mutex_lock(&pool->lock);
    const bool held = reservation_let_go(reservation);
    if (held)
        drive_wake(&pool->drive);
    pthread_mutex_unlock(&pool->lock);
    if (!held)
        reservation_destroy(reservation);
}

/* ---- reserving ------------------------------------------------------------------------------------------------- */

/* The caller holds the lock. */
static int check_reservations(const pool_t *pool, pool_reservation_t *const *reservations, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        const pool_reservation_t *reservation = reservations[i];
        any = any || reservation != NULL;
        if (reservation != NULL && reservation->pool != pool)
            return failure(-EINVAL, "reservations[%zu] is another pool's", i);
        if (reservation != NULL && reservation->holds)
            return failure(-EINVAL, "reservations[%zu] already holds memory and a worker: submit its job, or free it",
                           i);
    }
    return any ? 0 : failure(-EINVAL, "there is no reservation to look at");
}

/* The caller owns the loop and holds the lock. */
static int reserve(pool_t *pool, pool_reservation_t *const *reservations, size_t count, size_t *which,
                   int64_t *again_ms)
{
    const int64_t now = process_now_ms();
    *again_ms = -1;
    reservation_sweep(pool);
    int rc = state_check_phase(pool);
    if (rc < 0 || (rc = check_reservations(pool, reservations, count)) < 0)
        return rc;
    if (pool->running >= (size_t)pool->options.workers)
        return failure(-EAGAIN, "every worker has a job");
    room_look(&pool->room, now);
    rc = reservation_take(pool, reservations, count, now, which);
    if (rc < 0)
        return failure(rc, "no memory to look at the queue");
    if (*which < count)
        return 0;
    if (room_ask(&pool->room))
        drive_set_next(&pool->drive, now); /* the pool thread tells the log that a job waits */
    *again_ms = admission_look_at(&pool->room.admission, now) - now;
    return failure(-EAGAIN, "none of these jobs may start now: not enough memory");
}

int pool_reserve(pool_t *pool, pool_reservation_t *const *reservations, size_t count, size_t *which, int64_t *again_ms)
{
    size_t first;
    int64_t again;
    int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (reservations == NULL)
        return failure(-EINVAL, "reservations is NULL");
    if (callback_is_running())
        return failure(-EDEADLK, "a callback must not wait for the pool's thread, which runs it");
    drive_take(&pool->drive);
    pthread_mutex_lock(&pool->lock);
    rc = reserve(pool, reservations, count, which != NULL ? which : &first, again_ms != NULL ? again_ms : &again);
    pthread_mutex_unlock(&pool->lock);
    drive_give(&pool->drive);
    return rc;
}
