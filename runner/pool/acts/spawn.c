#include "spawn.h"

#include "peer.h"
#include "process.h"
#include "settle.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What decides on births, as it is now. */
static struct births_view view_now(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    const struct births_view view = {
        .queued = backlog_startable(&pool->backlog),
        .running = pool->running - pool->backlog.admitted.count,
        .idle = pool->crew.idle_count,
        .asked = pool->spawn.asked,
        .processes = HASH_COUNT(pool->crew.peers) + pool->spawn.asked,
        .workers = (size_t)pool->options.workers,
        .warm = pool->phase == STATE_OPEN ? (size_t)pool->options.warm : 0,
    };
    pthread_mutex_unlock(&pool->lock);
    return view;
}

void spawn_step(pool_t *pool, int64_t now)
{
    if (!pool->server.is_ready || pool->supervision.end_asked || now < pool->spawn.failures.not_before)
        return;
    const struct births_view view = view_now(pool);
    const struct message_fork request = {.count = births_wanted(&view)};
    if (request.count == 0)
        return;
    pool->spawn.asked += request.count;
    link_send(&pool->server, MESSAGE_FORK, &request);
}

void spawn_born(pool_t *pool, uint64_t serial, struct descriptor_set *set)
{
    const struct births_view view = view_now(pool);
    pthread_mutex_lock(&pool->lock);
    pool->stats.workers_started++;
    pool->stats.tag = (uint32_t)(serial >> 32); /* the low half counts: worker/server/slot.c */
    pthread_mutex_unlock(&pool->lock);
    if (births_surplus(&view)) /* without its ends, which go with the set, it leaves */
        return;
    int task = descriptor_set_take(set);
    const int pipe = descriptor_set_take(set);
    const char *why = NULL;
    if (pipe < 0) {
        descriptor_close(&task);
        why = "its descriptors did not arrive: raise the limit on open files (ulimit -n)";
    } else if (peer_new(pool, &pool->server, serial, task, pipe) == NULL) {
        why = strerror(ENOMEM);
    }
    if (why != NULL) { /* it is of no use */
        const struct message_kill kill = {.serial = serial, .reason = KILL_BIRTH};
        link_send(&pool->server, MESSAGE_KILL, &kill);
        spawn_failed(pool, why);
    }
}

void spawn_answered(pool_t *pool, const struct message_born *born, struct descriptor_set *set)
{
    if (pool->spawn.asked > 0)
        pool->spawn.asked--;
    if (born->error != 0)
        spawn_failed(pool, strerror((int)born->error));
    else
        spawn_born(pool, born->serial, set);
}

void spawn_failed(pool_t *pool, const char *why)
{
    struct births_failures *failures = &pool->spawn.failures;
    char message[256];
    if (failures->count == 0) /* one line a series */
        log_hook_say(&pool->log, "a worker could not be started: %s", why);
    if (!births_failed(failures, process_now_ms()))
        return;
    births_succeeded(failures); /* jobs that come later get tries of their own */
    snprintf(message, sizeof message, "no worker could be started, %d times in a row: %s", BIRTHS_FAILURES_MAX, why);
    settle_lose_waiting(pool, message);
}
