/* cgroup_tree.h - a cgroup with all below it: a pool's leaves, and what a job makes in its own, as a pool in a job
 * does. Down to a bounded depth. By a descriptor of the topmost directory. */
#ifndef CGROUP_TREE_H
#define CGROUP_TREE_H

#include <stddef.h>
#include <stdint.h>

/* How many processes are there, without zombies. */
size_t cgroup_tree_count(int dir);

/* SIGKILL for all: by cgroup.kill, or as the next one. */
void cgroup_tree_kill(int dir);

/* Before cgroup.kill (5.14): freezes them and kills who is listed, for some milliseconds. Who is left stays frozen:
 * call it again. How many processes there were. */
size_t cgroup_tree_kill_listed(int dir);

/* Waits until there is no process but zombies, or until the deadline (process_now_ms). */
void cgroup_tree_wait(int dir, int64_t deadline);

/* Removes all that is below dir, not dir itself, as far as the kernel lets it. */
void cgroup_tree_remove(int dir);

#endif
