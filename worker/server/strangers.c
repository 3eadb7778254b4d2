#include "strangers.h"

#include "array.h"
#include "forkserver_state.h"
#include "sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PID_BYTES    16                  /* more than a pid takes in a children file */
#define UPDATE_SHARE 20                  /* updates take at most one part in this of the time */
#define SERIALS_MAX  (UINT64_C(1) << 40) /* of one fork server */

int strangers_init(struct strangers *strangers)
{
    char path[64];
    struct proc_entry self;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    strangers->children = open(path, O_RDONLY | O_CLOEXEC);
    if (strangers->children < 0)
        return proc_entry_read(getpid(), &self);
    process_descriptor_lift(&strangers->children);
    return 0;
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */

static const struct stranger *list_find(const struct stranger_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->all[i].pid == pid)
            return &list->all[i];
    return NULL;
}

static void list_add(struct stranger_list *list, const struct stranger *stranger)
{
    struct stranger *all = array_grow(list->all, list->count, &list->capacity, sizeof *all);
    if (all == NULL)
        return; /* the next sweep looks at an unknown stranger again: slower, not wrong */
    list->all = all;
    list->all[list->count++] = *stranger;
}

const struct stranger *strangers_find(const struct strangers *strangers, pid_t pid)
{
    return list_find(&strangers->known, pid);
}

void strangers_forget(struct strangers *strangers, pid_t pid)
{
    struct stranger_list *known = &strangers->known;
    for (size_t i = 0; i < known->count; i++)
        if (known->all[i].pid == pid)
            known->all[i--] = known->all[--known->count];
}

void strangers_ignore(struct strangers *strangers, uint64_t serial)
{
    for (size_t i = 0; i < strangers->known.count; i++) {
        struct stranger *stranger = &strangers->known.all[i];
        stranger->ignored = stranger->ignored || stranger->serial == serial || stranger->serial == 0;
    }
}

size_t strangers_of_job(const struct strangers *strangers, uint64_t serial, pid_t *pids, size_t size)
{
    const struct stranger_list *known = &strangers->known;
    size_t count = 0;
    struct proc_entry now; /* one that is no child of ours may have been reaped, and its pid given to another process */
    for (size_t i = 0; i < known->count && count < size; i++)
        if (known->all[i].serial == serial && proc_entry_read(known->all[i].pid, &now) == 0 &&
            now.start == known->all[i].start)
            pids[count++] = known->all[i].pid;
    return count;
}

/* ---- children -------------------------------------------------------------------------------------------------- */

static bool is_live_job(const struct server *server, uint64_t serial)
{
    const struct slot *slot = serial == 0 ? NULL : slot_find(server, serial);
    return slot != NULL && slot->state == SLOT_ALIVE;
}

static enum strangers_worst count_child(const struct server *server, pid_t pid)
{
    if (slot_find_pid(server, pid) != NULL)
        return STRANGERS_NONE;
    const struct stranger *stranger = strangers_find(&server->strangers, pid);
    if (stranger != NULL && (stranger->ignored || is_live_job(server, stranger->serial)))
        return STRANGERS_NONE;
    struct slot *slot = stranger == NULL || stranger->serial == 0 ? NULL : slot_find(server, stranger->serial);
    if (slot == NULL || slot->state != SLOT_REAPED)
        return STRANGERS_UNKNOWN;
    slot->left++;
    return STRANGERS_LEFT;
}

static enum strangers_worst worse(enum strangers_worst a, enum strangers_worst b)
{
    return a > b ? a : b;
}

/* For kernels without children files (CONFIG_PROC_CHILDREN). */
static enum strangers_worst count_in_proc(struct server *server)
{
    struct proc_list *list = &server->strangers.list;
    enum strangers_worst worst = STRANGERS_NONE;
    if (proc_list_read(list) < 0)
        return STRANGERS_UNKNOWN;
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].parent == server->pid)
            worst = worse(worst, count_child(server, list->entries[i].pid));
    return worst;
}

enum strangers_worst strangers_count(struct server *server)
{
    struct strangers *strangers = &server->strangers;
    enum strangers_worst worst = STRANGERS_NONE;
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        slot->left = 0;
    if (strangers->children < 0)
        return count_in_proc(server);
    const ssize_t got = proc_children_text(strangers->children, strangers->text, sizeof strangers->text);
    if (got < 0 || got > (ssize_t)sizeof strangers->text - PID_BYTES) /* there may be more of them */
        return STRANGERS_UNKNOWN;
    for (char *at = strangers->text, *end;; at = end) {
        const long pid = strtol(at, &end, 10);
        if (end == at)
            return worst;
        worst = worse(worst, count_child(server, (pid_t)pid));
    }
}

/* ---- the sweep ------------------------------------------------------------------------------------------------- */

static bool is_known(uint64_t serial, void *server)
{
    const struct slot *slot = slot_find(server, serial);
    return slot != NULL && (slot->state == SLOT_ALIVE || slot->state == SLOT_REAPED);
}

/* Whether this fork server gave that serial to a job, which then owns the process even if it is over. */
static bool is_our_serial(const struct server *server, uint64_t tag)
{
    return tag != 0 && tag < server->next_serial && server->next_serial - tag < SERIALS_MAX;
}

/* The owner of a process without a tag: a job of root may set that limit anew, as su(1) does. It is the owner that the
 * last sweep found (old; NULL: none); or the job whose memory was measured with it; or the only job. 0: unknown. */
static uint64_t guess_serial(const struct server *server, const struct proc_entry *entry, const struct stranger *old)
{
    uint64_t only = 0;
    unsigned jobs = 0;
    if (old != NULL && old->serial != 0)
        return old->serial;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++) {
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

/* The same process as the last sweep found it; NULL: it did not. */
static const struct stranger *find_before(const struct server *server, const struct proc_entry *entry)
{
    const struct stranger *old = list_find(&server->strangers.before, entry->pid);
    return old != NULL && old->start == entry->start ? old : NULL;
}

/* branch: the child of the fork server that the process descends from. */
static void sweep_one(struct server *server, const struct proc_entry *entry, pid_t branch)
{
    const struct slot *worker = slot_find_pid(server, branch);
    struct sweep_process process = {.branch_serial = worker != NULL ? worker->serial : 0};
    if (worker == NULL) {
        process.tag = proc_tag(entry->pid);
        process.branch_tag = branch == entry->pid ? process.tag : proc_tag(branch);
    }
    const struct stranger *old = worker == NULL ? find_before(server, entry) : NULL;
    uint64_t serial = sweep_belongs(&process, is_known, server);
    if (serial == 0 && !is_our_serial(server, process.tag) && !is_our_serial(server, process.branch_tag))
        serial = guess_serial(server, entry, old);
    struct slot *slot = serial == 0 ? NULL : slot_find(server, serial);
    if (slot != NULL)
        slot->members++;
    if (worker != NULL)
        return;
    struct stranger stranger = old != NULL ? *old : (struct stranger){.pid = entry->pid, .start = entry->start};
    stranger.serial = serial;
    if (!is_live_job(server, serial) && !proc_entry_is_over(entry) && sweep_signal(entry, server->pid, SIGKILL)) {
        if (!stranger.killed && slot != NULL)
            slot->killed++;
        stranger.killed = true;
    }
    list_add(&server->strangers.known, &stranger);
}

int strangers_sweep(struct server *server)
{
    struct strangers *strangers = &server->strangers;
    const struct stranger_list swap = strangers->before;
    const int rc = proc_list_read(&strangers->list);
    if (rc < 0)
        return rc;
    strangers->before = strangers->known;
    strangers->known = swap;
    strangers->known.count = 0;
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++)
        slot->members = 0;
    for (size_t i = 0; i < strangers->list.count; i++) {
        const struct proc_entry *entry = &strangers->list.entries[i];
        const pid_t branch = proc_list_branch(&strangers->list, entry->pid, server->pid);
        if (branch != 0 && slot_find_pid(server, entry->pid) == NULL)
            sweep_one(server, entry, branch);
    }
    return 0;
}

void strangers_update(struct server *server, int64_t now)
{
    if (now < server->strangers.next_at || strangers_count(server) == STRANGERS_NONE)
        return;
    const int64_t start = process_cpu_us();
    strangers_sweep(server);
    server->strangers.next_at = now + (process_cpu_us() - start) * UPDATE_SHARE / 1000;
}
