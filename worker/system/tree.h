/* tree.h - the processes of one job: which there are, and what each has resident.
 *
 * A process's files in /proc are kept open: they stay its own if its pid is given to another process, and a look costs
 * 1 µs where opening costs 6. Source: proc(5). */
#ifndef TREE_H
#define TREE_H

#include "footprint.h"
#include "proc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_PROCESSES_MAX 1024 /* of one job; more are not looked at */

struct tree_process {
    pid_t pid;
    pid_t thread;                       /* whose memory is read: the first, or another if the first has ended */
    uint64_t start, stack;              /* stack: as last seen; 0: never */
    uint64_t faults;                    /* minor ones, when its page tables were last walked */
    uint64_t parent_stack, inheritable; /* of its parent, when it was found: the stack, and bytes resident */
    int statm, children, threads;       /* kept open: two files and the directory `task`; -1: too many are open */
    uint64_t anonymous, shared, file;   /* bytes resident at the last look */
    uint64_t mapped;                    /* file + shared when they were last told apart */
    pid_t sharer;    /* has the same memory as this one, and counts it: after vfork(2) until exec; 0: none */
    bool found;      /* by the walk under way */
    bool terminated; /* has had SIGTERM from tree_terminate */
};

struct tree {
    struct tree_process *all; /* the first is the worker */
    size_t count, capacity;
    uint64_t stack;     /* the worker's: a process with the same one maps memory from before the job */
    uint64_t inherited; /* anonymous bytes that the worker has from before the job */
    uint64_t argument;  /* shared bytes of its argument, which it has mapped */
    uint64_t file;      /* most file pages that one process ever had resident, in bytes */
    unsigned seen;      /* processes so far */
};

/* Begins with the worker alone. Negative errno: it is gone, or there is no memory. */
int tree_init(struct tree *tree, pid_t worker, uint64_t inherited, uint64_t argument);
void tree_deinit(struct tree *tree);

/* Finds the processes that there are now: those that descend from known ones, and from count strangers of the job. */
void tree_walk(struct tree *tree, const pid_t *strangers, size_t count);

/* Reads what each has resident; drops those that are gone. */
void tree_look(struct tree *tree);

/* What they use together, as of the last look. */
struct footprint tree_footprint(const struct tree *tree);

/* The same from their page tables, walked now; sharers as in footprint.h. False: one of them ended meanwhile, and the
 * numbers do not fit together. */
bool tree_footprint_walked(struct tree *tree, size_t sharers, struct footprint_truth *truth);

/* Bytes that they may have written to since that walk: one page for each page fault. */
uint64_t tree_touched(const struct tree *tree);

/* Whether it knows this process. */
bool tree_has(const struct tree *tree, pid_t pid, uint64_t start);

/* SIGKILL for all of them. */
void tree_kill(const struct tree *tree);

/* SIGTERM once for each, from the index first on (1: not the worker), SIGCONT for stopped ones. How many were new. */
size_t tree_terminate(struct tree *tree, size_t first);

#endif
