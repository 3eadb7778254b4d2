#include "meter.h"

#include "amount.h"
#include "descriptor.h"
#include "forkserver_state.h"
#include "moment.h"
#include "rhythm.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define REPORT_STEP  ((uint64_t)4 << 20) /* less growth is not reported, nor less than one part in REPORT_SHARE */
#define REPORT_SHARE 8
#define OOM_LOOK_MS  1000 /* for so long an OOM kill may still be matched to a job that died */

/* -1 where the file is not the kernel's: that of some containers is a few seconds late. */
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

int meter_open(struct metering *metering, const struct cgroup_place *place, char *why, size_t why_size)
{
    metering->cgroup.dir = metering->cgroup.base = metering->loadavg = -1;
    metering->mechanism = &meter_sampled;
    const int rc = place->path[0] == '\0' ? 0 : cgroup_pool_open(place, &metering->cgroup, why, why_size);
    if (metering->cgroup.dir >= 0)
        metering->mechanism = &meter_cgroup;
    return rc;
}

void meter_begin(struct metering *metering)
{
    metering->loadavg = open_loadavg();
    metering->oom_kills = proc_oom_kills();
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

static void decide_report(struct meter *meter, int64_t now)
{
    const bool grew = meter->most >= meter->reported + amount_larger(meter->reported / REPORT_SHARE, REPORT_STEP);
    if (grew || (meter->every_ms > 0 && now - meter->reported_at >= meter->every_ms))
        meter->report_due = true;
}

static bool has_new_processes(struct server *server, struct slot *slot, int64_t now)
{
    const struct meter_mechanism *mechanism = server->metering.mechanism;
    slot->meter.walked_at = now;
    return mechanism->walk != NULL && mechanism->walk(server, slot);
}

static void look(struct server *server, struct slot *slot, int64_t now)
{
    struct meter *meter = &slot->meter;
    const uint64_t before = meter->used;
    const int64_t start = process_cpu_us();
    if (now - meter->walked_at >= RHYTHM_SINGLE_MS)
        has_new_processes(server, slot, now);
    server->metering.mechanism->look(server, slot, now);
    meter->looks++;
    const bool sampled = server->metering.mechanism->method == POOL_MEMORY_SAMPLED;
    if (sampled && meter->sure && meter->limit >= 0 && meter->used > (uint64_t)meter->limit) {
        ladder_ask(&slot->ladder, KILL_MEMORY_LIMIT, 0, now);
        server->metering.mechanism->kill(server, slot);
    }
    decide_report(meter, now);
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

/* Forgets OOM kills to which no job was matched: they hit others. Those since the last look may still be matched, when
 * their victim is reaped. */
static void forget_oom_kills(struct metering *metering, int64_t now)
{
    if (now - metering->oom_at < OOM_LOOK_MS)
        return;
    const uint64_t kills = proc_oom_kills();
    metering->oom_at = now;
    metering->oom_credit = (unsigned)amount_less(kills, metering->oom_kills);
    metering->oom_kills = kills;
}

/* A job that is looked at seldom may have started processes, and must then be looked at often. */
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
    strangers_update(server, now);
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        if (is_looked_at(slot) && has_new_processes(server, slot, now))
            slot->meter.look_at = now;
}

void meter_run(struct server *server, int64_t now)
{
    struct metering *metering = &server->metering;
    if (metering->looked_at == 0)
        return;
    forget_oom_kills(metering, now);
    look_for_births(server, now);
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        if (is_looked_at(slot) && slot->meter.look_at <= now)
            look(server, slot, now);
}

int64_t meter_next(const struct server *server)
{
    if (server->metering.looked_at == 0)
        return LADDER_NEVER;
    int64_t next =
        server->metering.mechanism->method == POOL_MEMORY_SAMPLED ? server->metering.births_at : LADDER_NEVER;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++)
        if (is_looked_at(slot))
            next = moment_earlier(next, slot->meter.look_at);
    return next;
}

bool meter_is_due(const struct server *server)
{
    return server->metering.looked_at > 0 && meter_next(server) <= process_now_ms();
}

/* Whether the job, or its command, died of a SIGKILL that we did not send. */
static bool was_killed(const struct slot *slot)
{
    if (slot->ladder.reason != KILL_NONE)
        return false;
    if (WIFSIGNALED(slot->status))
        return WTERMSIG(slot->status) == SIGKILL;
    return slot->page->is_command != 0 && slot->page->command_signal == SIGKILL;
}

/* Without a cgroup there is only the machine's count of OOM kills: vmstat(5). If an OOM kill elsewhere and another
 * SIGKILL here fall into the same second, they count as one. */
static bool was_killed_by_oom(struct metering *metering)
{
    const uint64_t kills = proc_oom_kills();
    metering->oom_credit += (unsigned)amount_less(kills, metering->oom_kills);
    metering->oom_kills = kills;
    if (metering->oom_credit == 0)
        return false;
    metering->oom_credit--;
    return true;
}

void meter_end(struct server *server, struct slot *slot)
{
    struct metering *metering = &server->metering;
    if (slot->meter.look_at != LADDER_NEVER) {
        slot->meter.look_at = LADDER_NEVER;
        metering->looked_at--;
    }
    if (metering->mechanism->end != NULL)
        metering->mechanism->end(server, slot);
    if (metering->mechanism->method == POOL_MEMORY_SAMPLED && was_killed(slot) && was_killed_by_oom(metering))
        slot->meter.oom = OOM_MACHINE;
}
