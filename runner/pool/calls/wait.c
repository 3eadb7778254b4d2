#include "wait.h"

#include "failure.h"
#include "loop.h"
#include "pool_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WATCHES_ON_STACK 16

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t woken_up;
    bool woken;
};

/* The moment timeout_ms from now; timeout_ms must not be negative. */
static struct timespec moment_in(int64_t timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

/* Until a moment, rounded up; 0 when it has passed. */
static int64_t milliseconds_to(const struct timespec *until)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t ns = (until->tv_sec - now.tv_sec) * 1000000000L + until->tv_nsec - now.tv_nsec;
    return ns > 0 ? (ns + 999999) / 1000000 : 0;
}

/* One wait on a condition; until is used with timeout_ms >= 0. */
static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms, const struct timespec *until)
{
    return timeout_ms < 0 ? pthread_cond_wait(cond, lock) : pthread_cond_timedwait(cond, lock, until);
}

void wait_wake(pool_job_t *job)
{
    struct job_watch *watch = NULL;
    LIST_FOREACH(watch, &job->watches, link) {
        pthread_mutex_lock(&watch->waiter->lock);
        watch->waiter->woken = true;
        pthread_cond_signal(&watch->waiter->woken_up);
        pthread_mutex_unlock(&watch->waiter->lock);
    }
}

/* Watches a job; false when it is settled already, and then is not watched. */
static bool watch_start(struct job_watch *watch, struct waiter *waiter, pool_job_t *job)
{
    watch->waiter = waiter;
    pthread_mutex_lock(&job->pool->lock);
    const bool pending = pool_job_state(job) != POOL_STATE_SETTLED;
    if (pending)
        LIST_INSERT_HEAD(&job->watches, watch, link);
    else
        watch->waiter = NULL;
    pthread_mutex_unlock(&job->pool->lock);
    return pending;
}

static void watch_stop(struct job_watch *watch, pool_job_t *job)
{
    if (watch->waiter == NULL)
        return;
    pthread_mutex_lock(&job->pool->lock);
    LIST_REMOVE(watch, link);
    watch->waiter = NULL;
    pthread_mutex_unlock(&job->pool->lock);
}

/* The lowest index of a settled job, or count. *any: whether there is a job at all. */
static size_t first_settled(pool_job_t *const *jobs, size_t count, bool *any)
{
    *any = false;
    for (size_t i = 0; i < count; i++) {
        *any = *any || jobs[i] != NULL;
        if (jobs[i] != NULL && pool_job_state(jobs[i]) == POOL_STATE_SETTLED)
            return i;
    }
    return count;
}

/* The one pool of all of them; NULL: there are several. */
static pool_t *only_pool(pool_job_t *const *jobs, size_t count)
{
    pool_t *pool = NULL;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i] != NULL && pool != NULL && jobs[i]->pool != pool)
            return NULL;
        if (jobs[i] != NULL)
            pool = jobs[i]->pool;
    }
    return pool;
}

/* Waits by running the pool's loop. False: not to be had, or not to the end. */
static bool wait_driving(pool_job_t *const *jobs, size_t count, int64_t timeout_ms)
{
    pool_t *pool = count <= WATCHES_ON_STACK ? only_pool(jobs, count) : NULL;
    enum drive_answer answer = DRIVE_AGAIN;
    int cancel_state;
    bool any;
    if (pool == NULL || !drive_enter(pool->loop, timeout_ms, &cancel_state))
        return false;
    while (answer == DRIVE_AGAIN && first_settled(jobs, count, &any) == count)
        answer = drive_turn(pool->loop);
    drive_leave(pool->loop, cancel_state);
    return answer != DRIVE_CLAIMED;
}

static void wait_watched(struct job_watch *watches, pool_job_t *const *jobs, size_t count, int64_t timeout_ms,
                         const struct timespec *until)
{
    struct waiter waiter = {.woken = false};
    size_t watched = 0;
    bool pending = true;
    pthread_mutex_init(&waiter.lock, NULL);
    pool_cond_init(&waiter.woken_up);
    for (; watched < count && pending; watched++) {
        watches[watched].waiter = NULL;
        if (jobs[watched] != NULL)
            pending = watch_start(&watches[watched], &waiter, jobs[watched]);
    }
    pthread_mutex_lock(&waiter.lock);
    while (pending && !waiter.woken)
        if (cond_wait(&waiter.woken_up, &waiter.lock, timeout_ms, until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&waiter.lock);
    for (size_t i = 0; i < watched; i++)
        if (jobs[i] != NULL)
            watch_stop(&watches[i], jobs[i]);
    pthread_cond_destroy(&waiter.woken_up);
    pthread_mutex_destroy(&waiter.lock);
}

/* Waits until one of them is settled, or the time is over. */
static int wait_for(pool_job_t *const *jobs, size_t count, int64_t timeout_ms)
{
    struct job_watch on_stack[WATCHES_ON_STACK], *watches = on_stack;
    const struct timespec until = moment_in(timeout_ms < 0 ? 0 : timeout_ms);
    if (wait_driving(jobs, count, timeout_ms))
        return 0;
    if (count > WATCHES_ON_STACK)
        watches = calloc(count, sizeof *watches);
    if (watches == NULL)
        return failure(-ENOMEM, "no memory to wait for %zu jobs", count);
    wait_watched(watches, jobs, count, timeout_ms, &until);
    if (watches != on_stack)
        free(watches);
    return 0;
}

/* The first pool among the jobs' that another process opened: NULL when there is none. */
static const pool_t *first_foreign(pool_job_t *const *jobs, size_t count)
{
    const pid_t self = getpid();
    for (size_t i = 0; i < count; i++)
        if (jobs[i] != NULL && jobs[i]->pool->owner != self)
            return jobs[i]->pool;
    return NULL;
}

int pool_wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, size_t *which)
{
    if (jobs == NULL)
        return failure(-EINVAL, "jobs is NULL");
    bool any;
    size_t first = first_settled(jobs, count, &any);
    if (!any)
        return failure(-EINVAL, "there is no job to wait for");
    const pool_t *foreign = first_foreign(jobs, count);
    if (foreign != NULL)
        return failure(-EPERM, "this job's pool belongs to process %d", (int)foreign->owner);
    if (first == count && timeout_ms != 0) {
        if (pool_in_callback())
            return failure(-EDEADLK, "a callback must not wait for a job: the pool's thread would wait for itself");
        const int rc = wait_for(jobs, count, timeout_ms);
        if (rc < 0)
            return rc;
        first = first_settled(jobs, count, &any);
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

void wait_collect(pool_job_t *job)
{
    pool_t *pool = job->pool;
    const uint64_t one = 1;
    if (TAILQ_EMPTY(&pool->collected)) {
        const ssize_t wrote = write(pool->collect_fd, &one, sizeof one);
        (void)wrote; /* an eventfd at 0 takes a 1 */
    }
    job_move(job, JOB_COLLECTED);
    pool->collect_outstanding--;
    pthread_cond_broadcast(&pool->collect_changed);
}

/* Takes the oldest collected job; the caller holds the lock. */
static pool_job_t *take_collected(pool_t *pool)
{
    pool_job_t *job = TAILQ_FIRST(&pool->collected);
    if (job == NULL)
        return NULL;
    job_move(job, JOB_UNLISTED);
    if (TAILQ_EMPTY(&pool->collected)) {
        uint64_t value;
        const ssize_t got = read(pool->collect_fd, &value, sizeof value);
        (void)got;
    }
    /* Another waiter may now find that none is outstanding. */
    pthread_cond_broadcast(&pool->collect_changed);
    if (pool->is_driven)
        loop_wake(pool->loop);
    return job;
}

/* Waits for a change, by running the loop where that is possible. The caller holds the lock. ETIMEDOUT, or 0. */
static int await_collected(pool_t *pool, int64_t timeout_ms, const struct timespec *until)
{
    enum drive_answer answer = DRIVE_CLAIMED;
    int cancel_state;
    pthread_mutex_unlock(&pool->lock);
    const bool driving = drive_enter(pool->loop, timeout_ms < 0 ? -1 : milliseconds_to(until), &cancel_state);
    pthread_mutex_lock(&pool->lock);
    if (!driving && TAILQ_EMPTY(&pool->collected) && pool->collect_outstanding > 0)
        return cond_wait(&pool->collect_changed, &pool->lock, timeout_ms, until);
    pool->is_driven = driving;
    if (driving && TAILQ_EMPTY(&pool->collected) && pool->collect_outstanding > 0) {
        pthread_mutex_unlock(&pool->lock);
        answer = drive_turn(pool->loop);
        pthread_mutex_lock(&pool->lock);
    }
    pool->is_driven = false;
    pthread_mutex_unlock(&pool->lock);
    if (driving)
        drive_leave(pool->loop, cancel_state);
    pthread_mutex_lock(&pool->lock);
    return answer == DRIVE_LATE ? ETIMEDOUT : 0;
}

int pool_next(pool_t *pool, int64_t timeout_ms, pool_job_t **job)
{
    if (pool == NULL || job == NULL)
        return failure(-EINVAL, "pool or job is NULL");
    const struct timespec until = moment_in(timeout_ms < 0 ? 0 : timeout_ms);
    int rc = 0;
    *job = NULL;
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d: a forked child opens its own", (int)pool->owner);
    if (timeout_ms != 0 && pool_in_callback())
        return failure(-EDEADLK, "a callback must not wait in pool_next");
    pthread_mutex_lock(&pool->lock);
    pool->callers++;
    const bool was_open = pool->phase <= POOL_OPEN;
    while ((*job = take_collected(pool)) == NULL && rc == 0) {
        if (pool->collect_outstanding == 0)
            rc = was_open && pool->phase > POOL_OPEN
                     ? failure(-ESHUTDOWN, "the pool was closed, and no collected job is left")
                     : failure(-ENOENT, "no job that was submitted with .collect is outstanding");
        else if (timeout_ms == 0 || await_collected(pool, timeout_ms, &until) == ETIMEDOUT)
            rc = failure(-ETIMEDOUT, "no collected job was settled within %lld ms", (long long)timeout_ms);
    }
    if (*job != NULL)
        rc = 0;
    pool->callers--;
    pthread_cond_broadcast(&pool->phase_changed);
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

int pool_fd(const pool_t *pool)
{
    if (pool == NULL)
        return failure(-EINVAL, "pool is NULL");
    return pool_is_foreign(pool) ? failure(-EPERM, "this pool belongs to process %d", (int)pool->owner)
                                 : pool->collect_fd;
}
