#include "futures.h"

#include "descriptor.h"
#include "failure.h"
#include "job.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCHES_ON_STACK 16
#define INTERRUPTED      "a signal ended the wait: look what it asks for, and wait again"
#define NO_DESCRIPTOR    "a wait that signals can end needs a descriptor, and none can be made: %s"

/* ---- settled ----------------------------------------------------------------------------------------------------- */

static void collect(struct futures *futures, pool_job_t *job)
{
    const uint64_t one = 1;
    if (TAILQ_EMPTY(&futures->collected)) {
        const ssize_t wrote = write(futures->fd, &one, sizeof one);
        (void)wrote; /* an eventfd at 0 takes a 1 */
    }
    job_move(job, JOB_COLLECTED);
    futures->outstanding--;
    waiters_wake(&futures->changed);
}

void futures_settle(pool_job_t *job)
{
    waiters_wake(&job->waiters);
    if (job_options(job)->collect)
        collect(&job->pool->futures, job);
}

void futures_close(struct futures *futures)
{
    for (pool_job_t *job; (job = TAILQ_FIRST(&futures->collected)) != NULL;) {
        job_move(job, JOB_UNLISTED);
        pool_job_release(job);
    }
    descriptor_close(&futures->fd);
}

/* ---- waiting for some jobs --------------------------------------------------------------------------------------- */

/* The lowest index of a settled job, or count. */
static size_t first_settled(pool_job_t *const *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (jobs[i] != NULL && pool_job_state(jobs[i]) == POOL_STATE_SETTLED)
            return i;
    return count;
}

/* Waits by running the pool's loop: 0 (also when it is late), -EINTR, or -EAGAIN: another thread owns the loop, or has
 * claimed it meanwhile. */
static int wait_driving(pool_t *pool, pool_job_t *const *jobs, size_t count, const struct moment_wait *wait)
{
    enum drive_answer answer = DRIVE_AGAIN;
    int cancel_state;
    if (pool == NULL || count > WATCHES_ON_STACK || !drive_enter(&pool->drive, wait, &cancel_state))
        return -EAGAIN;
    while (answer == DRIVE_AGAIN && first_settled(jobs, count) == count)
        answer = drive_wait(&pool->drive, wait);
    drive_leave(&pool->drive, cancel_state);
    return answer == DRIVE_CLAIMED ? -EAGAIN : answer == DRIVE_INTERRUPTED ? -EINTR : 0;
}

/* False: the job is settled already, and is not watched. */
static bool watch_job(struct watch *watch, struct waiter *waiter, pool_job_t *job)
{
    pthread_mutex_lock(&job->pool->lock);
    const bool pending = pool_job_state(job) != POOL_STATE_SETTLED;
    if (pending)
        waiters_add(&job->waiters, watch, waiter);
    pthread_mutex_unlock(&job->pool->lock);
    return pending;
}

static void unwatch(struct watch *watch, pool_job_t *job)
{
    pthread_mutex_lock(&job->pool->lock);
    waiters_remove(watch);
    pthread_mutex_unlock(&job->pool->lock);
}

/* watches: one for each job. 0, -ETIMEDOUT, -EINTR, or that the waiter cannot be made. */
static int wait_watched(struct watch *watches, pool_job_t *const *jobs, size_t count, const struct moment_wait *wait)
{
    struct waiter waiter;
    size_t watched = 0;
    bool pending = true;
    int rc = waiter_init(&waiter, wait);
    if (rc < 0)
        return failure(rc, NO_DESCRIPTOR, strerror(-rc));
    for (; watched < count && pending; watched++) {
        watches[watched].waiter = NULL;
        if (jobs[watched] != NULL)
            pending = watch_job(&watches[watched], &waiter, jobs[watched]);
    }
    if (pending)
        rc = waiter_sleep(&waiter, wait);
    for (size_t i = 0; i < watched; i++)
        if (jobs[i] != NULL)
            unwatch(&watches[i], jobs[i]);
    waiter_deinit(&waiter);
    return rc;
}

/* Waits until one of them is settled: 0; -ETIMEDOUT, -EINTR, or why it cannot wait. only: the one pool of all of them,
 * or NULL. */
static int wait_for(pool_t *only, pool_job_t *const *jobs, size_t count, const struct moment_wait *wait)
{
    struct watch on_stack[WATCHES_ON_STACK], *watches = on_stack;
    int rc = wait_driving(only, jobs, count, wait);
    if (rc != -EAGAIN)
        return rc;
    if (count > WATCHES_ON_STACK)
        watches = calloc(count, sizeof *watches);
    if (watches == NULL)
        return failure(-ENOMEM, "no memory to wait for %zu jobs", count);
    rc = wait_watched(watches, jobs, count, wait);
    if (watches != on_stack)
        free(watches);
    return rc;
}

/* Whether there is a job (-EINVAL), and this process opened the pools of all of them: -EPERM. *only is the one pool of
 * all jobs, or NULL: there are several. */
static int check_owners(pool_job_t *const *jobs, size_t count, pool_t **only)
{
    const pid_t self = getpid();
    bool is_first = true;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i] == NULL)
            continue;
        if (jobs[i]->pool->owner != self)
            return state_check_owner(jobs[i]->pool);
        *only = is_first || *only == jobs[i]->pool ? jobs[i]->pool : NULL;
        is_first = false;
    }
    return is_first ? failure(-EINVAL, "there is no job to wait for") : 0;
}

static int wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, const struct moment_wait *wait,
                    size_t *which)
{
    if (jobs == NULL)
        return failure(-EINVAL, "jobs is NULL");
    pool_t *only = NULL;
    int rc = check_owners(jobs, count, &only);
    if (rc < 0)
        return rc;
    if (moment_let_in(wait) < 0)
        return failure(-EINTR, INTERRUPTED);
    size_t first = first_settled(jobs, count);
    if (first == count && timeout_ms != 0) {
        if (drive_is_in_callback())
            return failure(-EDEADLK, "a callback must not wait for a job: the pool's thread would wait for itself");
        rc = wait_for(only, jobs, count, wait);
        if (rc == -EINTR)
            return failure(rc, INTERRUPTED);
        first = first_settled(jobs, count);
    }
    if (first == count)
        return rc < 0 && rc != -ETIMEDOUT
                   ? rc
                   : failure(-ETIMEDOUT, "no job was settled within %lld ms", (long long)timeout_ms);
    if (which != NULL)
        *which = first;
    return 0;
}

int pool_wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, size_t *which)
{
    const struct moment_wait wait = {.until = moment_in(timeout_ms)};
    return wait_any(jobs, count, timeout_ms, &wait, which);
}

int pool_wait_any_masked(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, const sigset_t *mask, size_t *which)
{
    const struct moment_wait wait = {.until = moment_in(timeout_ms), .by_signals = true, .mask = mask};
    return wait_any(jobs, count, timeout_ms, &wait, which);
}

int pool_job_wait(pool_job_t *job, int64_t timeout_ms)
{
    return pool_wait_any(&job, 1, timeout_ms, NULL);
}

int pool_job_wait_masked(pool_job_t *job, int64_t timeout_ms, const sigset_t *mask)
{
    return pool_wait_any_masked(&job, 1, timeout_ms, mask, NULL);
}

int pool_job_fd(pool_job_t *job)
{
    if (job == NULL)
        return failure(-EINVAL, "job is NULL");
    int rc = state_check_owner(job->pool);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&job->pool->lock);
    rc = waiters_fd(&job->waiters, pool_job_state(job) == POOL_STATE_SETTLED);
    pthread_mutex_unlock(&job->pool->lock);
    return rc < 0 ? failure(rc, "no descriptor can be made for job %s: %s; pool_fd() is one for all",
                            pool_job_name(job), strerror(-rc))
                  : rc;
}

/* ---- waiting for the next ---------------------------------------------------------------------------------------- */

/* The oldest collected job, with its reference; NULL: there is none. The caller holds the lock. */
static pool_job_t *take(pool_t *pool)
{
    struct futures *futures = &pool->futures;
    pool_job_t *job = TAILQ_FIRST(&futures->collected);
    if (job == NULL)
        return NULL;
    job_move(job, JOB_UNLISTED);
    if (TAILQ_EMPTY(&futures->collected)) {
        uint64_t value;
        const ssize_t got = read(futures->fd, &value, sizeof value);
        (void)got;
    }
    /* Another thread that waits may now find that none is outstanding. */
    waiters_wake(&futures->changed);
    if (futures->is_driven)
        drive_wake(&pool->drive);
    return job;
}

static bool has_to_wait(const struct futures *futures)
{
    return TAILQ_EMPTY(&futures->collected) && futures->outstanding > 0;
}

/* Waits for a change by running the loop. The caller owns the loop and holds the lock. */
static int drive_collected(pool_t *pool, const struct moment_wait *wait, int cancel_state)
{
    struct futures *futures = &pool->futures;
    enum drive_answer answer = DRIVE_AGAIN;
    futures->is_driven = has_to_wait(futures);
    const bool waits = futures->is_driven;
    pthread_mutex_unlock(&pool->lock);
    if (waits)
        answer = drive_wait(&pool->drive, wait);
    pthread_mutex_lock(&pool->lock);
    futures->is_driven = false;
    pthread_mutex_unlock(&pool->lock);
    drive_leave(&pool->drive, cancel_state);
    pthread_mutex_lock(&pool->lock);
    return answer == DRIVE_LATE ? -ETIMEDOUT : answer == DRIVE_INTERRUPTED ? -EINTR : 0;
}

/* The same while another thread runs the loop. The caller holds the lock. */
static int sleep_collected(pool_t *pool, const struct moment_wait *wait)
{
    struct waiter waiter;
    struct watch watch;
    if (!has_to_wait(&pool->futures))
        return 0;
    int rc = waiter_init(&waiter, wait);
    if (rc < 0)
        return failure(rc, NO_DESCRIPTOR, strerror(-rc));
    waiters_add(&pool->futures.changed, &watch, &waiter);
    pthread_mutex_unlock(&pool->lock);
    rc = waiter_sleep(&waiter, wait);
    pthread_mutex_lock(&pool->lock);
    waiters_remove(&watch);
    waiter_deinit(&waiter);
    return rc;
}

/* Waits for a change: 0, -ETIMEDOUT, -EINTR, or why it cannot wait. The caller holds the lock. */
static int await_collected(pool_t *pool, const struct moment_wait *wait)
{
    int cancel_state;
    pthread_mutex_unlock(&pool->lock);
    const bool drives = drive_enter(&pool->drive, wait, &cancel_state);
    pthread_mutex_lock(&pool->lock);
    return drives ? drive_collected(pool, wait, cancel_state) : sleep_collected(pool, wait);
}

/* Why there is no job now; 0: it is worth looking again. The caller holds the lock. */
static int wait_for_next(pool_t *pool, int64_t timeout_ms, const struct moment_wait *wait, bool was_open)
{
    if (pool->futures.outstanding == 0)
        return was_open && pool->phase > STATE_OPEN
                   ? failure(-ESHUTDOWN, "the pool was closed, and no collected job is left")
                   : failure(-ENOENT, "no job that was submitted with .collect is outstanding");
    const int rc = timeout_ms == 0 ? -ETIMEDOUT : await_collected(pool, wait);
    if (rc == -ETIMEDOUT)
        return failure(rc, "no collected job was settled within %lld ms", (long long)timeout_ms);
    return rc == -EINTR ? failure(rc, INTERRUPTED) : rc;
}

static int next(pool_t *pool, int64_t timeout_ms, const struct moment_wait *wait, pool_job_t **job)
{
    int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (job == NULL)
        return failure(-EINVAL, "job is NULL: it is where the next one goes");
    *job = NULL;
    if (timeout_ms != 0 && drive_is_in_callback())
        return failure(-EDEADLK, "a callback must not wait in pool_next");
    if (moment_let_in(wait) < 0)
        return failure(-EINTR, INTERRUPTED);
    pthread_mutex_lock(&pool->lock);
    pool->callers++;
    const bool was_open = pool->phase <= STATE_OPEN;
    while (rc != -EINTR && (*job = take(pool)) == NULL && rc == 0)
        rc = wait_for_next(pool, timeout_ms, wait, was_open);
    state_end_call(pool);
    pthread_mutex_unlock(&pool->lock);
    return *job != NULL ? 0 : rc;
}

int pool_next(pool_t *pool, int64_t timeout_ms, pool_job_t **job)
{
    const struct moment_wait wait = {.until = moment_in(timeout_ms)};
    return next(pool, timeout_ms, &wait, job);
}

int pool_next_masked(pool_t *pool, int64_t timeout_ms, const sigset_t *mask, pool_job_t **job)
{
    const struct moment_wait wait = {.until = moment_in(timeout_ms), .by_signals = true, .mask = mask};
    return next(pool, timeout_ms, &wait, job);
}

int pool_fd(const pool_t *pool)
{
    const int rc = state_check_owner(pool);
    return rc < 0 ? rc : pool->futures.fd;
}
