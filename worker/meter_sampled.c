/* meter_sampled.c - no privilege, no kernel feature but /proc. What it counts and misses: docs/memory.md. */
#include "meter.h"

#include "reaper.h"
#include "server.h"

#include <errno.h>

#define TEMPLATE_BYTES  ((uint64_t)8 << 20) /* inherited; of less it does not matter how much is rewritten */
#define FAULTS_LEAST    64                  /* so few pages rewritten are not worth a walk */
#define WALK_US_PER_MIB 12
#define WALK_US_MOST    20000 /* longer walks are made for a limit only, since everybody else waits for them */
#define WALK_SHARE      50
#define WALK_NEAR_SHARE 4
#define ADOPTED_MAX     256

static int prepare(struct server *server, struct slot *slot)
{
    (void)server;
    (void)slot;
    return 0;
}

static int start(struct server *server, struct slot *slot)
{
    slot->meter.births = 0;
    return tree_init(&slot->meter.tree, slot->pid, server->inherited);
}

/* Looks who is there, if anybody was born anywhere since. */
static void find_processes(struct server *server, struct slot *slot)
{
    struct meter *meter = &slot->meter;
    pid_t adopted[ADOPTED_MAX];
    if (server->metering.births != 0 && meter->births == server->metering.births)
        return;
    meter->births = server->metering.births;
    tree_walk(&meter->tree, adopted, reaper_adopted(server, slot->serial, adopted, ADOPTED_MAX));
}

static bool is_over(const struct meter *meter, uint64_t bytes)
{
    return meter->limit >= 0 && bytes > (uint64_t)meter->limit;
}

/* Whether page tables are to be walked now: there is something that only they tell, it matters, and it is not long ago
 * in relation to what it costs. */
static bool is_worth_a_walk(struct server *server, struct slot *slot, const struct footprint *footprint, int64_t now)
{
    struct meter *meter = &slot->meter;
    const bool is_template = server->inherited > TEMPLATE_BYTES && slot->page->is_command == 0;
    if (now < meter->walk_at || (!footprint_is_vague(footprint) && !is_template))
        return false;
    const uint64_t most = footprint->most + meter->rewritten;
    if (is_over(meter, most))
        return true;
    const uint64_t walked = most + server->inherited * meter->tree.count;
    if (walked / (1 << 20) * WALK_US_PER_MIB > WALK_US_MOST)
        return false;
    if (footprint_is_vague(footprint) && footprint->most > meter->most)
        return true;
    return is_template && tree_faults(&meter->tree) >= FAULTS_LEAST;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static size_t count_workers(const struct server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < server->table.count; i++)
        count += server->table.slots[i].state == SLOT_ALIVE;
    return count;
}

static void walk(struct server *server, struct meter *meter, const struct footprint *footprint, int64_t now)
{
    const int64_t start_us = process_now_us();
    const uint64_t exact = tree_footprint_walked(&meter->tree, count_workers(server));
    const int64_t cost_us = process_now_us() - start_us;
    const bool near = is_over(meter, footprint->most + footprint->most / 8);
    meter->shared = less(footprint->most, exact);
    if (less(exact, footprint->most) > meter->rewritten)
        meter->rewritten = less(exact, footprint->most);
    meter->walk_us = cost_us;
    meter->walked = meter->tree.met;
    meter->walk_at = now + cost_us * (near ? WALK_NEAR_SHARE : WALK_SHARE) / 1000;
}

/* The sum over its processes, less what a walk has told that it counts too often, and with what it has rewritten. Who
 * was forked since then shares what nobody knows: what is sure. */
static uint64_t estimate(const struct meter *meter, const struct footprint *footprint, bool vague)
{
    const uint64_t sum = less(footprint->most, meter->shared);
    const bool known = !vague || meter->walked == meter->tree.met;
    return (known && sum > footprint->least ? sum : footprint->least) + meter->rewritten;
}

static int look(struct server *server, struct slot *slot, int64_t now)
{
    struct meter *meter = &slot->meter;
    meter->walk_us = 0;
    find_processes(server, slot);
    tree_look(&meter->tree);
    const uint64_t written = slot->page->is_command == 0 ? atomic_load(&slot->page->written) : 0;
    const struct footprint footprint = tree_footprint(&meter->tree);
    const bool vague = footprint_is_vague(&footprint);
    const bool walked = is_worth_a_walk(server, slot, &footprint, now);
    if (walked)
        walk(server, meter, &footprint, now);
    else if (!vague)
        meter->shared = 0;
    else if (meter->walked != meter->tree.met && footprint.most + written > meter->vague)
        meter->vague = footprint.most + written;
    meter->used = estimate(meter, &footprint, vague) + written;
    meter->sure = walked || (!vague && meter->rewritten == 0) || is_over(meter, footprint.least + written);
    if (meter->used > meter->most && (meter->sure || !is_over(meter, meter->used)))
        meter->most = meter->used;
    return 0;
}

static size_t kill_all(struct server *server, struct slot *slot)
{
    (void)server;
    tree_kill(&slot->meter.tree);
    return slot->meter.tree.count;
}

static void end(struct server *server, struct slot *slot)
{
    (void)server;
    (void)slot;
}

static void release(struct server *server, struct slot *slot)
{
    (void)server;
    tree_deinit(&slot->meter.tree);
}

const struct meter_mechanism meter_sampled = {
    .method = POOL_MEMORY_SAMPLED,
    .prepare = prepare,
    .start = start,
    .look = look,
    .kill = kill_all,
    .end = end,
    .release = release,
};
