/* cgroup_tree.h - a cgroup with all below it: a pool's leaves, and what a job makes in its own, as a pool in a job
 * does. Down to a bounded depth. By a descriptor of the topmost directory. */
#ifndef CGROUP_TREE_H
#define CGROUP_TREE_H

#include <stdint.h>

/* SIGKILL for all, racing forks included. Before cgroup.kill (5.14) it freezes them and kills those that are listed, for
 * some milliseconds: those that are left stay frozen, so call it again. */
void cgroup_tree_kill(int dir);

/* Waits until there is no process but zombies, or until the deadline (process_now_ms). */
void cgroup_tree_wait(int dir, int64_t deadline);

/* Removes all that is below dir, not dir itself, as far as the kernel lets it. */
void cgroup_tree_remove(int dir);

#endif
