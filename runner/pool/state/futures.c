#include "futures.h"

#include "descriptor.h"
#include "failure.h"
#include "job.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define WATCHES_ON_STACK 16

/* ---- settled ----------------------------------------------------------------------------------------------------- */

/* A thread that waits for jobs of any number of pools. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t woken_up;
    bool is_woken;
};

/* Its interest in one job. */
struct futures_watch {
    LIST_ENTRY(futures_watch) link;
    struct waiter *waiter; /* NULL: not watching */
};

static void wake(pool_job_t *job)
{
    struct futures_watch *watch;
    LIST_FOREACH(watch, &job->watches, link) {
        pthread_mutex_lock(&watch->waiter->lock);
        watch->waiter->is_woken = true;
        pthread_cond_signal(&watch->waiter->woken_up);
        pthread_mutex_unlock(&watch->waiter->lock);
    }
}

static void collect(struct futures *futures, pool_job_t *job)
{
    const uint64_t one = 1;
    if (TAILQ_EMPTY(&futures->collected)) {
        const ssize_t wrote = write(futures->fd, &one, sizeof one);
        (void)wrote; /* an eventfd at 0 takes a 1 */
    }
    job_move(job, JOB_COLLECTED);
    futures->outstanding--;
    pthread_cond_broadcast(&futures->changed);
}

void futures_settle(pool_job_t *job)
{
    wake(job);
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

/* Waits by running the pool's loop. False: another thread owns the loop, or has claimed it meanwhile. */
static bool wait_driving(pool_t *pool, pool_job_t *const *jobs, size_t count, int64_t until)
{
    enum drive_answer answer = DRIVE_AGAIN;
    int cancel_state;
    if (pool == NULL || count > WATCHES_ON_STACK || !drive_enter(&pool->drive, until, &cancel_state))
        return false;
    while (answer == DRIVE_AGAIN && first_settled(jobs, count) == count)
        answer = drive_wait(&pool->drive);
    drive_leave(&pool->drive, cancel_state);
    return answer != DRIVE_CLAIMED;
}

/* False: the job is settled already, and is not watched. */
static bool watch_job(struct futures_watch *watch, struct waiter *waiter, pool_job_t *job)
{
    pthread_mutex_lock(&job->pool->lock);
    const bool pending = pool_job_state(job) != POOL_STATE_SETTLED;
    watch->waiter = pending ? waiter : NULL;
    if (pending)
        LIST_INSERT_HEAD(&job->watches, watch, link);
    pthread_mutex_unlock(&job->pool->lock);
    return pending;
}

static void unwatch(struct futures_watch *watch, pool_job_t *job)
{
    if (watch->waiter == NULL)
        return;
    pthread_mutex_lock(&job->pool->lock);
    LIST_REMOVE(watch, link);
    watch->waiter = NULL;
    pthread_mutex_unlock(&job->pool->lock);
}

static void wait_watched(struct futures_watch *watches, pool_job_t *const *jobs, size_t count, int64_t until)
{
    struct waiter waiter = {.is_woken = false};
    size_t watched = 0;
    bool pending = true;
    pthread_mutex_init(&waiter.lock, NULL);
    moment_cond_init(&waiter.woken_up);
    for (; watched < count && pending; watched++)
        if (jobs[watched] != NULL)
            pending = watch_job(&watches[watched], &waiter, jobs[watched]);
    pthread_mutex_lock(&waiter.lock);
    while (pending && !waiter.is_woken)
        if (moment_cond_wait(&waiter.woken_up, &waiter.lock, until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&waiter.lock);
    for (size_t i = 0; i < watched; i++)
        if (jobs[i] != NULL)
            unwatch(&watches[i], jobs[i]);
    pthread_cond_destroy(&waiter.woken_up);
    pthread_mutex_destroy(&waiter.lock);
}

/* Waits until one of them is settled, or the moment has come. only: the one pool of all of them, or NULL. */
static int wait_for(pool_t *only, pool_job_t *const *jobs, size_t count, int64_t until)
{
    struct futures_watch on_stack[WATCHES_ON_STACK], *watches = on_stack;
    if (wait_driving(only, jobs, count, until))
        return 0;
    if (count > WATCHES_ON_STACK)
        watches = calloc(count, sizeof *watches);
    if (watches == NULL)
        return failure(-ENOMEM, "no memory to wait for %zu jobs", count);
    wait_watched(watches, jobs, count, until);
    if (watches != on_stack)
        free(watches);
    return 0;
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

int pool_wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, size_t *which)
{
    if (jobs == NULL)
        return failure(-EINVAL, "jobs is NULL");
    pool_t *only = NULL;
    int rc = check_owners(jobs, count, &only);
    if (rc < 0)
        return rc;
    size_t first = first_settled(jobs, count);
    if (first == count && timeout_ms != 0) {
        if (drive_is_in_callback())
            return failure(-EDEADLK, "a callback must not wait for a job: the pool's thread would wait for itself");
        rc = wait_for(only, jobs, count, moment_in(timeout_ms));
        if (rc < 0)
            return rc;
        first = first_settled(jobs, count);
    }
    if (first == count)
        return failure(-ETIMEDOUT, "no job was settled within %lld ms", (long long)timeout_ms);
    if (which != NULL)
        *which = first;
    return 0;
}

int pool_job_wait(pool_job_t *job, int64_t timeout_ms)
{
    return pool_wait_any(&job, 1, timeout_ms, NULL);
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
    pthread_cond_broadcast(&futures->changed);
    if (futures->is_driven)
        drive_wake(&pool->drive);
    return job;
}

/* Waits for a change, by running the loop where that is possible. The caller holds the lock. ETIMEDOUT, or 0. */
static int await_collected(pool_t *pool, int64_t until)
{
    struct futures *futures = &pool->futures;
    int cancel_state, rc = 0;
    pthread_mutex_unlock(&pool->lock);
    const bool drives = drive_enter(&pool->drive, until, &cancel_state);
    pthread_mutex_lock(&pool->lock);
    const bool waits = TAILQ_EMPTY(&futures->collected) && futures->outstanding > 0;
    if (!drives)
        return waits ? moment_cond_wait(&futures->changed, &pool->lock, until) : 0;
    futures->is_driven = waits;
    pthread_mutex_unlock(&pool->lock);
    if (waits && drive_wait(&pool->drive) == DRIVE_LATE)
        rc = ETIMEDOUT;
    pthread_mutex_lock(&pool->lock);
    futures->is_driven = false;
    pthread_mutex_unlock(&pool->lock);
    drive_leave(&pool->drive, cancel_state);
    pthread_mutex_lock(&pool->lock);
    return rc;
}

int pool_next(pool_t *pool, int64_t timeout_ms, pool_job_t **job)
{
    int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (job == NULL)
        return failure(-EINVAL, "job is NULL: it is where the next one goes");
    const int64_t until = moment_in(timeout_ms);
    *job = NULL;
    if (timeout_ms != 0 && drive_is_in_callback())
        return failure(-EDEADLK, "a callback must not wait in pool_next");
    pthread_mutex_lock(&pool->lock);
    pool->callers++;
    const bool was_open = pool->phase <= STATE_OPEN;
    while ((*job = take(pool)) == NULL && rc == 0) {
        if (pool->futures.outstanding == 0)
            rc = was_open && pool->phase > STATE_OPEN
                     ? failure(-ESHUTDOWN, "the pool was closed, and no collected job is left")
                     : failure(-ENOENT, "no job that was submitted with .collect is outstanding");
        else if (timeout_ms == 0 || await_collected(pool, until) == ETIMEDOUT)
            rc = failure(-ETIMEDOUT, "no collected job was settled within %lld ms", (long long)timeout_ms);
    }
    if (*job != NULL)
        rc = 0;
    state_end_call(pool);
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

int pool_fd(const pool_t *pool)
{
    const int rc = state_check_owner(pool);
    return rc < 0 ? rc : pool->futures.fd;
}
