#include "loop.h"

#include "descriptor.h"
#include "process.h"
#include "reservation.h"
#include "settle.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KILL_BOUND_MS 3000 /* a fork server that does not end killed jobs by then is ended itself */
#define RETRY_MS      10

void loop_log(const struct loop *loop, const char *format, ...)
{
    char line[512];
    va_list args;
    if (loop->pool->options.log == NULL)
        return;
    va_start(args, format);
    const int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length >= 0)
        loop->pool->options.log(line, loop->pool->options.log_user);
}

/* The last thing that its thread does under the lock is to say that it has ended; only then the handle is closed for
 * good. */
void loop_wake(struct loop *loop)
{
    if (loop->pool->phase != POOL_ENDED)
        uv_async_send(&loop->wake);
}

void loop_tell(struct loop *loop)
{
    if (!pool_in_callback() && drive_begin(loop)) {
        loop_step(loop);
        drive_end(loop);
        return;
    }
    pthread_mutex_lock(&loop->pool->lock);
    loop_wake(loop);
    pthread_mutex_unlock(&loop->pool->lock);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- jobs that wait -------------------------------------------------------------------------------------------- */

/* Takes a job that has no worker out of wherever it waits. The caller holds the lock. */
static void unqueue(pool_t *pool, pool_job_t *job)
{
    if (job->queued.level != NULL)
        queue_remove(job->is_admitted ? &pool->admitted : &pool->queue, &job->queued);
    timetable_remove(&pool->times, &job->timed);
    pool->delayed_count -= job->is_delayed;
    job->is_delayed = false;
    if (job->list == JOB_WAITING)
        job_move(job, JOB_UNLISTED);
    pthread_cond_broadcast(&pool->room);
}

/* The same for one that is not going to run; what was reserved for it is given back. */
static void take_out(struct loop *loop, pool_job_t *job)
{
    unqueue(loop->pool, job);
    if (!job->is_admitted)
        return;
    job->is_admitted = false;
    loop->pool->running--;
    room_give_back(&loop->room, job->record);
}

/* A job that has just lost its worker waits for another. The caller holds the lock. */
static void wait_again(pool_job_t *job)
{
    atomic_store(&job->state, POOL_STATE_QUEUED);
    if (job->list == JOB_UNLISTED)
        job_move(job, JOB_WAITING);
}

/* Until not_before it is not in the queue. The caller holds the lock. */
static void delay(pool_t *pool, pool_job_t *job, int64_t not_before)
{
    wait_again(job);
    job->is_delayed = true;
    pool->delayed_count++;
    timetable_add(&pool->times, &job->timed, earlier(job->deadline_at, not_before));
}

/* In front of its priority. The caller holds the lock. */
static void requeue(pool_t *pool, pool_job_t *job)
{
    if (queue_add(&pool->queue, &job->queued, job_options(job)->priority, true) < 0) {
        delay(pool, job, process_now_ms() + RETRY_MS); /* no memory for its place now: in a moment, then */
        return;
    }
    wait_again(job);
    if (job->deadline_at != LOOP_NEVER)
        timetable_add(&pool->times, &job->timed, job->deadline_at);
}

void loop_requeue(struct loop *loop, pool_job_t *job)
{
    room_give_back(&loop->room, job->record);
    pthread_mutex_lock(&loop->pool->lock);
    requeue(loop->pool, job);
    pthread_mutex_unlock(&loop->pool->lock);
}

void loop_retry(struct loop *loop, pool_job_t *job, int64_t delay_ms)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    pool->stats.retried++;
    if (delay_ms == 0)
        requeue(pool, job);
    else
        delay(pool, job, process_now_ms() + delay_ms);
    pthread_mutex_unlock(&pool->lock);
}

/* The first job whose delay is over or whose deadline has passed; the caller holds the lock. */
static pool_job_t *find_due(const pool_t *pool, int64_t now)
{
    struct timetable_entry *first = timetable_first(&pool->times);
    if (first == NULL || first->at > now)
        return NULL;
    return (pool_job_t *)(void *)((char *)first - offsetof(pool_job_t, timed));
}

static void step_timed(struct loop *loop, int64_t now)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    for (pool_job_t *job; (job = find_due(pool, now)) != NULL;) {
        take_out(loop, job);
        if (job->deadline_at > now) {
            requeue(pool, job);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        settle_unstarted(job, POOL_TIMED_OUT, NULL);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- cancels and closing --------------------------------------------------------------------------------------- */

/* Signals that were asked for; a job that has ended meanwhile gets none. */
static void send_signals(struct loop *loop, pool_job_t *job)
{
    pthread_mutex_lock(&loop->pool->lock);
    const uint64_t signals = job->record != NULL ? job->record->signals : 0;
    if (job->record != NULL)
        job->record->signals = 0;
    pthread_mutex_unlock(&loop->pool->lock);
    for (int signal = 1; job->peer != NULL && signal <= 64; signal++)
        if ((signals >> (signal - 1) & 1) != 0)
            peer_signal(job->peer, signal);
}

static void cancel_one(struct loop *loop, pool_job_t *job)
{
    send_signals(loop, job);
    if (!job->cancel_asked)
        return;
    if (job->peer != NULL) {
        const int64_t grace = job->cancelled_by_close ? 0 : job_options(job)->kill_after_ms;
        if (!job->peer->settled_early || job->cancelled_by_close)
            peer_kill(job->peer, VERDICT_CANCELLED, grace);
        return;
    }
    pthread_mutex_lock(&loop->pool->lock);
    take_out(loop, job);
    pthread_mutex_unlock(&loop->pool->lock);
    settle_unstarted(job, POOL_CANCELLED, NULL);
}

static void step_cancels(struct loop *loop)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    for (pool_job_t *job; (job = TAILQ_FIRST(&pool->asked)) != NULL;) {
        job_move(job, job->peer == NULL ? JOB_WAITING : JOB_UNLISTED);
        pthread_mutex_unlock(&pool->lock);
        cancel_one(loop, job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

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
    while ((job = TAILQ_FIRST(&pool->waiting)) != NULL)
        mark_cancelled(job);
}

static void mark_running(struct loop *loop)
{
    struct peer *peer, *next;
    HASH_ITER(hh, loop->peers, peer, next) {
        if (peer->job != NULL && !peer->settled_early)
            mark_cancelled(peer->job);
    }
}

/* Marks what a close that is harder than the last one ends. */
static void step_close(struct loop *loop, int64_t now)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    reservation_sweep(loop);
    if (pool->phase == POOL_CLOSING && pool->close_how > loop->close_seen) {
        loop->close_seen = pool->close_how;
        mark_waiting(pool);
        if (pool->close_how == POOL_CLOSE_KILL) {
            mark_running(loop);
            loop->bound_at = earlier(loop->bound_at, now + KILL_BOUND_MS);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Every job that waits now is LOST. What callbacks submit meanwhile is not among them. */
static void lose_waiting(struct loop *loop, const char *why)
{
    pool_t *pool = loop->pool;
    pool_job_t *job;
    pthread_mutex_lock(&pool->lock);
    size_t left = pool->queue.count + pool->admitted.count + pool->delayed_count;
    for (; left > 0 && (job = TAILQ_FIRST(&pool->waiting)) != NULL; left--) {
        take_out(loop, job);
        pthread_mutex_unlock(&pool->lock);
        settle_unstarted(job, POOL_LOST, why);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Forces an end that does not come by itself. */
static void step_bound(struct loop *loop, int64_t now)
{
    if (now < loop->bound_at)
        return;
    if (!loop->ending && !loop->keeper_gone) {
        supervise_end(loop);
        return;
    }
    supervise_force(loop);
    loop->bound_at = loop->keeper_gone ? LOOP_NEVER : now + KILL_BOUND_MS;
}

/* When all is settled and reaped the keeper may go, and after it the loop. */
static void step_end(struct loop *loop)
{
    pool_t *pool = loop->pool;
    struct peer *peer, *next;
    char message[256];
    if (loop->keeper_gone && loop->control < 0) {
        if (loop->peers != NULL && !loop->nothing_left)
            supervise_sweep(loop);
        HASH_ITER(hh, loop->peers, peer, next) {
            peer_lost(peer);
        }
        pthread_mutex_lock(&pool->lock);
        snprintf(message, sizeof message, "%s", pool->error.message);
        pthread_mutex_unlock(&pool->lock);
        lose_waiting(loop, message[0] != '\0' ? message : "the pool was ended");
    }
    pthread_mutex_lock(&pool->lock);
    const bool over = pool->phase == POOL_CLOSING && pool->unsettled_count == 0 && pool->running == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!over)
        return;
    if (!loop->ending && !loop->keeper_gone)
        supervise_end(loop);
    if (loop->keeper_gone && loop->control < 0 && !uv_is_closing((uv_handle_t *)&loop->wake)) {
        uv_close((uv_handle_t *)&loop->wake, NULL);
        uv_close((uv_handle_t *)&loop->drive.limit, NULL);
        readable_set_close(&loop->readables);
        room_close(loop);
        loop->has_news = true;
    }
}

/* ---- handing out work ------------------------------------------------------------------------------------------ */

static pool_job_t *job_of(struct queue_entry *entry)
{
    return (pool_job_t *)(void *)((char *)entry - offsetof(pool_job_t, queued));
}

int loop_scan_queue(struct loop *loop, struct admission_scan *scan, pool_job_t **found)
{
    struct queue_entry *entry = queue_first(&loop->pool->queue);
    enum admission_answer answer = ADMISSION_PASS;
    *found = NULL;
    for (; entry != NULL && answer == ADMISSION_PASS; entry = queue_next(entry)) {
        pool_job_t *job = job_of(entry);
        if (job_prepare(job) < 0)
            return -ENOMEM;
        answer = room_try(&loop->room, scan, job);
        if (answer == ADMISSION_START)
            *found = job;
        else
            loop->room.look_at = admission_look_at(&loop->room.admission, scan->now);
    }
    return (int)answer;
}

/* The first that may start, by what it is expected to need; NULL: none. The caller holds the lock. Negative errno: one
 * could not be looked at. */
static int find_startable(struct loop *loop, int64_t now, pool_job_t **found)
{
    struct admission_scan scan;
    admission_scan(&loop->room.admission, now, &scan);
    const int answer = loop_scan_queue(loop, &scan, found);
    loop->pool->running += answer == ADMISSION_START;
    return answer < 0 ? answer : 0;
}

/* Takes the next job that can start now out of where it waits: as find_startable. */
static int take_next(struct loop *loop, int64_t now, pool_job_t **job)
{
    pool_t *pool = loop->pool;
    struct queue_entry *admitted;
    int rc = 0;
    *job = NULL;
    pthread_mutex_lock(&pool->lock);
    if ((admitted = queue_first(&pool->admitted)) != NULL) {
        *job = job_of(admitted);
        room_begin(&loop->room, *job, now);
    } else if (pool->running < (size_t)pool->options.workers) {
        rc = find_startable(loop, now, job);
    }
    if (*job != NULL) {
        unqueue(pool, *job);
        (*job)->is_admitted = false;
        atomic_store(&(*job)->state, POOL_STATE_STARTING);
    }
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

/* Hands the next job to an idle worker, if there is one that can start: 1. Else 0, or a negative errno: it waits still.
 */
static int hand_next(struct loop *loop, int64_t now)
{
    pool_job_t *job;
    int rc = take_next(loop, now, &job);
    if (rc < 0 || job == NULL)
        return rc;
    rc = peer_hand(TAILQ_FIRST(&loop->idle), job);
    if (rc == 0)
        return 1;
    pthread_mutex_lock(&loop->pool->lock);
    loop->pool->running--;
    pthread_mutex_unlock(&loop->pool->lock);
    loop_requeue(loop, job);
    return rc;
}

static void step_dispatch(struct loop *loop, int64_t now)
{
    if (now >= loop->retry_at)
        loop->retry_at = LOOP_NEVER;
    loop->room.look_at = LOOP_NEVER;
    if (!TAILQ_EMPTY(&loop->idle))
        room_look(loop, now);
    while (loop->server_ready && loop->retry_at == LOOP_NEVER && !TAILQ_EMPTY(&loop->idle)) {
        const int rc = hand_next(loop, now);
        if (rc == 0)
            return;
        if (rc < 0 && rc != -EPIPE) {
            loop_birth_failed(loop, strerror(-rc));
            loop->retry_at = later(now + RETRY_MS, loop->failures.not_before); /* backs off as births do */
        }
    }
}

struct births_view loop_births(struct loop *loop)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    const struct births_view view = {
        .queued = pool->queue.count + pool->admitted.count,
        .running = pool->running - pool->admitted.count,
        .idle = loop->idle_count,
        .asked = loop->asked_count,
        .processes = HASH_COUNT(loop->peers) + loop->asked_count,
        .workers = (size_t)pool->options.workers,
        .warm = pool->phase == POOL_OPEN ? (size_t)pool->options.warm : 0,
    };
    pthread_mutex_unlock(&pool->lock);
    return view;
}

static void step_births(struct loop *loop, int64_t now)
{
    if (!loop->server_ready || loop->ending || now < loop->failures.not_before)
        return;
    const struct births_view view = loop_births(loop);
    const size_t wanted = births_wanted(&view);
    if (wanted > 0)
        supervise_fork(loop, wanted);
}

void loop_birth_failed(struct loop *loop, const char *why)
{
    char message[256];
    if (loop->failures.count == 0) /* one line a series */
        loop_log(loop, "a worker could not be started: %s", why);
    if (!births_failed(&loop->failures, process_now_ms()))
        return;
    births_succeeded(&loop->failures); /* who comes later gets tries of their own */
    snprintf(message, sizeof message, "no worker could be started, %d times in a row: %s", BIRTHS_FAILURES_MAX, why);
    lose_waiting(loop, message);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* The last thing of each step: what others may read, and when to look again. */
static void set_next(struct loop *loop, int64_t now)
{
    pool_t *pool = loop->pool;
    int64_t next = earlier(earlier(loop->retry_at, loop->bound_at), room_next(loop));
    pthread_mutex_lock(&pool->lock);
    pool->stats.warm = loop->ending ? 0 : loop->idle_count;
    const struct timetable_entry *first = timetable_first(&pool->times);
    if (first != NULL)
        next = earlier(next, first->at);
    pthread_mutex_unlock(&pool->lock);
    if (!TAILQ_EMPTY(&loop->young))
        next = earlier(next, TAILQ_FIRST(&loop->young)->grown_at);
    if (loop->failures.not_before > now)
        next = earlier(next, loop->failures.not_before);
    atomic_store(&loop->next_at, next);
}

void loop_step(struct loop *loop)
{
    const int64_t now = process_now_ms();
    step_close(loop, now);
    step_cancels(loop);
    step_timed(loop, now);
    step_dispatch(loop, now);
    room_watch(loop, now);
    step_births(loop, now);
    peer_grow_up(loop, now);
    step_bound(loop, now);
    step_end(loop);
    set_next(loop, now);
}

static void on_wake(uv_async_t *wake)
{
    loop_step(wake->data);
}

static void on_batch(void *data)
{
    loop_step(data);
}

static void *loop_main(void *argument)
{
    struct loop *loop = argument;
    pool_t *pool = loop->pool;
    sched_yield(); /* as after the keeper's fork */
    room_open(loop);
    drive_main(loop);
    pthread_mutex_lock(&pool->lock);
    pool->phase = POOL_ENDED;
    pthread_cond_broadcast(&pool->phase_changed);
    pthread_cond_broadcast(&pool->collect_changed);
    pthread_mutex_unlock(&pool->lock);
    drive_close(loop);
    close(loop->devnull);
    return NULL;
}

/* All signals stay with the host's own threads. */
static int start_thread(pool_t *pool)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(&pool->thread, NULL, loop_main, pool->loop);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        pool->thread_started = true;
    return -rc;
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

static int open_handles(struct loop *loop)
{
    int rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    loop->wake.data = loop;
    if (rc == 0)
        rc = drive_open(loop);
    if (rc == 0)
        rc = readable_set_open(&loop->readables, &loop->uv, on_batch, loop);
    if (rc == 0)
        rc = supervise_start(loop);
    return rc;
}

static void close_handles(struct loop *loop)
{
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    descriptor_close(&loop->readables.epoll);
    drive_close(loop);
}

int loop_start(pool_t *pool)
{
    struct loop *loop = pool->loop;
    loop->devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (loop->devnull < 0)
        return -errno;
    int rc = uv_loop_init(&loop->uv);
    if (rc == 0) {
        rc = open_handles(loop);
        if (rc == 0)
            rc = start_thread(pool);
        if (rc == 0)
            return 0;
        close_handles(loop);
    }
    close(loop->devnull);
    return rc;
}
