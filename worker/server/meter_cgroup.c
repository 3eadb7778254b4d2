/* meter_cgroup.c - a cgroup v2 leaf for each worker, made before it is forked: the kernel counts, limits and kills. */
#include "meter.h"

#include "amount.h"
#include "descriptor.h"
#include "forkserver_state.h"

static int prepare(struct server *server, struct slot *slot)
{
    const int leaf = cgroup_leaf_make(&server->metering.cgroup, slot->serial);
    if (leaf < 0)
        return leaf;
    slot->meter.leaf = leaf;
    return 0;
}

static int start(struct server *server, struct slot *slot)
{
    (void)server;
    slot->meter.current = cgroup_leaf_open_current(slot->meter.leaf);
    return slot->meter.current < 0 ? slot->meter.current : 0;
}

/* Without what was charged to the worker before its job began. */
static uint64_t added(const struct slot *slot, uint64_t bytes)
{
    return amount_less(bytes, slot->page->charged);
}

static void look(struct server *server, struct slot *slot, int64_t now)
{
    (void)server;
    (void)now;
    slot->meter.used = added(slot, cgroup_current(slot->meter.current));
    slot->meter.sure = true;
    slot->meter.most = amount_larger(slot->meter.most, slot->meter.used);
}

static void kill_all(struct server *server, struct slot *slot)
{
    (void)server;
    cgroup_tree_kill(slot->meter.leaf);
}

/* The kernel counts hits of the leaf's own limit, and kills by any limit: a kill without a hit is the machine's, or one
 * of a limit above. If a job hands the controller down, its victims are counted below its leaf. */
static enum message_oom find_oom(const struct cgroup_usage *usage)
{
    if (usage->oom_kill > 0 || usage->group_kill > 0 || (usage->below > 0 && usage->oom > 0))
        return usage->oom > 0 ? OOM_LIMIT : OOM_MACHINE;
    return usage->below > 0 ? OOM_BELOW : OOM_NONE;
}

static void end(struct server *server, struct slot *slot)
{
    struct cgroup_usage usage;
    (void)server;
    if (slot->meter.leaf < 0 || cgroup_leaf_read(slot->meter.leaf, &usage) < 0)
        return;
    slot->meter.most = amount_larger(slot->meter.most, added(slot, usage.peak));
    slot->meter.looks++;
    slot->meter.oom = find_oom(&usage);
}

static void release(struct server *server, struct slot *slot)
{
    descriptor_close(&slot->meter.current);
    if (slot->meter.leaf >= 0)
        cgroup_leaf_remove(&server->metering.cgroup, slot->serial, slot->meter.leaf);
    slot->meter.leaf = -1;
}

const struct meter_mechanism meter_cgroup = {
    .method = POOL_MEMORY_CGROUP,
    .prepare = prepare,
    .start = start,
    .look = look,
    .kill = kill_all,
    .end = end,
    .release = release,
};
