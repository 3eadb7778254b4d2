#include "reservation.h"

#include "dispatch.h"
#include "failure.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>

void reservation_destroy(pool_reservation_t *reservation)
{
    free(reservation->record);
    state_release(reservation->pool);
    free(reservation);
}

/* ---- holding --------------------------------------------------------------------------------------------------- */

static void hold(pool_t *pool, pool_reservation_t *reservation)
{
    reservation->holds = true;
    TAILQ_INSERT_TAIL(&pool->reservations, reservation, link);
    state_take_place(pool);
}

int reservation_take(pool_t *pool, pool_reservation_t *const *reservations, size_t count, int64_t now, size_t *which)
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
    if (*which < count)
        hold(pool, reservations[*which]);
    return answer < 0 ? answer : 0;
}

static void leave_list(pool_reservation_t *reservation)
{
    reservation->holds = false;
    TAILQ_REMOVE(&reservation->pool->reservations, reservation, link);
}

bool reservation_let_go(pool_reservation_t *reservation)
{
    if (!reservation->holds)
        return false;
    reservation->is_freed = true;
    state_leave_place(reservation->pool);
    return true;
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
            reservation_destroy(reservation); /* not the pool's last reference: it is open, or being closed */
    }
}

/* ---- with a job ------------------------------------------------------------------------------------------------ */

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
