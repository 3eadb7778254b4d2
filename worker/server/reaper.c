#include "reaper.h"

#include "amount.h"
#include "moment.h"
#include "proc.h"

#include <signal.h>
#include <sys/wait.h>

#define GIVE_UP_MS     5000 /* processes that SIGKILL has not ended by then count as unkillable */
#define SWEEP_AGAIN_MS 2
#define SWEEP_PAUSE_MS 64 /* longest pause between two sweeps */
#define ASK_MS         50 /* for sending SIGTERM to all processes of a job */
#define COUNT_MS       10
#define COUNT_SHARE    20 /* counting takes at most one part in this of the time */

/* ---- reaping --------------------------------------------------------------------------------------------------- */

static void reap_worker(struct server *server, struct slot *slot, int64_t now)
{
    int status;
    if (wait4(slot->pid, &status, WNOHANG, &slot->usage) != slot->pid)
        return;
    if (slot->unreaped) { /* its report is sent, or about to be */
        slot->unreaped = false;
        if (slot->state == SLOT_STUCK)
            slot_free(server, slot);
        return;
    }
    slot->status = status;
    slot->state = SLOT_REAPED;
    slot->give_up_at = now + GIVE_UP_MS;
    server->reaper.sweep_at = LADDER_NEVER; /* at once */
    server->reaper.sweep_pause = SWEEP_AGAIN_MS;
}

/* A process that a job left behind: its usage is the job's. */
static void reap_stranger(struct server *server, pid_t pid)
{
    struct rusage usage;
    int status;
    struct slot *slot = slot_find(server, proc_tag(pid));
    if (wait4(pid, &status, WNOHANG, &usage) != pid)
        return;
    const struct stranger *known = strangers_find(&server->strangers, pid);
    if (slot == NULL && known != NULL && known->serial != 0)
        slot = slot_find(server, known->serial);
    const bool counted = known != NULL && known->killed;
    strangers_forget(&server->strangers, pid);
    if (slot == NULL || slot->state == SLOT_STUCK)
        return;
    slot->processes++;
    /* SIGKILL reached it with the worker's group, or a command with its worker. */
    if (!counted && slot->ladder.state == LADDER_KILLED && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        slot->killed++;
    slot->left_user_us += (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
    slot->left_system_us += (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
    slot->left_peak = amount_larger(slot->left_peak, (uint64_t)usage.ru_maxrss * 1024);
}

/* A command may stop the worker that waits for its end. A function is its worker, and may stop itself. The worker
 * passes on what kill(2) sends it, so this comes by sigqueue(3). */
static void continue_stopped(const struct slot *slot, pid_t pid)
{
    siginfo_t info;
    if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG) == 0 && slot != NULL && slot->page->is_command != 0)
        sigqueue(pid, SIGCONT, (union sigval){0});
}

/* Reaps every child that has ended. Each is looked up first: once reaped, its pid may belong to another process. */
static void reap_all(struct server *server, int64_t now)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        struct slot *slot = slot_find_pid(server, info.si_pid);
        if (info.si_code == CLD_STOPPED)
            continue_stopped(slot, info.si_pid);
        else if (slot != NULL)
            reap_worker(server, slot, now);
        else
            reap_stranger(server, info.si_pid);
    }
}

/* ---- jobs whose worker is reaped ------------------------------------------------------------------------------- */

/* A process of the job cannot be killed: the report says so, and nothing waits for it any longer. */
static void give_up(struct server *server, struct slot *slot)
{
    slot->unkillable = true;
    slot->unreaped = slot->state == SLOT_ALIVE;
    strangers_ignore(&server->strangers, slot->serial);
    slot->state = SLOT_GONE;
    meter_end(server, slot);
}

/* A sweep counts the processes that it kills. A cgroup also kills those that were forked during the sweep. */
static void kill_leftovers(struct server *server)
{
    if (server->metering.mechanism->method != POOL_MEMORY_CGROUP)
        return;
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        if (slot->state == SLOT_REAPED)
            server->metering.mechanism->kill(server, slot);
}

/* Ends what jobs that are over have left. Strangers of unknown owner are swept at once, others ever less often. A pass
 * over /proc may miss a process that is forked meanwhile; our own children cannot be missed: they stay in the children
 * file until we reap them. */
static enum strangers_worst sweep_leftovers(struct server *server, enum strangers_worst worst, int64_t now)
{
    struct reaper *reaper = &server->reaper;
    if (worst == STRANGERS_NONE ||
        (worst == STRANGERS_LEFT && reaper->sweep_at != LADDER_NEVER && now < reaper->sweep_at))
        return worst;
    strangers_sweep(server);
    kill_leftovers(server);
    reaper->sweep_pause = reaper->sweep_pause < SWEEP_PAUSE_MS ? reaper->sweep_pause * 2 : SWEEP_PAUSE_MS;
    reaper->sweep_at = now + reaper->sweep_pause;
    return strangers_count(server);
}

static void settle_reaped(struct server *server, int64_t now)
{
    bool waiting = false;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++)
        waiting = waiting || slot->state == SLOT_REAPED;
    const enum strangers_worst worst = waiting ? sweep_leftovers(server, strangers_count(server), now) : STRANGERS_NONE;
    waiting = false;
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++) {
        if (slot->state != SLOT_REAPED)
            continue;
        if (slot->left == 0 && worst != STRANGERS_UNKNOWN) {
            slot->state = SLOT_GONE;
            meter_end(server, slot);
        } else if (now >= slot->give_up_at) {
            give_up(server, slot);
        } else {
            waiting = true;
        }
    }
    if (!waiting)
        server->reaper.sweep_at = LADDER_NEVER;
    else if (server->reaper.sweep_at == LADDER_NEVER || worst == STRANGERS_UNKNOWN)
        server->reaper.sweep_at = now + SWEEP_AGAIN_MS;
}

/* ---- killing --------------------------------------------------------------------------------------------------- */

/* Sends SIGTERM to all processes of a job, once each, in passes until there is no new one. A command's worker gets none
 * but before its command has started: it passes the signal on. */
static void terminate(struct server *server, struct slot *slot, int64_t now)
{
    pid_t strangers[STRANGERS_MAX];
    struct tree tree = {0};
    const bool is_command = slot->page->is_command != 0;
    const bool has_begun = atomic_load(&slot->page->phase) == PAGE_BEGUN;
    if (!has_begun || (is_command && atomic_load(&slot->page->command_pid) == 0) ||
        tree_init(&tree, slot->pid, 0, 0) < 0) {
        kill(slot->pid, SIGTERM);
        kill(slot->pid, SIGCONT);
        return;
    }
    strangers_update(server, now);
    do {
        tree_walk(&tree, strangers, strangers_of_job(&server->strangers, slot->serial, strangers, STRANGERS_MAX));
    } while (tree_terminate(&tree, is_command ? 1 : 0) > 0 && process_now_ms() - now < ASK_MS);
    tree_deinit(&tree);
}

static void kill_all(struct server *server, struct slot *slot, int64_t now)
{
    if (server->metering.mechanism->method == POOL_MEMORY_CGROUP)
        server->metering.mechanism->kill(server, slot);
    kill(-slot->pid, SIGKILL);
    kill(slot->pid, SIGKILL);
    slot->give_up_at = now + GIVE_UP_MS;
}

static bool has_worker(const struct slot *slot)
{
    return slot->state == SLOT_ALIVE && !slot->unforked && slot->error == 0;
}

static void enforce(struct server *server, int64_t now)
{
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++) {
        if (!has_worker(slot))
            continue;
        if (now >= slot->birth_deadline && atomic_load(&slot->page->phase) == PAGE_BORN)
            ladder_ask(&slot->ladder, KILL_BIRTH, 0, now);
        const enum ladder_action action = ladder_step(&slot->ladder, now, slot_paused(slot, now));
        if (action == LADDER_TERM)
            terminate(server, slot, now);
        else if (action == LADDER_KILL)
            kill_all(server, slot, now);
        if (now >= slot->give_up_at)
            give_up(server, slot);
    }
}

static bool has_process_limit(const struct slot *slot)
{
    return slot->state == SLOT_ALIVE && slot->pids >= 0;
}

/* Without a cgroup the kernel refuses no fork for one job alone, so processes are counted. */
static void count_processes(struct server *server, int64_t now)
{
    bool limited = false;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++)
        limited = limited || has_process_limit(slot);
    if (!limited) {
        server->reaper.count_at = LADDER_NEVER;
        return;
    }
    if (server->reaper.count_at != LADDER_NEVER && now < server->reaper.count_at)
        return;
    if (strangers_sweep(server) == 0)
        for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
            if (has_process_limit(slot) && slot->members > (uint64_t)slot->pids)
                ladder_ask(&slot->ladder, KILL_PROCESS_LIMIT, 0, now);
    server->reaper.count_at = now + moment_later((process_now_ms() - now) * COUNT_SHARE, COUNT_MS);
}

/* ---- when ------------------------------------------------------------------------------------------------------ */

void reaper_run(struct server *server, bool reap, int64_t now)
{
    if (reap)
        reap_all(server, now);
    count_processes(server, now);
    enforce(server, now);
    settle_reaped(server, now);
}

int64_t reaper_next(const struct server *server, int64_t now)
{
    int64_t next = moment_earlier(server->reaper.sweep_at, server->reaper.count_at);
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++) {
        if (!has_worker(slot))
            continue;
        int64_t due = ladder_next(&slot->ladder, slot_paused(slot, now));
        if (atomic_load(&slot->page->phase) == PAGE_BORN)
            due = moment_earlier(due, slot->birth_deadline);
        if (due <= now && slot->ladder.state == LADDER_RUNNING)
            due = now + 1; /* the deadline of a stopped command moves away: looked at again when it would have come */
        next = moment_earlier(next, moment_earlier(due, slot->give_up_at));
    }
    return next;
}
