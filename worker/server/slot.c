#include "slot.h"

#include "amount.h"
#include "crash.h"
#include "descriptor.h"
#include "forkserver_state.h"
#include "usage.h"

#include <errno.h>
#include <reclaim/pool.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIRTH_DEADLINE_MS 10000

/* Serials tag processes, also of pools inside jobs: no two fork servers may give the same. The low half counts. */
static uint64_t first_serial(void)
{
    uint32_t high;
    if (process_random(&high, sizeof high) < 0)
        high = (uint32_t)getpid() ^ (uint32_t)process_now_ms();
    return (uint64_t)(high >> 1) << 32 | 1;
}

int slot_table_init(struct server *server, size_t count)
{
    const size_t slots = count * sizeof *server->slots;
    void *memory = mmap(NULL, slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    madvise(memory, slots, MADV_DONTFORK);
    server->slots = memory;
    server->slots_end = server->slots + count;
    server->next_serial = first_serial();
    const int rc = area_create(count, server->areas);
    if (rc < 0)
        return rc;
    process_descriptor_lift(&server->areas[0]);
    process_descriptor_lift(&server->areas[1]);
    void *window = mmap(NULL, AREA_TASK_SIZE + area_page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (window == MAP_FAILED)
        return -errno;
    server->window = window;
    server->spare = (struct slot_ends)SLOT_NO_ENDS;
    return area_map_pages(&server->area, count, server->areas[1]);
}

size_t slot_index(const struct server *server, const struct slot *slot)
{
    return (size_t)(slot - server->slots);
}

uint64_t slot_draw(struct server *server)
{
    struct secrets *secrets = &server->secrets;
    if (secrets->left == 0) {
        secrets->left = SECRETS_DRAWN;
        if (process_random(secrets->drawn, sizeof secrets->drawn) < 0)
            for (size_t i = 0; i < SECRETS_DRAWN; i++)
                secrets->drawn[i] = ((uint64_t)process_now_ms() + i) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return secrets->drawn[--secrets->left];
}

struct slot *slot_take(struct server *server)
{
    struct slot *slot = server->slots;
    while (slot < server->slots_end && slot->state != SLOT_FREE)
        slot++;
    if (slot == server->slots_end)
        return NULL;
    *slot = (struct slot){
        .state = SLOT_ALIVE,
        .serial = server->next_serial++,
        .ends = SLOT_NO_ENDS,
        .birth_deadline = process_now_ms() + BIRTH_DEADLINE_MS,
        .give_up_at = LADDER_NEVER,
        .cpu_ms = -1,
        .pids = -1,
        .page = area_page(&server->area, slot_index(server, slot)),
        .meter = {.limit = -1, .every_ms = -1, .look_at = LADDER_NEVER, .leaf = -1, .current = -1},
    };
    ladder_init(&slot->ladder);
    slot->secret = slot_draw(server) | 1;    /* never 0, which a job can make of the word */
    memset(slot->page, 0, area_page_size()); /* all of it: the last worker of this slot may have written anywhere */
    atomic_store(&slot->page->head.untaken, slot->secret);
    return slot;
}

void slot_free(struct server *server, struct slot *slot)
{
    server->metering.mechanism->release(server, slot);
    descriptor_close_pair(slot->ends.host);
    descriptor_close_pair(slot->ends.worker);
    slot->state = SLOT_FREE;
    slot->serial = 0;
    slot->pid = 0;
    slot->unreaped = false;
}

struct slot *slot_find(const struct server *server, uint64_t serial)
{
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        if (slot->state != SLOT_FREE && slot->serial == serial)
            return slot;
    return NULL;
}

struct slot *slot_find_pid(const struct server *server, pid_t pid)
{
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        if (slot->pid == pid && (slot->state == SLOT_ALIVE || slot->unreaped))
            return slot;
    return NULL;
}

int64_t slot_paused(const struct slot *slot, int64_t now)
{
    if (!slot->pausable)
        return 0;
    const int64_t since = atomic_load(&slot->page->stopped_since_ms);
    const int64_t before = atomic_load(&slot->page->stopped_ms);
    const int64_t open = since > 0 && since < now ? now - since : 0;
    if (before <= 0) /* the job may have written over its page: none of it may overflow */
        return open;
    return before < now - open ? before + open : now;
}

/* Killed by the kernel for its CPU limit, or by its second, hard limit? */
static bool over_cpu(const struct slot *slot, uint64_t cpu_us)
{
    if (slot->cpu_ms < 0 || !WIFSIGNALED(slot->status))
        return false;
    const int signal = WTERMSIG(slot->status);
    return signal == SIGXCPU || (signal == SIGKILL && cpu_us / 1000 >= (uint64_t)slot->cpu_ms);
}

static uint64_t microseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

/* How much memory its job added, and how that was measured. */
static void report_memory(const struct metering *metering, const struct slot *slot, struct message_gone *gone)
{
    const struct page *page = slot->page;
    const struct meter *meter = &slot->meter;
    const bool looked = meter->looks > 0;
    const struct usage_peak peak = usage_peak(&(struct usage_raw){
        .most = (uint64_t)slot->usage.ru_maxrss * 1024,
        .left = slot->left_peak,
        .baseline = page->baseline,
        .inherited = page->inherited,
        .file = amount_larger(page->file, meter->tree.file),
        .written = page->is_command == 0 ? atomic_load(&page->written) : 0,
        .is_command = page->is_command != 0,
        .sampled = looked,
        .sum = meter->most,
        .vague = meter->vague,
        .rewritten = meter->rewritten,
    });
    gone->oom = meter->oom;
    if (gone->begun == 0 || page->baseline == 0 || slot->unkillable)
        return;
    gone->method = looked ? metering->mechanism->method : POOL_MEMORY_RUSAGE;
    gone->peak = peak.peak;
    gone->bound = peak.bound;
    if (metering->cgroup.peak && looked) { /* the kernel's own count */
        gone->peak = meter->most;
        gone->bound = 0;
    }
}

void slot_report(struct server *server, const struct slot *slot, struct message_gone *gone)
{
    const struct page *page = slot->page;
    const uint32_t frame = atomic_load(&page->frame_size);
    *gone = (struct message_gone){
        .serial = slot->serial,
        .status = slot->status,
        .reason = slot->ladder.reason,
        .ready = atomic_load(&page->phase) != PAGE_BORN,
        .begun = atomic_load(&page->head.untaken) != slot->secret,
        .user_us = microseconds(&slot->usage.ru_utime) + slot->left_user_us,
        .system_us = microseconds(&slot->usage.ru_stime) + slot->left_system_us,
        .minor_faults = (uint64_t)slot->usage.ru_minflt,
        .major_faults = (uint64_t)slot->usage.ru_majflt,
        .processes = amount_larger(slot->processes, slot->killed),
        .killed = slot->killed,
        .unkillable = slot->unkillable,
        .seen = slot->meter.tree.seen,
        .crash = {server->crash, crash_describe(page, server->crash, sizeof server->crash)},
        .frame = {page->frame, frame <= PAGE_FRAME_MAX ? frame : 0},
    };
    report_memory(&server->metering, slot, gone);
    if (gone->reason == KILL_NONE && over_cpu(slot, gone->user_us + gone->system_us))
        gone->reason = KILL_CPU_LIMIT;
}
