/* meter_sampled.c - needs no privilege, and of the kernel only /proc. What it counts and misses: docs/memory.md. */
#include "meter.h"

#include "amount.h"
#include "forkserver_state.h"

#define TEMPLATE_BYTES  ((uint64_t)8 << 20) /* of less inherited memory it does not matter how much is rewritten */
#define WALK_US_PER_MIB 12
#define WALK_US_MOST    20000 /* longer walks are made near a limit only, since all other jobs wait for them */
#define WALK_US_BURST   40000 /* that a job's walks may take before they are held to their share */
#define WALK_SHARE      50    /* one part in this of the time */
#define WALK_NEAR_SHARE 4     /* the same near the limit */
#define WALK_LEAST      ((uint64_t)1 << 20) /* no walk for fewer bytes that may have changed */

static bool walk_tree(struct server *server, struct slot *slot)
{
    struct tree *tree = &slot->meter.tree;
    pid_t strangers[STRANGERS_MAX];
    const unsigned seen = tree->seen;
    tree_walk(tree, strangers, strangers_of_job(&server->strangers, slot->serial, strangers, STRANGERS_MAX));
    return tree->seen != seen;
}

static int start(struct server *server, struct slot *slot)
{
    const int rc = tree_init(&slot->meter.tree, slot->pid, server->inherited, slot->meter.argument);
    if (rc == 0)
        walk_tree(server, slot);
    return rc;
}

static bool is_over(const struct meter *meter, uint64_t bytes)
{
    return meter->limit >= 0 && bytes > (uint64_t)meter->limit;
}

/* Credit like a leaky bucket: a spike is looked at as it comes; a job that always deserves a walk costs its share. */
static bool has_walk_credit(struct meter *meter, bool near, int64_t now)
{
    const int64_t share = near ? WALK_NEAR_SHARE : WALK_SHARE;
    if (meter->walk_credit_at == 0)
        meter->walk_credit_us = WALK_US_BURST;
    else
        meter->walk_credit_us += (now - meter->walk_credit_at) * 1000 / share;
    meter->walk_credit_at = now;
    if (meter->walk_credit_us > WALK_US_BURST)
        meter->walk_credit_us = WALK_US_BURST;
    return meter->walk_credit_us > 0;
}

/* What only page tables tell, and how much may have changed since they were walked. */
struct doubt {
    bool vague;       /* forked processes share what each counts */
    bool inherits;    /* it may rewrite memory from before the job, and no count shows that */
    uint64_t touched; /* bytes; UINT64_MAX: nothing is known yet */
};

static struct doubt doubt_of(struct server *server, struct slot *slot, const struct footprint *footprint)
{
    struct meter *meter = &slot->meter;
    struct doubt doubt = {.vague = footprint_is_vague(footprint),
                          .inherits = server->inherited > TEMPLATE_BYTES && slot->page->is_command == 0};
    if (doubt.vague && meter->walked != meter->tree.seen)
        doubt.touched = UINT64_MAX;
    else if (doubt.vague || doubt.inherits)
        doubt.touched = tree_touched(&meter->tree);
    return doubt;
}

/* Whether to walk page tables now: only they tell something, and it matters. */
static bool is_worth_a_walk(struct server *server, struct meter *meter, const struct footprint *footprint,
                            const struct doubt *doubt, int64_t now)
{
    const uint64_t most = footprint->most + meter->rewritten;
    const bool near = is_over(meter, most);
    if ((!doubt->vague && !doubt->inherits) || !has_walk_credit(meter, near, now))
        return false;
    if (near)
        return true;
    const uint64_t walked = most + server->inherited * meter->tree.count;
    if (walked / (1 << 20) * WALK_US_PER_MIB > WALK_US_MOST || doubt->touched < WALK_LEAST)
        return false;
    return doubt->inherits || footprint->most > meter->most;
}

static size_t count_workers(const struct server *server)
{
    size_t count = 0;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++)
        count += slot->state == SLOT_ALIVE && !slot->unforked;
    return count;
}

static bool walk_page_tables(struct server *server, struct meter *meter)
{
    const int64_t start_us = process_cpu_us();
    struct footprint_truth truth;
    const bool whole = tree_footprint_walked(&meter->tree, count_workers(server), &truth);
    meter->walk_us = process_cpu_us() - start_us;
    meter->walk_credit_us -= meter->walk_us;
    if (!whole)
        return false;
    meter->walked = meter->tree.seen;
    meter->shared = truth.twice;
    meter->moved = truth.moved;
    meter->rewritten = amount_larger(meter->rewritten, truth.rewritten);
    return true;
}

static void look(struct server *server, struct slot *slot, int64_t now)
{
    struct meter *meter = &slot->meter;
    meter->walk_us = 0;
    tree_look(&meter->tree);
    const struct footprint footprint = tree_footprint(&meter->tree);
    const struct doubt doubt = doubt_of(server, slot, &footprint);
    const bool walked = is_worth_a_walk(server, meter, &footprint, &doubt, now) && walk_page_tables(server, meter);
    const uint64_t written = slot->page->is_command == 0 ? atomic_load(&slot->page->written) : 0;
    const uint64_t beside = meter->rewritten + written;
    if (!doubt.vague)
        meter->shared = meter->moved = 0;
    const uint64_t sum = amount_less(footprint.most, meter->shared);
    meter->used = amount_larger(sum, footprint.least) + beside;
    meter->sure = walked || (!doubt.vague && meter->rewritten == 0) || is_over(meter, footprint.least + written);
    /* Since the last walk forked processes may share less: this much is certain, and `vague` is the most it may be. */
    meter->most = amount_larger(meter->most, walked || !doubt.vague ? meter->used : footprint.least + beside);
    if (!doubt.vague || (walked && meter->moved == 0))
        return;
    const uint64_t touched = walked ? 0 : doubt.touched;
    const uint64_t highest = touched == UINT64_MAX ? UINT64_MAX : sum + touched + meter->moved;
    meter->vague = amount_larger(meter->vague, beside + amount_smaller(footprint.most, highest));
}

static void kill_all(struct server *server, struct slot *slot)
{
    (void)server;
    tree_kill(&slot->meter.tree);
}

static void release(struct server *server, struct slot *slot)
{
    (void)server;
    tree_deinit(&slot->meter.tree);
}

const struct meter_mechanism meter_sampled = {
    .method = POOL_MEMORY_SAMPLED,
    .start = start,
    .walk = walk_tree,
    .look = look,
    .kill = kill_all,
    .release = release,
};
