#include "slot.h"

#include "crash.h"
#include "usage.h"

#include <errno.h>
#include <reclaim/pool.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A page of the machine may be larger than the struct needs. */
static size_t page_stride(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return page > PAGE_SIZE_BYTES ? page : PAGE_SIZE_BYTES;
}

int slot_table_init(struct slot_table *table, size_t count)
{
    const size_t slots = count * sizeof *table->slots;
    void *memory = mmap(NULL, slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    void *pages = mmap(NULL, count * page_stride(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        const int error = errno;
        munmap(memory, slots);
        return -error;
    }
    madvise(memory, slots, MADV_DONTFORK);
    madvise(pages, count * page_stride(), MADV_DONTFORK);
    *table = (struct slot_table){.slots = memory, .pages = pages, .count = count};
    return 0;
}

struct slot *slot_take(struct slot_table *table, uint64_t serial)
{
    for (size_t i = 0; i < table->count; i++) {
        struct slot *slot = &table->slots[i];
        if (slot->state != SLOT_FREE)
            continue;
        *slot = (struct slot){
            .state = SLOT_ALIVE,
            .serial = serial,
            .host_ends = {-1, -1},
            .worker_ends = {-1, -1},
            .cpu_ms = -1,
            .pids = -1,
            .give_up_at = LADDER_NEVER,
            .page = (struct page *)(void *)((char *)table->pages + i * page_stride()),
        };
        ladder_init(&slot->ladder);
        meter_init(&slot->meter);
        memset(slot->page, 0, page_stride()); /* all of it: the last worker of this slot may have written anywhere */
        return slot;
    }
    return NULL;
}

void slot_free(struct slot *slot)
{
    slot->state = SLOT_FREE;
    slot->serial = 0;
    slot->pid = 0;
    slot->unreaped = false;
}

struct slot *slot_find(const struct slot_table *table, uint64_t serial)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->slots[i].state != SLOT_FREE && table->slots[i].serial == serial)
            return &table->slots[i];
    return NULL;
}

struct slot *slot_find_pid(const struct slot_table *table, pid_t pid)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->slots[i].pid == pid && (table->slots[i].state == SLOT_ALIVE || table->slots[i].unreaped))
            return &table->slots[i];
    return NULL;
}

void slot_page_share(const struct slot *slot, bool share)
{
    madvise(slot->page, page_stride(), share ? MADV_DOFORK : MADV_DONTFORK);
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

/* What its job added to memory, and how that is known. */
static void report_memory(const struct slot *slot, const struct metering *metering, struct message_gone *gone)
{
    const struct page *page = slot->page;
    const struct meter *meter = &slot->meter;
    const bool looked = meter->looks > 0;
    const struct usage_peak peak = usage_peak(&(struct usage_raw){
        .most = (uint64_t)slot->usage.ru_maxrss * 1024,
        .left = slot->left_peak,
        .baseline = page->baseline,
        .inherited = page->inherited,
        .file = page->file > meter->tree.file ? page->file : meter->tree.file,
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
    if (metering->cgroup.peak && looked) { /* the kernel's own word */
        gone->peak = meter->most;
        gone->bound = 0;
    }
}

void slot_report(const struct slot *slot, const struct metering *metering, char *crash, size_t crash_size,
                 struct message_gone *gone)
{
    const struct page *page = slot->page;
    const uint32_t frame = atomic_load(&page->frame_size);
    *gone = (struct message_gone){
        .serial = slot->serial,
        .status = slot->status,
        .reason = slot->ladder.reason,
        .ready = atomic_load(&page->phase) != PAGE_BORN,
        .begun = atomic_load(&page->phase) == PAGE_BEGUN,
        .user_us = microseconds(&slot->usage.ru_utime) + slot->left_user_us,
        .system_us = microseconds(&slot->usage.ru_stime) + slot->left_system_us,
        .minor_faults = (uint64_t)slot->usage.ru_minflt,
        .major_faults = (uint64_t)slot->usage.ru_majflt,
        .processes = slot->processes > slot->killed ? slot->processes : slot->killed,
        .killed = slot->killed,
        .unkillable = slot->unkillable,
        .met = slot->meter.tree.met,
        .crash = {crash, crash_describe(page, crash, crash_size)},
        .frame = {page->frame, frame <= PAGE_FRAME_MAX ? frame : 0},
    };
    report_memory(slot, metering, gone);
    if (gone->reason == KILL_NONE && over_cpu(slot, gone->user_us + gone->system_us))
        gone->reason = KILL_CPU_LIMIT;
}
