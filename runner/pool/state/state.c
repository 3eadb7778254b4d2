#include "state.h"

#include "descriptor.h"
#include "failure.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- the struct -------------------------------------------------------------------------------------------------- */

pool_t *state_new(const pool_options_t *full, drive_fn step)
{
    pool_t *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    atomic_init(&pool->references, 1);
    pool->owner = getpid();
    pool->uid = getuid();
    pool->euid = geteuid();
    pool->gid = getgid();
    pool->egid = getegid();
    pool->options = *full;
    pool->spawn.full = full->commands;
    pool->log = (struct log_hook){full->log, full->log_user};
    pool->devnull = pool->readables.epoll = pool->stats.keeper_pid = pool->stats.fork_server_pid = -1;
    pool->supervision.bound_at = pool->retry_at = MOMENT_NEVER;
    pthread_mutex_init(&pool->lock, NULL);
    moment_cond_init(&pool->phase_changed);
    moment_cond_init(&pool->backlog.space);
    LIST_INIT(&pool->futures.changed);
    pool->futures.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    kind_cache_init(&pool->kinds);
    queue_init(&pool->backlog.queue);
    queue_init(&pool->backlog.admitted);
    TAILQ_INIT(&pool->backlog.waiting);
    TAILQ_INIT(&pool->futures.collected);
    TAILQ_INIT(&pool->asked);
    TAILQ_INIT(&pool->reservations);
    crew_init(&pool->crew);
    /* The log hook is promised to run on the pool thread, so that one keeps the loop for itself. */
    drive_init(&pool->drive, &pool->lock, step, pool, pool->log.log != NULL);
    link_init(&pool->keeper, true, &pool->drive, &pool->log);
    link_init(&pool->server, false, &pool->drive, &pool->log);
    return pool;
}

pool_t *state_retain(pool_t *pool)
{
    atomic_fetch_add(&pool->references, 1);
    return pool;
}

void state_release(pool_t *pool)
{
    if (atomic_fetch_sub(&pool->references, 1) != 1)
        return;
    room_deinit(&pool->room);
    drive_deinit(&pool->drive);
    descriptor_close(&pool->futures.fd);
    queue_deinit(&pool->backlog.queue);
    queue_deinit(&pool->backlog.admitted);
    timetable_deinit(&pool->backlog.times);
    kind_cache_deinit(&pool->kinds);
    symbol_table_free(pool->symbols);
    pthread_cond_destroy(&pool->backlog.space);
    pthread_cond_destroy(&pool->phase_changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- whether a call may go on ------------------------------------------------------------------------------------ */

bool state_is_foreign(const pool_t *pool)
{
    return pool->owner != getpid();
}

int state_check_owner(const pool_t *pool)
{
    if (pool == NULL)
        return failure(-EINVAL, "pool is NULL");
    if (state_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d: a forked child opens its own", (int)pool->owner);
    return 0;
}

int state_check_phase(const pool_t *pool)
{
    if (pool->error.code != 0)
        return failure(-EIO, "%s", pool->error.message);
    if (pool->phase != STATE_OPEN)
        return failure(-ESHUTDOWN, "the pool is closed: open another");
    return 0;
}

int state_check_options(const pool_t *pool, const pool_job_options_t *given, bool is_command, pool_job_options_t *full)
{
    const struct options_means means = {.memory_total = pool->room.admission.rules.total,
                                        .memory_budget = pool->room.admission.rules.budget,
                                        .has_cpu_weight = atomic_load(&pool->has_cpu_weight)};
    return options_job(given, is_command, &means, full);
}

/* ---- phases ------------------------------------------------------------------------------------------------------ */

void state_set_open(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->phase == STATE_OPENING) {
        pool->phase = STATE_OPEN;
        pthread_cond_broadcast(&pool->phase_changed);
    }
    pthread_mutex_unlock(&pool->lock);
}

void state_set_failed(pool_t *pool, int code, const char *message)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->error.code == 0) {
        pool->error.code = code;
        snprintf(pool->error.message, sizeof pool->error.message, "%s", message);
    }
    pthread_cond_broadcast(&pool->backlog.space);
    pthread_cond_broadcast(&pool->phase_changed);
    pthread_mutex_unlock(&pool->lock);
    log_hook_say(&pool->log, "the pool has failed: %s", message);
}

void state_set_ended(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->phase = STATE_ENDED;
    pthread_cond_broadcast(&pool->phase_changed);
    waiters_wake(&pool->futures.changed);
    pthread_mutex_unlock(&pool->lock);
}

void state_refuse_work(pool_t *pool)
{
    if (pool->phase < STATE_CLOSING)
        pool->phase = STATE_CLOSING;
    pthread_cond_broadcast(&pool->backlog.space);
    waiters_wake(&pool->futures.changed);
    drive_wake(&pool->drive);
}

bool state_is_opening(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    const bool is_opening = pool->phase == STATE_OPENING && pool->error.code == 0;
    pthread_mutex_unlock(&pool->lock);
    return is_opening;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

void state_count(pool_t *pool, uint64_t *counter)
{
    pthread_mutex_lock(&pool->lock);
    (*counter)++;
    pthread_mutex_unlock(&pool->lock);
}

void state_set_pid(pool_t *pool, int32_t *field, int32_t pid)
{
    pthread_mutex_lock(&pool->lock);
    *field = pid;
    pthread_mutex_unlock(&pool->lock);
}

void state_leave_place(pool_t *pool)
{
    pool->running--;
    pthread_cond_broadcast(&pool->backlog.space);
}

void state_end_call(pool_t *pool)
{
    pool->callers--;
    pthread_cond_broadcast(&pool->phase_changed);
}
