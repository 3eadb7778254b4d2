/* cgroup.h - cgroup v2: a leaf for each worker, in which the kernel itself counts, limits and kills.
 *
 *     base                    delegated to us, with `memory` handed down to its children: cgroup_find.c
 *       └─ reclaim.XXXXXX     this fork server's own, locked (flock(2)) as long as it lives: cgroup.c
 *            ├─ 1234          the leaf of one worker, by serial
 *            └─ 1235
 *
 * Knows no slot and no job. Sources: Documentation/admin-guide/cgroup-v2.rst; systemd's CGROUP_DELEGATION.md for where
 * a program may make cgroups. Kernel versions: cgroup.kill 5.14, memory.peak 5.19, memory.oom.group 4.19. */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH_MAX 1024
#define CGROUP_WHY_MAX  256

/* Where cgroups may be made. */
struct cgroup_place {
    char path[CGROUP_PATH_MAX]; /* of the base, in the file system; empty: nowhere */
    bool pids, cpu;             /* these controllers are handed down, too */
};

/* Finds the base in which the calling process may make cgroups with a memory controller, and enables the controllers
 * there. named: that directory and no other; NULL: through /proc/self/cgroup, only where cgroups are ours to make (see
 * cgroup_find.c), else -ENOTSUP. If the base itself holds the calling process and none that it has not started, moves
 * them into its child `host`, as delegation asks. 0, or a negative errno: nothing was changed, and why says what is
 * missing and what to do. */
int cgroup_find(const char *named, struct cgroup_place *place, char *why, size_t why_size);

/* One fork server's own cgroup. */
struct cgroup_pool {
    int dir; /* locked; -1: none */
    int base;
    char name[32];
    bool pids, cpu, peak; /* there are these controllers, and memory.peak */
    uint64_t *pending;    /* leaves that the kernel did not remove yet */
    size_t pending_count, pending_capacity;
};

/* Whether a directory may be some pool's. */
bool cgroup_is_pool_name(const char *name);

/* Removes what dead fork servers left in place, makes a cgroup for this one. Negative errno, and why. */
int cgroup_pool_open(const struct cgroup_place *place, struct cgroup_pool *pool, char *why, size_t why_size);

/* Ends what is left in it and removes it. pool->dir -1: does nothing. */
void cgroup_pool_close(struct cgroup_pool *pool);

/* Ends and removes what dead fork servers left in place (those whose lock is free). Waits a bounded time. */
void cgroup_sweep(const struct cgroup_place *place);

/* ---- the leaf of one worker: a descriptor of its directory ----------------------------------------------------- */

/* Makes one, with oom.group set: its directory's descriptor (close-on-exec), or a negative errno. */
int cgroup_leaf_make(struct cgroup_pool *pool, uint64_t serial);

/* The calling process joins it: 0 or a negative errno. */
int cgroup_leaf_join(int leaf);

/* -1: none. */
struct cgroup_limits {
    int64_t memory;     /* bytes; memory.max, and no swap */
    int64_t pids;       /* tasks, threads too */
    int64_t cpu_weight; /* 1 to 10,000 */
};

/* 0 or a negative errno: a limit that was asked for could not be set. */
int cgroup_leaf_limit(int leaf, const struct cgroup_limits *limits);

/* Bytes charged now, from a descriptor of memory.current, kept open; 0: unknown. */
int cgroup_leaf_open_current(int leaf);
uint64_t cgroup_current(int current);

struct cgroup_usage {
    uint64_t peak;       /* bytes; 0: this kernel has no memory.peak */
    uint64_t oom;        /* times the leaf's own limit was hit and nothing could be freed */
    uint64_t oom_kill;   /* kills in it by any OOM killer; oom.group counts its first victim twice */
    uint64_t group_kill; /* times it was killed as a whole, also for a victim below it */
    uint64_t below;      /* kills in it and below it; only where the kernel has no group_kill */
};

/* What the kernel has counted, from the leaf's own events (memory.events.local), which have group_kill
 * (oom_group_kill) since Linux 5.17. Negative errno. */
int cgroup_leaf_read(int leaf, struct cgroup_usage *usage);

/* Closes the descriptor, and removes the leaf and what is below it; with a later one where the kernel refuses now. */
void cgroup_leaf_remove(struct cgroup_pool *pool, uint64_t serial, int leaf);

/* ---- a cgroup with all below it, down to a bounded depth: by a descriptor of the topmost directory ------------- */

/* SIGKILL for all processes, also for those that are being forked. Before cgroup.kill (5.14) it freezes them and kills
 * those that are listed, for some milliseconds: call it again for the rest, which stays frozen. */
void cgroup_tree_kill(int dir);

/* Waits until there is no process but zombies, or until the deadline (process_now_ms). */
void cgroup_tree_wait(int dir, int64_t deadline);

/* Removes all that is below dir, not dir itself, as far as the kernel lets it. */
void cgroup_tree_remove(int dir);

#endif
