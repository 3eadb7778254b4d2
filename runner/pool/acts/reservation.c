#include "reservation.h"

#include "failure.h"
#include "loop.h"
#include "options.h"
#include "pool_state.h"
#include "submit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What credentials the caller has is asked when the job comes. */
static int check_pool(const pool_t *pool)
{
    if (pool == NULL)
        return failure(-EINVAL, "pool is NULL");
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d: a forked child opens its own", (int)pool->owner);
    return 0;
}

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
    reservation->pool = pool_retain(pool);
    reservation->record = record;
    return reservation;
}

int pool_reservation_new(pool_t *pool, const pool_job_options_t *options, pool_reservation_t **reservation)
{
    pool_job_options_t full;
    if (reservation == NULL)
        return failure(-EINVAL, "reservation is NULL: it is where the new one goes");
    *reservation = NULL;
    int rc = check_pool(pool);
    if (rc < 0)
        return rc;
    if (options == NULL || options->name == NULL)
        return failure(-EINVAL, "options.name is NULL: give the job's, by which is known what it needs");
    const pool_job_options_t memory = {.memory_expected = options->memory_expected,
                                       .memory_limit = options->memory_limit};
    if ((rc = options_job(&memory, true, &full)) < 0 || (rc = submit_check_means(pool, &full)) < 0)
        return rc;
    *reservation = make(pool, options->name, &full);
    return *reservation != NULL ? 0 : failure(-ENOMEM, "no memory for a reservation");
}

static void destroy(pool_reservation_t *reservation)
{
    free(reservation->record);
    pool_release(reservation->pool);
    free(reservation);
}

/* The caller holds the lock. */
static void let_go(pool_reservation_t *reservation)
{
    reservation->holds = false;
    TAILQ_REMOVE(&reservation->pool->reservations, reservation, link);
}

/* The caller holds the lock. */
static void leave_place(pool_t *pool)
{
    pool->running--;
    pthread_cond_broadcast(&pool->room);
}

void reservation_sweep(struct loop *loop)
{
    pool_t *pool = loop->pool;
    pool_reservation_t *reservation, *next;
    for (reservation = TAILQ_FIRST(&pool->reservations); reservation != NULL; reservation = next) {
        next = TAILQ_NEXT(reservation, link);
        if (!reservation->is_freed && pool->phase == POOL_OPEN)
            continue;
        let_go(reservation);
        room_give_back(&loop->room, reservation->record);
        if (!reservation->is_freed)
            leave_place(pool);
        else
            destroy(reservation); /* not the pool's last reference: it is open, or being closed */
    }
}

void pool_reservation_free(pool_reservation_t *reservation)
{
    if (reservation == NULL || pool_is_foreign(reservation->pool))
        return;
    pool_t *pool = reservation->pool;
    pthread_mutex_lock(&pool->lock);
    const bool later = reservation->holds;
    if (later) {
        reservation->is_freed = true;
        leave_place(pool);
        loop_wake(pool->loop);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!later)
        destroy(reservation);
}

/* ---- reserving ------------------------------------------------------------------------------------------------- */

/* While nothing starts the log is told that a job waits: by the pool's thread, soon. */
static void note_asked(struct loop *loop, int64_t now)
{
    struct room *room = &loop->room;
    if (room->told || !admission_is_on(&room->admission) || !admission_is_held(&room->admission))
        return;
    room->is_asked = true;
    atomic_store(&loop->next_at, now);
}

static void hold(pool_t *pool, pool_reservation_t *reservation)
{
    reservation->holds = true;
    TAILQ_INSERT_TAIL(&pool->reservations, reservation, link);
    pool->running++;
}

/* The first that may start, behind the jobs in the queue; count: none. -ENOMEM. */
static int find(struct loop *loop, pool_reservation_t *const *reservations, size_t count, int64_t now, size_t *which)
{
    struct admission_scan scan;
    pool_job_t *queued;
    admission_scan(&loop->room.admission, now, &scan);
    scan.only_looks = true;
    int answer = loop_scan_queue(loop, &scan, &queued);
    scan.only_looks = false;
    *which = count;
    for (size_t i = 0; i < count && answer == ADMISSION_PASS; i++) {
        if (reservations[i] == NULL)
            continue;
        answer = (int)room_try_ticket(&loop->room, &scan, &reservations[i]->record->ticket);
        if (answer == ADMISSION_START)
            *which = i;
    }
    return answer < 0 ? answer : 0;
}

/* The caller has the turn and the lock. */
static int check_reservations(const pool_t *pool, pool_reservation_t *const *reservations, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        const pool_reservation_t *reservation = reservations[i];
        any = any || reservation != NULL;
        if (reservation != NULL && reservation->pool != pool)
            return failure(-EINVAL, "reservations[%zu] is another pool's", i);
        if (reservation != NULL && reservation->holds)
            return failure(-EINVAL, "reservations[%zu] holds what it needs already: submit its job, or free it", i);
    }
    return any ? 0 : failure(-EINVAL, "there is no reservation to look at");
}

/* The caller has the turn and the lock. */
static int reserve(struct loop *loop, pool_reservation_t *const *reservations, size_t count, size_t *which,
                   int64_t *again_ms)
{
    pool_t *pool = loop->pool;
    const int64_t now = process_now_ms();
    *again_ms = -1;
    reservation_sweep(loop);
    int rc = submit_check_phase(pool);
    if (rc < 0 || (rc = check_reservations(pool, reservations, count)) < 0)
        return rc;
    if (pool->running >= (size_t)pool->options.workers)
        return failure(-EAGAIN, "every worker has a job");
    room_look(loop, now);
    rc = find(loop, reservations, count, now, which);
    if (rc < 0)
        return failure(rc, "no memory to look at the queue");
    if (*which < count) {
        hold(pool, reservations[*which]);
        return 0;
    }
    note_asked(loop, now);
    *again_ms = admission_look_at(&loop->room.admission, now) - now;
    return failure(-EAGAIN, "there is not enough memory for it now");
}

int pool_reserve(pool_t *pool, pool_reservation_t *const *reservations, size_t count, size_t *which, int64_t *again_ms)
{
    size_t first;
    int64_t again;
    int rc = check_pool(pool);
    if (rc < 0)
        return rc;
    if (reservations == NULL)
        return failure(-EINVAL, "reservations is NULL");
    if (pool_in_callback())
        return failure(-EDEADLK, "a callback must not wait for the pool's thread, which runs it");
    drive_take(pool->loop);
    pthread_mutex_lock(&pool->lock);
    rc = reserve(pool->loop, reservations, count, which != NULL ? which : &first, again_ms != NULL ? again_ms : &again);
    pthread_mutex_unlock(&pool->lock);
    drive_give(pool->loop);
    return rc;
}

/* ---- with a job ------------------------------------------------------------------------------------------------ */

int reservation_check(const pool_reservation_t *reservation, const pool_t *pool, const pool_job_options_t *options)
{
    if (reservation->pool != pool)
        return failure(-EINVAL, "the reservation is another pool's");
    if (!reservation->holds)
        return failure(-EINVAL, "the reservation holds nothing: pool_reserve has to find that the job may start");
    const struct job_record *record = reservation->record;
    if (record->ticket.said != options->memory_expected)
        return failure(-EINVAL, "memory_expected is %lld and the reservation's %lld: make it of the job's options",
                       (long long)options->memory_expected, (long long)record->ticket.said);
    if (record->memory_limit != options->memory_limit)
        return failure(-EINVAL, "memory_limit is %lld and the reservation's %lld: make it of the job's options",
                       (long long)options->memory_limit, (long long)record->memory_limit);
    return 0;
}

void reservation_move(pool_reservation_t *reservation, pool_job_t *job)
{
    let_go(reservation);
    job->record = reservation->record;
    job->record->job = job;
    reservation->record = NULL;
    atomic_store(&job->state, POOL_STATE_STARTING);
}
