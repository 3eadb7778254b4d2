/* tree.h - the processes of one job, looked at over and over: who they are, and what each has resident.
 *
 * A process's files in /proc are opened once: they stay its own, whoever gets its pid later, and a look at one costs
 * 1 µs where opening it costs 6. Source: proc(5). */
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
    pid_t thread;          /* whose memory is looked at: its first thread, or another when that has ended */
    uint64_t start, stack; /* stack: as last seen; 0: never */
    uint64_t faults;       /* minor ones, when its page tables were last walked */
    uint64_t parent_stack, inheritable; /* its parent's, and what that had resident, when it was found */
    int statm, children, threads; /* kept open: two files and the directory `task`; -1: no descriptors left for that */
    uint64_t anonymous, shared, file; /* bytes resident at the last look */
    uint64_t mapped;                  /* file and shared together at the last look at both apart */
    pid_t sharer;                     /* has the same memory as this one, which counts it: after vfork(2) until it has
                                         exec'ed; 0: nobody */
    bool found;                       /* by the walk under way */
    bool terminated;                  /* has had SIGTERM from tree_terminate */
};

struct tree {
    struct tree_process *all; /* the first is the worker */
    size_t count, capacity;
    uint64_t stack; /* the worker's when it was found: what has the same is an heir of what was there before the job */
    uint64_t inherited; /* anonymous bytes that the worker has from before the job */
    uint64_t argument;  /* shared bytes of its argument, which it has mapped */
    uint64_t file;      /* most file pages that one process ever had resident */
    unsigned seen;      /* processes so far */
};

/* Only the worker; inherited and argument: see there. */
int tree_init(struct tree *tree, pid_t worker, uint64_t inherited, uint64_t argument);
void tree_deinit(struct tree *tree);

/* Finds who is there now: all that descend from those that are, and from the count others in adopted. */
void tree_walk(struct tree *tree, const pid_t *adopted, size_t count);

/* Looks at what each has resident; who is gone is dropped. */
void tree_look(struct tree *tree);

/* What they use together. */
struct footprint tree_footprint(const struct tree *tree);

/* The same from their page tables, for which they are looked at one by one; sharers as in footprint.h. False: one of
 * them ended meanwhile, and the numbers do not belong together. */
bool tree_footprint_walked(struct tree *tree, size_t sharers, struct footprint_truth *truth);

/* Bytes that they may have written to, of pages that they share, since their page tables were last walked: what their
 * page faults come to. */
uint64_t tree_touched(const struct tree *tree);

/* Whether this process has been seen to be one of them. */
bool tree_has(const struct tree *tree, pid_t pid, uint64_t start);

/* SIGKILL for all of them. */
void tree_kill(const struct tree *tree);

/* SIGTERM for each from the index first on (1: not the worker) that has not had it from here, and SIGCONT, so that a
 * stopped one hears of it. Returns how many. */
size_t tree_terminate(struct tree *tree, size_t first);

#endif
