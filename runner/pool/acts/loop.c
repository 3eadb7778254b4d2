#include "loop.h"

#include "attempt.h"
#include "closing.h"
#include "descriptor.h"
#include "dispatch.h"
#include "process.h"
#include "settle.h"
#include "spawn.h"
#include "state.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* ---- cancels and signals --------------------------------------------------------------------------------------- */

/* Sends the signals that were asked for; a job that has ended meanwhile gets none. */
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

/* ---- time and memory ------------------------------------------------------------------------------------------- */

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
        state_count(pool, &pool->stats.evictions, 1);
    }
}

/* ---- the step -------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The last thing of each step: what other threads may read, and when to look again. */
static void set_next(pool_t *pool, int64_t now)
{
    int64_t next = earlier(dispatch_next_at(pool, now), pool->supervision.bound_at);
    next = earlier(next, room_next(&pool->room));
    next = earlier(next, crew_next_at(&pool->crew));
    pthread_mutex_lock(&pool->lock);
    pool->stats.warm = pool->supervision.end_asked ? 0 : pool->crew.idle_count;
    next = earlier(next, backlog_next_at(&pool->backlog));
    pthread_mutex_unlock(&pool->lock);
    drive_set_next(&pool->drive, next);
}

void loop_step(void *user)
{
    pool_t *pool = user;
    const int64_t now = process_now_ms();
    closing_begin(pool, now);
    step_asked(pool);
    step_due(pool, now);
    dispatch_step(pool, now);
    step_evict(pool, now);
    spawn_step(pool, now);
    attempt_step(pool, now);
    supervise_step(pool, now);
    closing_end(pool);
    set_next(pool, now);
}

/* ---- the pool thread ------------------------------------------------------------------------------------------- */

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

/* In a loop that is open; the keeper's link takes its descriptors. */
static int start_in_loop(pool_t *pool, int socket, pid_t keeper, int pidfd)
{
    int rc = supervise_start(pool, socket, keeper, pidfd);
    if (rc == 0)
        rc = readable_set_open(&pool->readables, &pool->drive);
    if (rc == 0)
        rc = start_thread(pool);
    if (rc == 0)
        return 0;
    readable_set_close(&pool->readables);
    link_close(&pool->keeper);
    drive_abandon(&pool->drive);
    return rc;
}

int loop_start(pool_t *pool, int socket, pid_t keeper, int pidfd)
{
    pool->devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
    int rc = pool->devnull < 0 ? -errno : drive_open(&pool->drive);
    if (rc == 0) {
        rc = start_in_loop(pool, socket, keeper, pidfd);
    } else {
        descriptor_close(&socket);
        descriptor_close(&pidfd);
    }
    if (rc < 0)
        descriptor_close(&pool->devnull);
    return rc;
}
