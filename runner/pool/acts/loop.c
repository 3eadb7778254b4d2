#include "loop.h"

#include "attempt.h"
#include "descriptor.h"
#include "dispatch.h"
#include "peer.h"
#include "process.h"
#include "reservation.h"
#include "settle.h"
#include "spawn.h"
#include "state.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#define KILL_BOUND_MS 3000 /* a fork server that does not end killed jobs by then is ended itself */

/* ---- cancels and signals ----------------------------------------------------------------------------------------- */

/* Sends the signals of pool_job_signal; a job that has ended meanwhile gets none. */
static void send_signals(pool_job_t *job)
{
    pthread_mutex_lock(&job->pool->lock);
    const uint64_t signals = job->record != NULL ? job->record->signals : 0;
    if (job->record != NULL)
        job->record->signals = 0;
    pthread_mutex_unlock(&job->pool->lock);
    for (int signal = 1; job->peer != NULL && signal <= 64; signal++)
        if ((signals >> (signal - 1) & 1) != 0)
            peer_signal(job->peer, signal);
}

static void cancel(pool_t *pool, pool_job_t *job)
{
    if (job->peer != NULL) {
        const int64_t grace = job->cancelled_by_close ? 0 : job_options(job)->kill_after_ms;
        if (!job->peer->settled_early || job->cancelled_by_close)
            peer_kill(job->peer, KILL_CANCELLED, grace);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    settle_withdraw(job);
    pthread_mutex_unlock(&pool->lock);
    settle_unstarted(job, POOL_CANCELLED, NULL);
}

static void step_asked(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (pool_job_t *job; (job = TAILQ_FIRST(&pool->asked)) != NULL;) {
        job_move(job, job->peer == NULL ? JOB_WAITING : JOB_UNLISTED);
        pthread_mutex_unlock(&pool->lock);
        send_signals(job);
        if (job->cancel_asked)
            cancel(pool, job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- time and memory --------------------------------------------------------------------------------------------- */

/* Jobs whose retry delay is over wait in the queue again; those whose deadline has passed are settled. */
static void step_due(pool_t *pool, int64_t now)
{
    pthread_mutex_lock(&pool->lock);
    for (pool_job_t *job; (job = backlog_due(&pool->backlog, now)) != NULL;) {
        settle_withdraw(job);
        if (job->deadline_at > now) {
            backlog_return(job);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        settle_unstarted(job, POOL_TIMED_OUT, NULL);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Ends jobs to make room below memory_floor. */
static void step_evict(pool_t *pool, int64_t now)
{
    struct admission_ticket *ticket;
    if (!room_is_watch_due(&pool->room, now))
        return;
    while ((ticket = admission_victim(&pool->room.admission, now)) != NULL) {
        const pool_job_t *job = job_of_ticket(ticket);
        if (!attempt_can_be_ended(job)) {
            admission_spare(&pool->room.admission, ticket);
            continue;
        }
        room_evict(&pool->room, ticket, job->kind->name, now);
        peer_kill(job->peer, KILL_EVICTED, 0);
        state_count(pool, &pool->stats.evictions);
    }
}

/* ---- what a close ends ------------------------------------------------------------------------------------------- */

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

/* Marks the jobs that a close, harder than the last one, cancels. */
static void step_close(pool_t *pool, int64_t now)
{
    pthread_mutex_lock(&pool->lock);
    reservation_sweep(pool);
    if (pool->phase == STATE_CLOSING && pool->close_how > pool->close_seen) {
        pool->close_seen = pool->close_how;
        mark_waiting(pool);
        if (pool->close_how == POOL_CLOSE_KILL) {
            mark_running(pool);
            pool->supervision.bound_at = moment_earlier(pool->supervision.bound_at, now + KILL_BOUND_MS);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- when nothing is left ---------------------------------------------------------------------------------------- */

/* Settles the jobs that cannot run any more since keeper and fork server are gone. When all is settled and reaped, the
 * keeper may go, and after it the loop. */
static void step_end(pool_t *pool)
{
    if (supervise_is_over(pool)) {
        if (pool->crew.peers != NULL)
            supervise_sweep(pool);
        attempt_lose_all(pool);
        /* only the owner of the loop writes the error */
        settle_lose_waiting(pool, pool->error.code != 0 ? pool->error.message : "the pool was ended");
    }
    pthread_mutex_lock(&pool->lock);
    const bool all_settled = pool->phase == STATE_CLOSING && pool->unsettled == 0 && pool->running == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!all_settled)
        return;
    if (!pool->supervision.end_asked && !pool->supervision.keeper_gone)
        supervise_end(pool);
    if (!supervise_is_over(pool))
        return;
    area_unmap(&pool->area);
    readable_set_close(&pool->readables);
    room_close(&pool->room);
    drive_finish(&pool->drive);
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

/* At the end of each step: publishes the figures that other threads read, and says when the next step is due. */
static void set_next(pool_t *pool, int64_t now)
{
    int64_t next = moment_earlier(dispatch_next_at(pool, now), pool->supervision.bound_at);
    next = moment_earlier(next, room_next(&pool->room));
    next = moment_earlier(next, crew_next_at(&pool->crew));
    pthread_mutex_lock(&pool->lock);
    pool->stats.warm = pool->supervision.end_asked ? 0 : pool->crew.idle_count;
    next = moment_earlier(next, backlog_next_at(&pool->backlog));
    pthread_mutex_unlock(&pool->lock);
    drive_set_next(&pool->drive, next);
}

void loop_step(void *user)
{
    pool_t *pool = user;
    const int64_t now = process_now_ms();
    step_close(pool, now);
    step_asked(pool);
    step_due(pool, now);
    dispatch_step(pool, now);
    step_evict(pool, now);
    spawn_step(pool, now);
    attempt_step(pool, now);
    supervise_step(pool, now);
    step_end(pool);
    set_next(pool, now);
}

/* ---- the pool thread --------------------------------------------------------------------------------------------- */

static void *loop_main(void *user)
{
    pool_t *pool = user;
    sched_yield(); /* as after the keeper's fork */
    room_open(&pool->room, &pool->options, &pool->drive, &pool->log);
    drive_main(&pool->drive);
    state_set_ended(pool);
    drive_close(&pool->drive);
    descriptor_close(&pool->devnull);
    return NULL;
}

/* All signals stay with the host's own threads. */
static int start_thread(pool_t *pool)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(&pool->thread, NULL, loop_main, pool);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pool->thread_started = rc == 0;
    return -rc;
}

void loop_await_end(pool_t *pool)
{
    if (pool->thread_joined) {
        while (pool->phase != STATE_ENDED)
            pthread_cond_wait(&pool->phase_changed, &pool->lock);
        return;
    }
    pool->thread_joined = true;
    pthread_mutex_unlock(&pool->lock);
    pthread_join(pool->thread, NULL);
    pthread_mutex_lock(&pool->lock);
}

int loop_start(pool_t *pool, int socket, pid_t keeper, int pidfd)
{
    pool->devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
    int rc = pool->devnull < 0 ? -errno : drive_open(&pool->drive);
    if (rc < 0) {
        descriptor_close(&pool->devnull);
        descriptor_close(&socket);
        descriptor_close(&pidfd);
        return rc;
    }
    rc = supervise_start(pool, socket, keeper, pidfd);
    if (rc == 0)
        rc = readable_set_open(&pool->readables, &pool->drive);
    if (rc == 0)
        rc = start_thread(pool);
    if (rc < 0) {
        readable_set_close(&pool->readables);
        link_close(&pool->keeper);
        drive_abandon(&pool->drive);
        descriptor_close(&pool->devnull);
    }
    return rc;
}
