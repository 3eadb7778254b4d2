#include "meter.h"

#include "descriptor.h"
#include "reaper.h"
#include "rhythm.h"
#include "forkserver_state.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define TOLD_STEP   ((uint64_t)4 << 20) /* smaller growth is not told */
#define TOLD_SHARE  8
#define OOM_LOOK_MS 1000 /* an OOM kill that nobody is found to have died of is forgotten after as much */

void meter_init(struct meter *meter)
{
    *meter = (struct meter){.limit = -1, .every_ms = -1, .look_at = LADDER_NEVER, .leaf = -1, .current = -1};
}

/* -1 where it is not the kernel's: some containers have one that is a few seconds late. */
static int open_loadavg(void)
{
    struct statfs system;
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && (fstatfs(fd, &system) < 0 || system.f_type != PROC_SUPER_MAGIC))
        descriptor_close(&fd);
    if (fd >= 0)
        process_descriptor_lift(&fd);
    return fd;
}

int meter_open(struct server *server, const struct cgroup_place *place, char *why, size_t why_size)
{
    struct metering *metering = &server->metering;
    metering->cgroup.dir = metering->cgroup.base = -1;
    metering->mechanism = &meter_sampled;
    if (place->path[0] == '\0')
        return 0;
    const int rc = cgroup_pool_open(place, &metering->cgroup, why, why_size);
    if (rc == 0)
        metering->mechanism = &meter_cgroup;
    return rc;
}

void meter_begin(struct server *server)
{
    server->metering.loadavg = open_loadavg();
    server->metering.oom_kills = proc_oom_kills();
}

void meter_close(struct server *server)
{
    cgroup_pool_close(&server->metering.cgroup);
}

void meter_start(struct server *server, struct slot *slot, const struct message_watch *watch)
{
    struct meter *meter = &slot->meter;
    meter->limit = watch->memory_limit;
    meter->every_ms = watch->every_ms;
    meter->argument = watch->argument;
    if (meter->look_at != LADDER_NEVER || server->metering.mechanism->start(server, slot) < 0)
        return;
    meter->looked_at = process_now_ms();
    meter->look_at = meter->grew_at = meter->looked_at; /* at once */
    server->metering.looked_at++;
}

static bool is_looked_at(const struct slot *slot)
{
    return slot->state == SLOT_ALIVE && slot->meter.look_at != LADDER_NEVER;
}

static void stop(struct server *server, struct meter *meter)
{
    if (meter->look_at == LADDER_NEVER)
        return;
    meter->look_at = LADDER_NEVER;
    server->metering.looked_at--;
}

/* The host hears of growth by a good part, and as often as it has asked. */
static void decide_telling(struct meter *meter, int64_t now)
{
    const uint64_t step = meter->told / TOLD_SHARE > TOLD_STEP ? meter->told / TOLD_SHARE : TOLD_STEP;
    if (meter->most >= meter->told + step || (meter->every_ms > 0 && now - meter->told_at >= meter->every_ms))
        meter->untold = true;
}

static bool meet(struct server *server, struct slot *slot, int64_t now)
{
    slot->meter.met_at = now;
    return server->metering.mechanism->meet(server, slot);
}

static void look(struct server *server, struct slot *slot, int64_t now)
{
    struct meter *meter = &slot->meter;
    const uint64_t before = meter->used;
    const int64_t start = process_cpu_us();
    if (now - meter->met_at >= RHYTHM_SINGLE_MS)
        meet(server, slot, now);
    server->metering.mechanism->look(server, slot, now);
    meter->looks++;
    const bool sampled = server->metering.mechanism->method == POOL_MEMORY_SAMPLED;
    if (sampled && meter->sure && meter->limit >= 0 && meter->used > (uint64_t)meter->limit) {
        ladder_ask(&slot->ladder, KILL_MEMORY_LIMIT, 0, now);
        server->metering.mechanism->kill(server, slot);
    }
    decide_telling(meter, now);
    if (meter->used > before)
        meter->grew_at = now;
    const struct rhythm_view view = {
        .limit = sampled ? meter->limit : -1,
        .used = meter->used,
        .still_ms = now - meter->grew_at,
        .cost_us = process_cpu_us() - start - meter->walk_us,
        .looked_at = server->metering.looked_at,
        .tree = meter->tree.count > 1,
        .every_ms = meter->every_ms,
    };
    const int64_t pause = rhythm_next(&view);
    meter->looked_at = now;
    meter->look_at = (now / pause + 1) * pause; /* those of one pause are looked at together */
}

/* OOM kills that nobody dies of here were others'. One that was new at the last look may still be being reaped. */
static void look_for_oom(struct metering *metering, int64_t now)
{
    if (now - metering->oom_at < OOM_LOOK_MS)
        return;
    const uint64_t kills = proc_oom_kills();
    metering->oom_at = now;
    metering->oom_credit = kills > metering->oom_kills ? (unsigned)(kills - metering->oom_kills) : 0;
    metering->oom_kills = kills;
}

/* Whoever is looked at seldom may have started a tree of processes, which has to be looked at often. */
static void look_for_births(struct server *server, int64_t now)
{
    struct metering *metering = &server->metering;
    if (metering->mechanism->method != POOL_MEMORY_SAMPLED || now < metering->births_at)
        return;
    const uint64_t births = proc_births(metering->loadavg);
    metering->births_at = (now / RHYTHM_TREE_MS + 1) * RHYTHM_TREE_MS;
    if (births != 0 && births == metering->births)
        return;
    metering->births = births;
    reaper_look_around(server, now);
    for (size_t i = 0; i < server->table.count; i++) {
        struct slot *slot = &server->table.slots[i];
        if (is_looked_at(slot) && meet(server, slot, now))
            slot->meter.look_at = now;
    }
}

void meter_run(struct server *server, int64_t now)
{
    struct metering *metering = &server->metering;
    if (metering->looked_at == 0)
        return;
    look_for_oom(metering, now);
    look_for_births(server, now);
    for (size_t i = 0; i < server->table.count; i++) {
        struct slot *slot = &server->table.slots[i];
        if (is_looked_at(slot) && slot->meter.look_at <= now)
            look(server, slot, now);
    }
}

int64_t meter_next(const struct server *server)
{
    if (server->metering.looked_at == 0)
        return LADDER_NEVER;
    int64_t next =
        server->metering.mechanism->method == POOL_MEMORY_SAMPLED ? server->metering.births_at : LADDER_NEVER;
    for (size_t i = 0; i < server->table.count; i++) {
        const struct slot *slot = &server->table.slots[i];
        if (is_looked_at(slot) && slot->meter.look_at < next)
            next = slot->meter.look_at;
    }
    return next;
}

bool meter_is_due(const struct server *server)
{
    return server->metering.looked_at > 0 && meter_next(server) <= process_now_ms();
}

/* Whether the job, or its command, died of a SIGKILL that nobody here has sent. */
static bool was_killed(const struct slot *slot)
{
    if (slot->ladder.reason != KILL_NONE)
        return false;
    if (WIFSIGNALED(slot->status))
        return WTERMSIG(slot->status) == SIGKILL;
    return slot->page->is_command != 0 && slot->page->command_signal == SIGKILL;
}

/* Without a cgroup of its own only the machine's count of all OOM kills tells: vmstat(5). Another's kill in the same
 * second as a SIGKILL from someone else would be taken for this one's. */
static void explain_by_machine(struct server *server, struct slot *slot)
{
    struct metering *metering = &server->metering;
    const uint64_t kills = proc_oom_kills();
    if (kills > metering->oom_kills)
        metering->oom_credit += (unsigned)(kills - metering->oom_kills);
    metering->oom_kills = kills;
    if (metering->oom_credit == 0)
        return;
    metering->oom_credit--;
    slot->meter.oom = OOM_MACHINE;
}

void meter_end(struct server *server, struct slot *slot)
{
    stop(server, &slot->meter);
    server->metering.mechanism->end(server, slot);
    if (server->metering.mechanism->method == POOL_MEMORY_SAMPLED && was_killed(slot))
        explain_by_machine(server, slot);
}

void meter_release(struct server *server, struct slot *slot)
{
    stop(server, &slot->meter);
    server->metering.mechanism->release(server, slot);
}
