#include "futures.h"

#include "descriptor.h"
#include "job.h"
#include "state.h"

#include <unistd.h>

bool futures_watch(struct futures_watch *watch, struct futures_waiter *waiter, pool_job_t *job)
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

void futures_unwatch(struct futures_watch *watch, pool_job_t *job)
{
    if (watch->waiter == NULL)
        return;
    pthread_mutex_lock(&job->pool->lock);
    LIST_REMOVE(watch, link);
    watch->waiter = NULL;
    pthread_mutex_unlock(&job->pool->lock);
}

static void wake(pool_job_t *job)
{
    struct futures_watch *watch = NULL;
    LIST_FOREACH(watch, &job->watches, link) {
        pthread_mutex_lock(&watch->waiter->lock);
        watch->waiter->is_woken = true;
        pthread_cond_signal(&watch->waiter->woken_up);
        pthread_mutex_unlock(&watch->waiter->lock);
    }
}

void futures_expect(struct futures *futures)
{
    futures->outstanding++;
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

pool_job_t *futures_take(pool_t *pool)
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

void futures_close(struct futures *futures)
{
    for (pool_job_t *job; (job = TAILQ_FIRST(&futures->collected)) != NULL;) {
        job_move(job, JOB_UNLISTED);
        pool_job_release(job);
    }
    descriptor_close(&futures->fd);
}

void futures_set_driven(struct futures *futures, bool is_driven)
{
    futures->is_driven = is_driven;
}
