#include "closing.h"

#include "attempt.h"
#include "peer.h"
#include "reservation.h"
#include "settle.h"
#include "state.h"
#include "supervise.h"

#include <stdio.h>

#define KILL_BOUND_MS 3000 /* a fork server that does not end killed jobs by then is ended itself */

/* ---- what a close ends ----------------------------------------------------------------------------------------- */

static void mark_cancelled(pool_job_t *job)
{
    job->cancelled_by_close = true;
    job->cancel_asked = true;
    if (job->list != JOB_ASKED)
        job_move(job, JOB_ASKED);
}

/* The caller holds the lock. */
static void mark_waiting(pool_t *pool)
{
    pool_job_t *job;
    TAILQ_FOREACH(job, &pool->asked, link) {
        if (job->peer == NULL)
            mark_cancelled(job);
    }
    while ((job = TAILQ_FIRST(&pool->backlog.waiting)) != NULL)
        mark_cancelled(job);
}

static void mark_running(const pool_t *pool)
{
    struct peer *peer, *next;
    HASH_ITER(hh, pool->crew.peers, peer, next) {
        if (peer->job != NULL && !peer->settled_early)
            mark_cancelled(peer->job);
    }
}

void closing_begin(pool_t *pool, int64_t now)
{
    pthread_mutex_lock(&pool->lock);
    reservation_sweep(pool);
    if (pool->phase == STATE_CLOSING && pool->close_how > pool->close_seen) {
        pool->close_seen = pool->close_how;
        mark_waiting(pool);
        if (pool->close_how == POOL_CLOSE_KILL) {
            mark_running(pool);
            supervise_bound(pool, now, KILL_BOUND_MS);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- when nothing is left -------------------------------------------------------------------------------------- */

/* Keeper and fork server are gone: no job runs, and none can start. */
static void lose_all(pool_t *pool)
{
    struct peer *peer, *next;
    char message[sizeof pool->error.message];
    if (crew_count(&pool->crew) > 0)
        supervise_sweep(pool);
    HASH_ITER(hh, pool->crew.peers, peer, next) {
        attempt_end(peer, NULL);
    }
    pthread_mutex_lock(&pool->lock);
    snprintf(message, sizeof message, "%s", pool->error.message);
    pthread_mutex_unlock(&pool->lock);
    settle_lose_waiting(pool, message[0] != '\0' ? message : "the pool was ended");
}

void closing_end(pool_t *pool)
{
    if (supervise_is_over(pool))
        lose_all(pool);
    pthread_mutex_lock(&pool->lock);
    const bool all_settled = pool->phase == STATE_CLOSING && pool->unsettled == 0 && pool->running == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!all_settled)
        return;
    if (!pool->supervision.end_asked && !pool->supervision.keeper_gone)
        supervise_end(pool);
    if (!supervise_is_over(pool))
        return;
    readable_set_close(&pool->readables);
    room_close(&pool->room);
    drive_finish(&pool->drive);
}
