#include "spawn.h"

#include "area.h"
#include "bell.h"
#include "peer.h"
#include "process.h"
#include "settle.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FULL_JOBS 32 /* plain jobs in a row after which workers are plain again */

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
    const struct message_fork request = {.count = births_wanted(&view), .full = pool->spawn.full > 0};
    if (request.count == 0)
        return;
    pool->spawn.asked += request.count;
    link_send(&pool->server, MESSAGE_FORK, &request);
}

static void set_full(pool_t *pool, unsigned jobs)
{
    const bool was = pool->spawn.full > 0;
    pool->spawn.full = jobs;
    if (was != (jobs > 0) && pool->area.pages != NULL)
        atomic_store(&area_host_page(&pool->area)->full, jobs > 0);
}

void spawn_learn(pool_t *pool, bool needs_full)
{
    if (needs_full)
        set_full(pool, FULL_JOBS);
    else if (pool->spawn.full > 0 && !pool->options.commands)
        set_full(pool, pool->spawn.full - 1);
}

/* Its `gone` brings no replacement, and is no failure. */
static void dismiss(pool_t *pool, struct peer *peer)
{
    struct area_page *page = area_page(&pool->area, peer->slot);
    crew_leave_idle(&pool->crew, peer);
    peer->birth_counted = true;
    peer->is_leaving = true;
    pool->spawn.leaving++;
    bell_ring(&page->bell, AREA_LEAVE);
}

void spawn_need_full(pool_t *pool)
{
    struct peer *plain = crew_idle(&pool->crew, false);
    set_full(pool, FULL_JOBS);
    if (pool->spawn.asked == 0 && pool->spawn.leaving == 0 && plain != NULL)
        dismiss(pool, plain);
}

void spawn_born(pool_t *pool, const struct message_born *born, struct descriptor_set *set)
{
    const struct births_view view = view_now(pool);
    pthread_mutex_lock(&pool->lock);
    pool->stats.workers_started++;
    pool->stats.tag = (uint32_t)(born->serial >> 32); /* the low half counts: worker/server/slot.c */
    pthread_mutex_unlock(&pool->lock);
    if (born->slot >= pool->area.slots)
        return;
    if (births_surplus(&view)) {
        struct area_page *page = area_page(&pool->area, born->slot);
        bell_ring(&page->bell, AREA_LEAVE);
        return;
    }
    const int pipe = descriptor_set_take(set);
    const int socket = descriptor_set_take(set);
    const char *why = NULL;
    if (pipe < 0) {
        why = "its descriptors did not arrive: raise the limit on open files (ulimit -n)";
    } else if (peer_new(pool, &pool->server, born, pipe, socket) == NULL) {
        why = strerror(ENOMEM);
    }
    if (why != NULL) { /* it is of no use */
        const struct message_kill kill = {.serial = born->serial, .reason = KILL_BIRTH};
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
        spawn_born(pool, born, set);
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
