/* close.c - pool_seal, pool_close and pool_free.
 *
 *     pool_seal    refuses new work
 *     pool_close   refuses new work, lets the pool thread end the rest, and waits until it has left: then no process of
 *                  the pool is there any more
 *     pool_free    closes, and drops the handle's reference; jobs that live on keep the struct
 */
#include "callback.h"
#include "failure.h"
#include "loop.h"
#include "state.h"

#include <errno.h>

int pool_seal(pool_t *pool)
{
    const int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&pool->lock);
    state_refuse_work(pool);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

int pool_close(pool_t *pool, pool_close_t how)
{
    const int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (how < POOL_CLOSE_WAIT || how > POOL_CLOSE_KILL)
        return failure(-EINVAL, "how is %d: it is POOL_CLOSE_WAIT, _CANCEL_QUEUED or _KILL", (int)how);
    if (callback_is_running())
        return failure(-EDEADLK, "a callback must not close its pool: the pool's thread would wait for itself");
    pthread_mutex_lock(&pool->lock);
    state_begin_call(pool);
    state_set_close(pool, how);
    loop_await_end(pool);
    state_end_call(pool);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

void pool_free(pool_t *pool)
{
    if (pool == NULL || state_is_foreign(pool) || pool_close(pool, POOL_CLOSE_KILL) < 0)
        return;
    pthread_mutex_lock(&pool->lock);
    while (pool->callers > 0)
        pthread_cond_wait(&pool->phase_changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    futures_close(&pool->futures);
    state_release(pool);
}
