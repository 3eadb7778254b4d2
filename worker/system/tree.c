#include "tree.h"

#include "amount.h"
#include "array.h"
#include "descriptor.h"
#include "process.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPPED_SLACK ((uint64_t)256 << 10) /* file pages and shared memory are told apart again after such a change */
#define FAULT_AROUND ((uint64_t)64 << 10)  /* bytes of shared memory that one fault can map: fault_around_bytes */
#define OPEN_SHARE   4                     /* trees keep at most one part in this of our descriptors open */

static size_t open_count; /* of all trees */

static size_t open_most(void)
{
    static size_t most;
    struct rlimit limit;
    if (most == 0)
        most =
            getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 4096 ? (size_t)limit.rlim_cur / OPEN_SHARE : 1024;
    return most;
}

/* A file of /proc/PID, kept open. -1: there are too many, or the process is gone. */
static int keep_open(pid_t pid, const char *file, int flags)
{
    char path[64];
    if (open_count >= open_most())
        return -1;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    process_descriptor_lift(&fd); /* low numbers are for what jobs' fork handlers remember: see process_gap_end */
    open_count++;
    return fd;
}

static void process_open(struct tree_process *process)
{
    char children[32];
    snprintf(children, sizeof children, "task/%d/children", (int)process->pid);
    process->statm = keep_open(process->pid, "statm", O_RDONLY);
    process->children = keep_open(process->pid, children, O_RDONLY);
    process->threads = keep_open(process->pid, "task", O_RDONLY | O_DIRECTORY);
}

static void process_close(struct tree_process *process)
{
    int *const fds[] = {&process->statm, &process->children, &process->threads};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        open_count -= *fds[i] >= 0;
        descriptor_close(fds[i]);
    }
}

static struct tree_process *tree_find(const struct tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->all[i].pid == pid)
            return &tree->all[i];
    return NULL;
}

/* If only its first thread has ended, reads the memory of another from now on. */
static bool process_is_over(struct tree_process *process)
{
    struct proc_entry entry;
    if (proc_entry_read(process->pid, &entry) < 0 || entry.start != process->start || proc_entry_is_over(&entry))
        return true;
    const pid_t thread = proc_survivor(process->pid);
    if (thread == 0)
        return true;
    open_count -= process->statm >= 0;
    descriptor_close(&process->statm);
    process->statm = keep_open(thread, "statm", O_RDONLY);
    process->thread = thread;
    return false;
}

static int process_resident(const struct tree_process *process, uint64_t *resident, uint64_t *anonymous)
{
    return process->statm >= 0 ? proc_resident_at(process->statm, resident, anonymous)
                               : proc_resident(process->thread, resident, anonymous);
}

/* statm counts file pages and shared memory as one. status, which costs more, is read when that number changes. */
static int process_look(struct tree_process *process)
{
    uint64_t resident, anonymous;
    struct proc_status status;
    int rc = process_resident(process, &resident, &anonymous);
    if ((rc < 0 || resident == 0) && !process_is_over(process))
        rc = process_resident(process, &resident, &anonymous);
    if (rc < 0)
        return rc;
    const uint64_t mapped = resident - anonymous;
    const uint64_t change = mapped > process->mapped ? mapped - process->mapped : process->mapped - mapped;
    process->anonymous = anonymous;
    if (change < MAPPED_SLACK)
        return 0;
    rc = proc_status_read(process->thread, &status);
    if (rc < 0)
        return rc == -EBADMSG ? 0 : rc; /* a zombie has none */
    process->mapped = mapped;
    process->anonymous = status.anonymous;
    process->shared = status.shared;
    process->file = status.file;
    return 0;
}

/* Whether it maps what the worker had before its job: it was forked and has not exec'ed. If all stacks are hidden from
 * us, since host and fork server are not dumpable (prctl(2)), none has exec'ed: exec makes dumpable again. */
static bool is_heir(const struct tree *tree, const struct tree_process *process)
{
    return process->stack == tree->stack;
}

static uint64_t own(const struct tree *tree, const struct tree_process *process)
{
    const uint64_t inherited = is_heir(tree, process) ? tree->inherited : 0;
    if (process->sharer != 0)
        return 0;
    return amount_less(process->anonymous, inherited);
}

static bool is_worker(const struct tree *tree, const struct tree_process *process)
{
    return process == tree->all;
}

/* The worker has its argument mapped with all its pages from the start. */
static uint64_t own_shared(const struct tree *tree, const struct tree_process *process)
{
    const uint64_t argument = is_worker(tree, process) ? tree->argument : 0;
    if (process->sharer != 0)
        return 0;
    return amount_less(process->shared, argument);
}

/* fork(2) does not copy page tables of shared memory: a forked process counts only what it has touched of it. */
static uint64_t foreign(const struct tree *tree, const struct tree_process *process)
{
    return is_heir(tree, process) && !is_worker(tree, process) ? tree->argument : 0;
}

/* Another stack: it has exec'ed. If the stack is hidden, the last known one stays. */
static void see_stack(struct tree_process *process, const struct proc_entry *entry)
{
    if (entry->stack != 0)
        process->stack = entry->stack;
}

static void reread_stack(struct tree_process *process)
{
    struct proc_entry entry;
    if (proc_entry_read(process->pid, &entry) == 0 && entry.start == process->start)
        see_stack(process, &entry);
}

/* Whether two processes share one memory. Where kcmp(2) is forbidden, as in many containers, the effects of vfork(2)
 * show it: the parent waits, uninterruptibly, and has as many pages of each kind as the child. */
static bool have_one_memory(const struct tree_process *child, const struct tree_process *parent)
{
    struct proc_entry entry;
    uint64_t of_child[2], of_parent[2];
    const long order = syscall(SYS_kcmp, child->pid, parent->pid, KCMP_VM, 0, 0);
    if (order >= 0 || errno == ESRCH)
        return order == 0;
    return proc_entry_read(parent->pid, &entry) == 0 && entry.state == 'D' &&
           proc_resident(child->pid, &of_child[0], &of_child[1]) == 0 &&
           proc_resident(parent->pid, &of_parent[0], &of_parent[1]) == 0 && of_child[0] == of_parent[0] &&
           of_child[1] == of_parent[1];
}

/* parent NULL: unknown. */
static int tree_add(struct tree *tree, pid_t pid, struct tree_process *parent)
{
    struct tree_process process = {.pid = pid, .thread = pid, .found = true};
    struct proc_entry entry;
    if (parent != NULL) {
        reread_stack(parent); /* it may have exec'ed since it was found */
        process.parent_stack = process.stack = parent->stack;
        process.inheritable = own(tree, parent);
        process.sharer = have_one_memory(&process, parent) ? parent->pid : 0;
    }
    struct tree_process *all =
        tree->count == TREE_PROCESSES_MAX ? NULL : array_grow(tree->all, tree->count, &tree->capacity, sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    tree->all = all;
    process_open(&process);
    int rc = proc_entry_read(pid, &entry);
    process.start = rc == 0 ? entry.start : 0;
    if (rc == 0)
        rc = process_look(&process);
    if (rc < 0) {
        process_close(&process);
        return rc;
    }
    see_stack(&process, &entry);
    tree->all[tree->count++] = process;
    tree->seen++;
    return 0;
}

int tree_init(struct tree *tree, pid_t worker, uint64_t inherited, uint64_t argument)
{
    *tree = (struct tree){.inherited = inherited, .argument = argument};
    const int rc = tree_add(tree, worker, NULL);
    if (rc == 0)
        tree->stack = tree->all[0].stack;
    return rc;
}

void tree_deinit(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        process_close(&tree->all[i]);
    free(tree->all);
    *tree = (struct tree){0};
}

static void find_or_add(struct tree *tree, pid_t pid, struct tree_process *parent)
{
    struct tree_process *known = tree_find(tree, pid);
    if (known != NULL)
        known->found = true;
    else
        tree_add(tree, pid, parent);
}

/* Keeps the order: the worker is the first. */
static void tree_drop(struct tree *tree, size_t index)
{
    process_close(&tree->all[index]);
    memmove(&tree->all[index], &tree->all[index + 1], (tree->count - index - 1) * sizeof *tree->all);
    tree->count--;
}

/* A process of one thread has all its children in one file. The directory's links tell how many threads there are. */
static ssize_t process_children(const struct tree_process *process, pid_t *children, size_t size)
{
    struct stat threads;
    if (process->children < 0 || process->threads < 0 || fstat(process->threads, &threads) < 0 || threads.st_nlink > 3)
        return proc_children(process->pid, children, size);
    return proc_children_at(process->children, children, size);
}

void tree_walk(struct tree *tree, const pid_t *strangers, size_t count)
{
    static pid_t children[TREE_PROCESSES_MAX];
    if (tree->count == 0) /* the worker was gone before it could be opened */
        return;
    for (size_t i = 0; i < tree->count; i++)
        tree->all[i].found = i == 0;
    for (size_t i = 0; i < count; i++)
        find_or_add(tree, strangers[i], &tree->all[0]);
    for (size_t i = 0; i < tree->count; i++) { /* grows meanwhile */
        if (!tree->all[i].found)
            continue;
        const ssize_t got = process_children(&tree->all[i], children, TREE_PROCESSES_MAX);
        if (got <= 0)
            continue;
        process_look(&tree->all[i]); /* for what its new children inherited */
        for (ssize_t c = 0; c < got && c < TREE_PROCESSES_MAX; c++)
            find_or_add(tree, children[c], &tree->all[i]);
    }
    for (size_t i = tree->count; i > 1; i--)
        if (!tree->all[i - 1].found)
            tree_drop(tree, i - 1);
}

/* A process that shared memory with another has its own after exec. */
static void unshare_after_exec(struct tree *tree, struct tree_process *process)
{
    const struct tree_process *sharer = tree_find(tree, process->sharer);
    if (sharer != NULL && have_one_memory(process, sharer))
        return;
    process->sharer = 0;
    reread_stack(process);
}

void tree_look(struct tree *tree)
{
    for (size_t i = tree->count; i > 0; i--) {
        struct tree_process *process = &tree->all[i - 1];
        if (process->sharer != 0)
            unshare_after_exec(tree, process);
        if (process_look(process) < 0) {
            process->anonymous = process->shared = 0;
            if (i > 1)
                tree_drop(tree, i - 1);
        } else {
            tree->file = amount_larger(tree->file, process->file);
        }
    }
}

/* What it may have from its parent: nothing after exec. */
static uint64_t inheritable(const struct tree_process *process)
{
    return process->stack == process->parent_stack ? process->inheritable : 0;
}

struct footprint tree_footprint(const struct tree *tree)
{
    static struct footprint_process processes[TREE_PROCESSES_MAX];
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_process *process = &tree->all[i];
        processes[i] = (struct footprint_process){.anonymous = own(tree, process),
                                                  .shared = own_shared(tree, process),
                                                  .foreign = foreign(tree, process),
                                                  .inheritable = inheritable(process)};
    }
    return footprint_of(processes, tree->count);
}

/* Its own memory where its page tables are hidden: what it did not inherit, and what it may have written to since. */
static uint64_t surely_own(const struct tree *tree, const struct tree_process *process, uint64_t faults)
{
    const uint64_t all = own(tree, process), born = inheritable(process);
    const uint64_t sure = amount_less(all, born) + faults * (uint64_t)sysconf(_SC_PAGESIZE);
    return born == 0 ? all : amount_smaller(sure, all);
}

/* Walks a process's page tables, or where they are hidden takes its resident memory. Negative errno: it is gone. */
static int walk_process(const struct tree *tree, struct tree_process *process, struct footprint_walked *walked)
{
    struct proc_rollup rollup;
    struct proc_entry entry;
    int rc = proc_entry_read(process->pid, &entry);
    if (rc == 0 && (entry.start != process->start || proc_entry_is_over(&entry)))
        rc = -ESRCH;
    if (rc < 0)
        return rc;
    see_stack(process, &entry); /* it may have exec'ed since it was found */
    process->faults = entry.minor_faults;
    *walked = (struct footprint_walked){0};
    if (process->sharer != 0)
        return 0;
    walked->counted = own_shared(tree, process);
    rc = proc_rollup_read(process->thread, &rollup);
    if (rc == -EACCES || rc == -EPERM) {
        walked->anonymous = surely_own(tree, process, entry.minor_faults);
        walked->shared = amount_less(process->shared, foreign(tree, process));
        walked->all = own(tree, process);
        return 0;
    }
    if (rc < 0)
        return rc;
    const uint64_t lazy = amount_smaller(rollup.lazy, rollup.private);
    walked->anonymous = rollup.anonymous - lazy;
    walked->shared = rollup.shared;
    walked->private = rollup.private - lazy;
    walked->all = rollup.all;
    walked->heir = is_heir(tree, process);
    return 0;
}

/* Whether all are still there after the walk: when one ends, the others' parts of shared pages grow. */
static bool all_are_there(const struct tree *tree)
{
    uint64_t resident, anonymous;
    for (size_t i = 0; i < tree->count; i++)
        if (proc_resident(tree->all[i].thread, &resident, &anonymous) < 0 || resident == 0)
            return false;
    return true;
}

/* Page faults of all since the last walk. */
static uint64_t faults_since(const struct tree *tree)
{
    struct proc_entry entry;
    uint64_t faults = 0;
    for (size_t i = 0; i < tree->count; i++)
        if (proc_entry_read(tree->all[i].pid, &entry) == 0)
            faults += amount_less(entry.minor_faults, tree->all[i].faults);
    return faults;
}

bool tree_footprint_walked(struct tree *tree, size_t sharers, struct footprint_truth *truth)
{
    static struct footprint_walked processes[TREE_PROCESSES_MAX];
    bool whole = true;
    for (size_t i = 0; i < tree->count; i++)
        whole = walk_process(tree, &tree->all[i], &processes[i]) == 0 && whole;
    if (!whole || !all_are_there(tree))
        return false;
    const struct footprint_before before = {.inherited = tree->inherited,
                                            .sharers = sharers,
                                            .argument = tree->argument,
                                            .mapped = faults_since(tree) * FAULT_AROUND};
    *truth = footprint_walked(processes, tree->count, &before);
    return true;
}

uint64_t tree_touched(const struct tree *tree)
{
    return faults_since(tree) * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool tree_has(const struct tree *tree, pid_t pid, uint64_t start)
{
    const struct tree_process *process = tree_find(tree, pid);
    return process != NULL && process->start == start;
}

/* Through a pidfd, since a child of ours may be reaped by now: parent -1. */
static void process_signal(const struct tree_process *process, int signal)
{
    const struct proc_entry entry = {.pid = process->pid, .parent = -1, .start = process->start};
    sweep_signal(&entry, getpid(), signal);
}

void tree_kill(const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        process_signal(&tree->all[i], SIGKILL);
}

size_t tree_terminate(struct tree *tree, size_t first)
{
    size_t count = 0;
    for (size_t i = first; i < tree->count; i++) {
        struct tree_process *process = &tree->all[i];
        if (process->terminated)
            continue;
        process->terminated = true;
        process_signal(process, SIGTERM);
        process_signal(process, SIGCONT);
        count++;
    }
    return count;
}
