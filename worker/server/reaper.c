#include "reaper.h"

#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GIVE_UP_MS     5000 /* what SIGKILL has not ended by then is called unkillable */
#define SWEEP_AGAIN_MS 2
#define SWEEP_PAUSE_MS 64 /* at most, between two tries to end what does not */
#define ASK_MS         50 /* for finding and asking all processes of a job to end */
#define CUT_MOST       16 /* bytes that a pid takes, and more */
#define COUNT_MS       10
#define COUNT_SHARE    20                  /* counting takes at most one part in this of the time */
#define SERIALS_EVER   (UINT64_C(1) << 40) /* that one fork server gives */

int reaper_init(struct reaper *reaper)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    *reaper = (struct reaper){
        .children = open(path, O_RDONLY | O_CLOEXEC), .sweep_at = LADDER_NEVER, .count_at = LADDER_NEVER};
    if (reaper->children >= 0)
        process_descriptor_lift(&reaper->children);
    struct proc_entry self;
    return reaper->children >= 0 ? 0 : proc_entry_read(getpid(), &self); /* is there a /proc to read? */
}

/* ---- strangers ------------------------------------------------------------------------------------------------- */

static const struct reaper_stranger *stranger_find(const struct reaper_strangers *strangers, pid_t pid)
{
    for (size_t i = 0; i < strangers->count; i++)
        if (strangers->all[i].pid == pid)
            return &strangers->all[i];
    return NULL;
}

static void stranger_add(struct reaper_strangers *strangers, const struct reaper_stranger *stranger)
{
    if (strangers->count == strangers->capacity) {
        const size_t capacity = strangers->capacity == 0 ? 64 : strangers->capacity * 2;
        struct reaper_stranger *all = realloc(strangers->all, capacity * sizeof *all);
        if (all == NULL)
            return; /* unknown strangers are looked at again: slower, not wrong */
        strangers->all = all;
        strangers->capacity = capacity;
    }
    strangers->all[strangers->count++] = *stranger;
}

static void stranger_forget(struct reaper_strangers *strangers, pid_t pid)
{
    for (size_t i = 0; i < strangers->count; i++)
        if (strangers->all[i].pid == pid)
            strangers->all[i--] = strangers->all[--strangers->count];
}

static bool serial_is_live(const struct server *server, uint64_t serial)
{
    const struct slot *slot = serial == 0 ? NULL : slot_find(&server->table, serial);
    return slot != NULL && slot->state == SLOT_ALIVE;
}

/* What a child of ours is that is no worker, worst last. */
enum child { CHILD_FINE, CHILD_LEFT, CHILD_UNKNOWN };

/* A known stranger that a live job owns, or that cannot be killed, is nobody to worry about. What a job has left that
 * is over counts for its slot; of what has no owner nobody knows whose it is. */
static enum child child_account(const struct server *server, pid_t pid)
{
    if (slot_find_pid(&server->table, pid) != NULL)
        return CHILD_FINE;
    const struct reaper_stranger *stranger = stranger_find(&server->reaper.known, pid);
    if (stranger != NULL && (stranger->ignored || serial_is_live(server, stranger->serial)))
        return CHILD_FINE;
    struct slot *slot = stranger == NULL || stranger->serial == 0 ? NULL : slot_find(&server->table, stranger->serial);
    if (slot == NULL || slot->state != SLOT_REAPED)
        return CHILD_UNKNOWN;
    slot->left++;
    return CHILD_LEFT;
}

static enum child worse(enum child a, enum child b)
{
    return a > b ? a : b;
}

/* Where the kernel has no children files (CONFIG_PROC_CHILDREN): the same from all of /proc. */
static enum child scan_account(struct server *server)
{
    const struct proc_list *list = &server->reaper.list;
    enum child worst = CHILD_FINE;
    if (proc_list_read(&server->reaper.list) < 0)
        return CHILD_UNKNOWN;
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].parent == server->pid)
            worst = worse(worst, child_account(server, list->entries[i].pid));
    return worst;
}

/* What our children are, at worst; and in each slot of a job that is over how many of them it has left. */
static enum child children_account(struct server *server)
{
    char *text = server->children;
    enum child worst = CHILD_FINE;
    for (size_t i = 0; i < server->table.count; i++)
        server->table.slots[i].left = 0;
    if (server->reaper.children < 0)
        return scan_account(server);
    const ssize_t got = proc_children_text(server->reaper.children, text, sizeof server->children);
    if (got < 0 || got > (ssize_t)sizeof server->children - CUT_MOST) /* there may be more of them */
        return CHILD_UNKNOWN;
    for (char *at = text, *end;; at = end) {
        const long pid = strtol(at, &end, 10);
        if (end == at)
            return worst;
        worst = worse(worst, child_account(server, (pid_t)pid));
    }
}

/* ---- reaping --------------------------------------------------------------------------------------------------- */

static void reap_worker(struct server *server, struct slot *slot, int64_t now)
{
    int status;
    if (wait4(slot->pid, &status, WNOHANG, &slot->usage) != slot->pid)
        return;
    if (slot->unreaped) { /* the host has been told, or is about to be */
        slot->unreaped = false;
        if (slot->state == SLOT_STUCK)
            server_slot_free(server, slot);
        return;
    }
    slot->status = status;
    slot->state = SLOT_REAPED;
    slot->give_up_at = now + GIVE_UP_MS;
    server->reaper.sweep_at = LADDER_NEVER; /* at once */
    server->reaper.sweep_pause = SWEEP_AGAIN_MS;
}

/* Somebody that a job left, and that has ended: what it used is the job's. */
static void reap_stranger(struct server *server, pid_t pid)
{
    struct rusage usage;
    int status;
    struct slot *slot = slot_find(&server->table, proc_tag(pid));
    if (wait4(pid, &status, WNOHANG, &usage) != pid)
        return;
    const struct reaper_stranger *known = stranger_find(&server->reaper.known, pid);
    if (slot == NULL && known != NULL && known->serial != 0)
        slot = slot_find(&server->table, known->serial);
    const bool counted = known != NULL && known->killed;
    stranger_forget(&server->reaper.known, pid);
    if (slot == NULL || slot->state == SLOT_STUCK)
        return;
    const uint64_t peak = (uint64_t)usage.ru_maxrss * 1024;
    slot->processes++;
    /* SIGKILL reached it with the worker's group, or a command with its worker. */
    if (!counted && slot->ladder.rung == LADDER_KILLED && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        slot->killed++;
    slot->left_user_us += (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
    slot->left_system_us += (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
    if (peak > slot->left_peak)
        slot->left_peak = peak;
}

/* Reaps all that have ended: looked at first, for a reaped pid may be anybody's. */
static void reap_all(struct server *server, int64_t now)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        struct slot *slot = slot_find_pid(&server->table, info.si_pid);
        if (slot != NULL)
            reap_worker(server, slot, now);
        else
            reap_stranger(server, info.si_pid);
    }
}

/* ---- the sweep ------------------------------------------------------------------------------------------------- */

static enum sweep_owner lookup(uint64_t serial, void *context)
{
    const struct server *server = context;
    const struct slot *slot = slot_find(&server->table, serial);
    if (slot == NULL || slot->state == SLOT_STUCK || slot->state == SLOT_GONE)
        return SWEEP_UNKNOWN;
    return slot->state == SLOT_ALIVE ? SWEEP_LIVE : SWEEP_DEAD;
}

/* A job that is over has left it: nobody else's to have. */
static bool was_a_job(const struct server *server, uint64_t tag)
{
    return tag != 0 && tag < server->next_serial && server->next_serial - tag < SERIALS_EVER;
}

/* The same process as the last sweep knew it; NULL: it did not. */
static const struct reaper_stranger *stranger_before(const struct server *server, const struct proc_entry *entry)
{
    const struct reaper_stranger *old = stranger_find(&server->reaper.before, entry->pid);
    return old != NULL && old->start == entry->start ? old : NULL;
}

/* Whose a process is that has lost its tag: root's jobs may set that limit anew, as su(1) does. As it was found before
 * (old; NULL: it was not); or as its memory was looked at; or the one job's that there is. 0: not known. */
static uint64_t guess_serial(const struct server *server, const struct proc_entry *entry,
                             const struct reaper_stranger *old)
{
    uint64_t only = 0;
    unsigned jobs = 0;
    if (old != NULL && old->serial != 0)
        return old->serial;
    for (size_t i = 0; i < server->table.count; i++) {
        const struct slot *slot = &server->table.slots[i];
        const bool lives = slot->state == SLOT_ALIVE && atomic_load(&slot->page->phase) == PAGE_BEGUN;
        if (!lives && slot->state != SLOT_REAPED)
            continue;
        if (tree_has(&slot->meter.tree, entry->pid, entry->start))
            return slot->serial;
        only = slot->serial;
        jobs++;
    }
    return jobs == 1 ? only : 0;
}

/* Looks at one process below us that is no worker, and ends it when no live job owns it. */
static void sweep_one(struct server *server, const struct proc_entry *entry, pid_t branch)
{
    const struct slot *worker = slot_find_pid(&server->table, branch);
    struct sweep_process process = {.pid = entry->pid, .branch_serial = worker != NULL ? worker->serial : 0};
    if (worker == NULL) {
        process.tag = proc_tag(entry->pid);
        process.branch_tag = branch == entry->pid ? process.tag : proc_tag(branch);
    }
    const struct reaper_stranger *old = worker == NULL ? stranger_before(server, entry) : NULL;
    uint64_t serial = sweep_belongs(&process, lookup, server);
    if (serial == 0 && !was_a_job(server, process.tag) && !was_a_job(server, process.branch_tag))
        serial = guess_serial(server, entry, old);
    struct slot *slot = serial == 0 ? NULL : slot_find(&server->table, serial);
    struct reaper_stranger stranger = {.pid = entry->pid, .start = entry->start, .serial = serial};
    if (slot != NULL)
        slot->members++;
    if (worker != NULL)
        return;
    if (old != NULL) {
        stranger.killed = old->killed;
        stranger.ignored = old->ignored;
    }
    if (!serial_is_live(server, serial) && !proc_entry_is_over(entry) && sweep_kill(entry, server->pid)) {
        if (!stranger.killed && slot != NULL)
            slot->killed++;
        stranger.killed = true;
    }
    stranger_add(&server->reaper.known, &stranger);
}

static int sweep_pass(struct server *server)
{
    struct reaper *reaper = &server->reaper;
    const struct reaper_strangers swap = reaper->before;
    const int rc = proc_list_read(&reaper->list);
    if (rc < 0)
        return rc;
    reaper->before = reaper->known;
    reaper->known = swap;
    reaper->known.count = 0;
    for (size_t i = 0; i < server->table.count; i++)
        server->table.slots[i].members = 0;
    for (size_t i = 0; i < reaper->list.count; i++) {
        const struct proc_entry *entry = &reaper->list.entries[i];
        const pid_t branch = proc_list_branch(&reaper->list, entry->pid, server->pid);
        if (branch != 0 && slot_find_pid(&server->table, entry->pid) == NULL)
            sweep_one(server, entry, branch);
    }
    return 0;
}

/* What is left of a job cannot be killed: it is reported so, and no longer waited for. */
static void give_up(struct server *server, struct slot *slot)
{
    slot->unkillable = true;
    slot->unreaped = slot->state == SLOT_ALIVE;
    for (size_t i = 0; i < server->reaper.known.count; i++)
        if (server->reaper.known.all[i].serial == slot->serial || server->reaper.known.all[i].serial == 0)
            server->reaper.known.all[i].ignored = true;
    slot->state = SLOT_GONE;
    meter_end(server, slot);
}

/* A sweep counts whom it kills; whoever was forked meanwhile, a cgroup knows. */
static void kill_leftovers(struct server *server)
{
    if (server->metering.mechanism->method != POOL_MEMORY_CGROUP)
        return;
    for (size_t i = 0; i < server->table.count; i++)
        if (server->table.slots[i].state == SLOT_REAPED)
            server->metering.mechanism->kill(server, &server->table.slots[i]);
}

/* Ends what jobs have left that are over. Of whom nobody knows whose it is that is found out at once, others are tried
 * again ever less often. A pass over /proc may miss who is forked meanwhile; our own children cannot be missed: they
 * leave their list only when we reap them. */
static enum child sweep_children(struct server *server, enum child worst, int64_t now)
{
    struct reaper *reaper = &server->reaper;
    if (worst == CHILD_FINE || (worst == CHILD_LEFT && reaper->sweep_at != LADDER_NEVER && now < reaper->sweep_at))
        return worst;
    sweep_pass(server);
    kill_leftovers(server);
    reaper->sweep_pause = reaper->sweep_pause < SWEEP_PAUSE_MS ? reaper->sweep_pause * 2 : SWEEP_PAUSE_MS;
    reaper->sweep_at = now + reaper->sweep_pause;
    return children_account(server);
}

/* Jobs whose worker is reaped: gone when nothing of theirs is left. */
static void settle_reaped(struct server *server, int64_t now)
{
    bool waiting = false;
    for (size_t i = 0; i < server->table.count; i++)
        waiting = waiting || server->table.slots[i].state == SLOT_REAPED;
    const enum child worst = waiting ? sweep_children(server, children_account(server), now) : CHILD_FINE;
    waiting = false;
    for (size_t i = 0; i < server->table.count; i++) {
        struct slot *slot = &server->table.slots[i];
        if (slot->state != SLOT_REAPED)
            continue;
        if (slot->left == 0 && worst != CHILD_UNKNOWN) {
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
    else if (server->reaper.sweep_at == LADDER_NEVER || worst == CHILD_UNKNOWN)
        server->reaper.sweep_at = now + SWEEP_AGAIN_MS;
}

/* ---- killing --------------------------------------------------------------------------------------------------- */

/* Asks all processes of a job to end, each once: in passes, until nobody is new. A command's worker is none of them; it
 * passes the signal on where its command has not been started yet. */
static void ask_slot(struct server *server, struct slot *slot, int64_t now)
{
    pid_t adopted[REAPER_ADOPTED_MAX];
    struct tree tree = {0};
    const bool is_command = slot->page->is_command != 0;
    const bool has_begun = atomic_load(&slot->page->phase) == PAGE_BEGUN;
    if (!has_begun || (is_command && atomic_load(&slot->page->command_pid) == 0) ||
        tree_init(&tree, slot->pid, 0, 0) < 0) {
        kill(slot->pid, SIGTERM);
        kill(slot->pid, SIGCONT);
        return;
    }
    reaper_look_around(server, now);
    do {
        tree_walk(&tree, adopted, reaper_adopted(server, slot->serial, adopted, REAPER_ADOPTED_MAX));
    } while (tree_ask(&tree, is_command ? 1 : 0) > 0 && process_now_ms() - now < ASK_MS);
    tree_deinit(&tree);
}

static void kill_slot(struct server *server, struct slot *slot, enum ladder_action action, int64_t now)
{
    if (action == LADDER_TERM) {
        ask_slot(server, slot, now);
        return;
    }
    if (server->metering.mechanism->method == POOL_MEMORY_CGROUP)
        server->metering.mechanism->kill(server, slot);
    kill(-slot->pid, SIGKILL);
    kill(slot->pid, SIGKILL);
    slot->give_up_at = now + GIVE_UP_MS;
}

static void enforce(struct server *server, int64_t now)
{
    for (size_t i = 0; i < server->table.count; i++) {
        struct slot *slot = &server->table.slots[i];
        if (slot->state != SLOT_ALIVE || slot->unforked || slot->error != 0)
            continue;
        if (now >= slot->birth_deadline && atomic_load(&slot->page->phase) == PAGE_BORN)
            ladder_ask(&slot->ladder, KILL_BIRTH, 0, now);
        const enum ladder_action action = ladder_step(&slot->ladder, now, slot_paused(slot, now));
        if (action != LADDER_WAIT)
            kill_slot(server, slot, action, now);
        if (now >= slot->give_up_at)
            give_up(server, slot);
    }
}

/* Without a cgroup nothing refuses a fork for one job alone, so processes are counted. */
static void count_processes(struct server *server, int64_t now)
{
    bool limited = false;
    for (size_t i = 0; i < server->table.count; i++)
        limited = limited || (server->table.slots[i].state == SLOT_ALIVE && server->table.slots[i].pids >= 0);
    if (!limited) {
        server->reaper.count_at = LADDER_NEVER;
        return;
    }
    if (server->reaper.count_at != LADDER_NEVER && now < server->reaper.count_at)
        return;
    if (sweep_pass(server) == 0)
        for (size_t i = 0; i < server->table.count; i++) {
            struct slot *slot = &server->table.slots[i];
            if (slot->state == SLOT_ALIVE && slot->pids >= 0 && slot->members > (uint64_t)slot->pids)
                ladder_ask(&slot->ladder, KILL_PROCESS_LIMIT, 0, now);
        }
    const int64_t pause = (process_now_ms() - now) * COUNT_SHARE;
    server->reaper.count_at = now + (pause > COUNT_MS ? pause : COUNT_MS);
}

size_t reaper_adopted(struct server *server, uint64_t serial, pid_t *pids, size_t size)
{
    const struct reaper_strangers *known = &server->reaper.known;
    size_t count = 0;
    struct proc_entry now; /* who is no child of ours may have been reaped since, and its pid be anybody's */
    for (size_t i = 0; i < known->count && count < size; i++)
        if (known->all[i].serial == serial && proc_entry_read(known->all[i].pid, &now) == 0 &&
            now.start == known->all[i].start)
            pids[count++] = known->all[i].pid;
    return count;
}

void reaper_look_around(struct server *server, int64_t now)
{
    if (now < server->reaper.look_around_at || children_account(server) == CHILD_FINE)
        return;
    const int64_t start = process_cpu_us();
    sweep_pass(server);
    server->reaper.look_around_at = now + (process_cpu_us() - start) * COUNT_SHARE / 1000;
}

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
    int64_t next =
        server->reaper.sweep_at < server->reaper.count_at ? server->reaper.sweep_at : server->reaper.count_at;
    for (size_t i = 0; i < server->table.count; i++) {
        const struct slot *slot = &server->table.slots[i];
        if (slot->state != SLOT_ALIVE || slot->unforked || slot->error != 0)
            continue;
        int64_t due = ladder_next(&slot->ladder, slot_paused(slot, now));
        if (atomic_load(&slot->page->phase) == PAGE_BORN && slot->birth_deadline < due)
            due = slot->birth_deadline;
        /* While it is stopped its deadline moves away: looked at again when it would have come. */
        if (due <= now && slot->ladder.rung == LADDER_RUNNING)
            due = now + 1;
        if (slot->give_up_at < due)
            due = slot->give_up_at;
        if (due < next)
            next = due;
    }
    return next;
}

int reaper_end_all(pid_t self)
{
    const int64_t give_up_at = process_now_ms() + GIVE_UP_MS;
    const struct timespec pause = {.tv_nsec = SWEEP_AGAIN_MS * 1000000L};
    struct proc_list list = {0};
    sigset_t child;
    int rc = -ETIMEDOUT;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (process_now_ms() < give_up_at) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 && errno == ECHILD) { /* everything below a subreaper is its child in the end */
            rc = 0;
            break;
        }
        if (proc_list_read(&list) == 0)
            for (size_t i = 0; i < list.count; i++)
                if (!proc_entry_is_over(&list.entries[i]) && proc_list_branch(&list, list.entries[i].pid, self) != 0)
                    sweep_kill(&list.entries[i], self);
        sigtimedwait(&child, NULL, &pause);
    }
    proc_list_free(&list);
    return rc;
}
