#include "reservation.h"

#include "dispatch.h"
#include "failure.h"
#include "process.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

/* Frees one that holds nothing, and is in no list. */
static void destroy(pool_reservation_t *reservation)
{
    free(reservation->record);
    state_release(reservation->pool);
    free(reservation);
}

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

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
    if ((rc = state_check_options(pool, options, options->huge_pages, &full)) < 0)
        return rc;
    *reservation = make(pool, options->name, &full);
    return *reservation != NULL ? 0 : failure(-ENOMEM, "no memory for a reservation");
}

/* ---- giving back ------------------------------------------------------------------------------------------------- */

static void leave_list(pool_reservation_t *reservation)
{
    reservation->holds = false;
    TAILQ_REMOVE(&reservation->pool->reservations, reservation, link);
}

void reservation_sweep(pool_t *pool)
{
    pool_reservation_t *reservation, *next;
    for (reservation = TAILQ_FIRST(&pool->reservations); reservation != NULL; reservation = next) {
        next = TAILQ_NEXT(reservation, link);
        if (!reservation->is_freed && pool->phase == STATE_OPEN)
            continue;
        leave_list(reservation);
        room_give_back(&pool->room, &reservation->record->ticket);
        if (!reservation->is_freed)
            state_leave_place(pool);
        else
            destroy(reservation); /* not the pool's last reference: it is open, or being closed */
    }
}

void pool_reservation_free(pool_reservation_t *reservation)
{
    if (reservation == NULL || state_is_foreign(reservation->pool))
        return;
    pool_t *pool = reservation->pool;
    pthread_mutex_lock(&pool->lock);
    const bool held = reservation->holds;
    if (held) { /* its place is free at once, the rest with the next sweep, which destroys it */
        reservation->is_freed = true;
        state_leave_place(pool);
        drive_wake(&pool->drive);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!held)
        destroy(reservation);
}

/* ---- reserving --------------------------------------------------------------------------------------------------- */

/* Takes what the first of these needs that may start, behind the jobs in the queue. *which is its index, or count: none
 * may. The caller owns the loop and holds the lock. -ENOMEM. */
static int take(pool_t *pool, pool_reservation_t *const *reservations, size_t count, int64_t now, size_t *which)
{
    struct admission_scan scan;
    pool_job_t *queued;
    admission_scan(&pool->room.admission, now, &scan);
    scan.only_looks = true;
    int answer = dispatch_scan(pool, &scan, &queued);
    scan.only_looks = false;
    *which = count;
    for (size_t i = 0; i < count && answer == ADMISSION_PASS; i++) {
        if (reservations[i] == NULL)
            continue;
        answer = (int)room_try(&pool->room, &scan, &reservations[i]->record->ticket);
        if (answer == ADMISSION_START)
            *which = i;
    }
    if (*which < count) {
        reservations[*which]->holds = true;
        TAILQ_INSERT_TAIL(&pool->reservations, reservations[*which], link);
        pool->running++;
    }
    return answer < 0 ? answer : 0;
}

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
    rc = take(pool, reservations, count, now, which);
    if (rc < 0)
        return failure(rc, "no memory to look at the queue");
    if (*which < count)
        return 0;
    if (room_ask(&pool->room))
        drive_set_next(&pool->drive, now); /* the pool thread writes to the log that a job waits */
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
    if (drive_is_in_callback())
        return failure(-EDEADLK, "a callback must not wait for the pool's thread, which runs it");
    drive_take(&pool->drive);
    pthread_mutex_lock(&pool->lock);
    rc = reserve(pool, reservations, count, which != NULL ? which : &first, again_ms != NULL ? again_ms : &again);
    pthread_mutex_unlock(&pool->lock);
    drive_give(&pool->drive);
    return rc;
}

/* ---- with a job -------------------------------------------------------------------------------------------------- */

int reservation_check(const pool_reservation_t *reservation, const pool_t *pool, const pool_job_options_t *full)
{
    if (reservation->pool != pool)
        return failure(-EINVAL, "the reservation is another pool's");
    if (!reservation->holds)
        return failure(-EINVAL, "the reservation holds nothing yet: call pool_reserve until it chooses this one");
    const struct job_record *record = reservation->record;
    if (record->ticket.said != full->memory_expected)
        return failure(-EINVAL, "memory_expected is %lld, the reservation's is %lld: make it with the job's options",
                       (long long)full->memory_expected, (long long)record->ticket.said);
    if (record->memory_limit != full->memory_limit)
        return failure(-EINVAL, "memory_limit is %lld, the reservation's is %lld: make it with the job's options",
                       (long long)full->memory_limit, (long long)record->memory_limit);
    return 0;
}

void reservation_move(pool_reservation_t *reservation, pool_job_t *job)
{
    leave_list(reservation);
    job->record = reservation->record;
    job->record->job = job;
    reservation->record = NULL;
    atomic_store(&job->state, POOL_STATE_STARTING);
}
