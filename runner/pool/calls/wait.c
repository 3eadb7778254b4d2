/* wait.c - pool_job_wait, pool_wait_any, pool_next and pool_fd: threads that wait for jobs. */
#include "callback.h"
#include "failure.h"
#include "job.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define WATCHES_ON_STACK 16

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
    if (pool == NULL || !drive_enter(&pool->drive, timeout_ms, &cancel_state))
        return false;
    while (answer == DRIVE_AGAIN && first_settled(jobs, count, &any) == count)
        answer = drive_wait(&pool->drive);
    drive_leave(&pool->drive, cancel_state);
    return answer != DRIVE_CLAIMED;
}

static void wait_watched(struct futures_watch *watches, pool_job_t *const *jobs, size_t count, int64_t timeout_ms,
                         const struct timespec *until)
{
    struct futures_waiter waiter = {.is_woken = false};
    size_t watched = 0;
    bool pending = true;
    pthread_mutex_init(&waiter.lock, NULL);
    moment_cond_init(&waiter.woken_up);
    for (; watched < count && pending; watched++) {
        watches[watched].waiter = NULL;
        if (jobs[watched] != NULL)
            pending = futures_watch(&watches[watched], &waiter, jobs[watched]);
    }
    pthread_mutex_lock(&waiter.lock);
    while (pending && !waiter.is_woken)
        if (moment_cond_wait(&waiter.woken_up, &waiter.lock, timeout_ms, until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&waiter.lock);
    for (size_t i = 0; i < watched; i++)
        if (jobs[i] != NULL)
            futures_unwatch(&watches[i], jobs[i]);
    pthread_cond_destroy(&waiter.woken_up);
    pthread_mutex_destroy(&waiter.lock);
}

/* Waits until one of them is settled, or the time is over. */
static int wait_for(pool_job_t *const *jobs, size_t count, int64_t timeout_ms)
{
    struct futures_watch on_stack[WATCHES_ON_STACK], *watches = on_stack;
    const struct timespec until = moment_in(timeout_ms);
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

/* Whether this process opened the pools of all of them. -EPERM. */
static int check_owners(pool_job_t *const *jobs, size_t count)
{
    const pid_t self = getpid();
    for (size_t i = 0; i < count; i++)
        if (jobs[i] != NULL && jobs[i]->pool->owner != self)
            return state_check_owner(jobs[i]->pool);
    return 0;
}

int pool_wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, size_t *which)
{
    if (jobs == NULL)
        return failure(-EINVAL, "jobs is NULL");
    bool any;
    size_t first = first_settled(jobs, count, &any);
    if (!any)
        return failure(-EINVAL, "there is no job to wait for");
    int rc = check_owners(jobs, count);
    if (rc < 0)
        return rc;
    if (first == count && timeout_ms != 0) {
        if (callback_is_running())
            return failure(-EDEADLK, "a callback must not wait for a job: the pool's thread would wait for itself");
        rc = wait_for(jobs, count, timeout_ms);
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

/* Waits for a change, by running the loop where that is possible. The caller holds the lock. ETIMEDOUT, or 0. */
static int await_collected(pool_t *pool, int64_t timeout_ms, const struct timespec *until)
{
    enum drive_answer answer = DRIVE_CLAIMED;
    int cancel_state;
    pthread_mutex_unlock(&pool->lock);
    const bool driving = drive_enter(&pool->drive, timeout_ms < 0 ? -1 : moment_left_ms(until), &cancel_state);
    pthread_mutex_lock(&pool->lock);
    if (!driving && TAILQ_EMPTY(&pool->futures.collected) && pool->futures.outstanding > 0)
        return moment_cond_wait(&pool->futures.changed, &pool->lock, timeout_ms, until);
    futures_set_driven(&pool->futures, driving);
    if (driving && TAILQ_EMPTY(&pool->futures.collected) && pool->futures.outstanding > 0) {
        pthread_mutex_unlock(&pool->lock);
        answer = drive_wait(&pool->drive);
        pthread_mutex_lock(&pool->lock);
    }
    futures_set_driven(&pool->futures, false);
    pthread_mutex_unlock(&pool->lock);
    if (driving)
        drive_leave(&pool->drive, cancel_state);
    pthread_mutex_lock(&pool->lock);
    return answer == DRIVE_LATE ? ETIMEDOUT : 0;
}

int pool_next(pool_t *pool, int64_t timeout_ms, pool_job_t **job)
{
    int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (job == NULL)
        return failure(-EINVAL, "job is NULL: it is where the next one goes");
    const struct timespec until = moment_in(timeout_ms);
    *job = NULL;
    if (timeout_ms != 0 && callback_is_running())
        return failure(-EDEADLK, "a callback must not wait in pool_next");
    pthread_mutex_lock(&pool->lock);
    state_begin_call(pool);
    const bool was_open = pool->phase <= STATE_OPEN;
    while ((*job = futures_take(pool)) == NULL && rc == 0) {
        if (pool->futures.outstanding == 0)
            rc = was_open && pool->phase > STATE_OPEN
                     ? failure(-ESHUTDOWN, "the pool was closed, and no collected job is left")
                     : failure(-ENOENT, "no job that was submitted with .collect is outstanding");
        else if (timeout_ms == 0 || await_collected(pool, timeout_ms, &until) == ETIMEDOUT)
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
