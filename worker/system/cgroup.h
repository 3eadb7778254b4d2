/* cgroup.h - cgroup v2: a leaf for each worker, in which the kernel itself counts, limits and kills.
 *
 *     base                    delegated to us, with `memory` handed down to its children: cgroup_find
 *       └─ reclaim.XXXXXX     this fork server's own, locked (flock(2)) as long as it lives: cgroup_pool_open
 *            ├─ 1234          the leaf of one worker, by serial: cgroup_leaf_make
 *            └─ 1235
 *
 * Knows no slot and no job. Sources: Documentation/admin-guide/cgroup-v2.rst; systemd's CGROUP_DELEGATION.md for where
 * one may make cgroups and where not. Kernel versions: cgroup.kill 5.14, memory.peak 5.19, memory.oom.group 4.19. */
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
 * the body), else -ENOTSUP. Where the base itself holds the calling process and none that it has not started, moves
 * them into its child `host`, as delegation asks. 0, or a negative errno, nothing was changed, and why says in words
 * what is missing and what to do. */
int cgroup_find(const char *named, struct cgroup_place *place, char *why, size_t why_size);

/* One fork server's own cgroup. */
struct cgroup_pool {
    int dir; /* locked; -1: none */
    int base;
    char name[32];
    bool pids, cpu, peak; /* controllers, and memory.peak, that there are */
    /* leaves whose removal the kernel refused for the moment */
    uint64_t *pending;
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

/* The leaf of one worker: a descriptor of its directory. */

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

/* Bytes charged now, for which `current` is a descriptor of memory.current, kept open; 0: not known. */
int cgroup_leaf_open_current(int leaf);
uint64_t cgroup_current(int current);

struct cgroup_usage {
    uint64_t peak;       /* bytes; 0: this kernel has no memory.peak */
    uint64_t oom;        /* times the leaf's own limit was hit and nothing could be freed */
    uint64_t oom_kill;   /* kills in it by any OOM killer; oom.group counts its first victim twice */
    uint64_t group_kill; /* times it was killed as a whole, also for a victim below it */
    uint64_t below;      /* kills in it and in cgroups that the job has made below it, where group_kill is not told */
};

/* What the kernel has counted, from the leaf's own events (memory.events.local). Before Linux 5.17 they do not tell
 * group_kill (oom_group_kill), and `below` is counted instead. */
int cgroup_leaf_read(int leaf, struct cgroup_usage *usage);

/* Closes the descriptor and removes the leaf and what the job made below it: now, or with one of the next when the
 * kernel refuses. */
void cgroup_leaf_remove(struct cgroup_pool *pool, uint64_t serial, int leaf);

/* Pure: the path in the text of /proc/PID/cgroup ("0::/user.slice/...") of version 1's hierarchy with this controller;
 * NULL: of the unified one. False: none, or it does not fit. */
bool cgroup_parse_own(const char *text, const char *controller, char *path, size_t size);

/* Pure: whether one line of /proc/PID/mountinfo mounts that hierarchy; what it shows of it and where are put into root
 * and point, each of size. False also: they do not fit. */
bool cgroup_parse_mountinfo(const char *line, const char *controller, char *root, char *point, size_t size);

/* Pure: where a cgroup of the unified hierarchy (own) is in the file system, by one line of /proc/PID/mountinfo: false:
 * this is not a mount that shows it. *top (may be NULL): length of the mount point. */
bool cgroup_parse_mount(const char *line, const char *own, char *path, size_t size, size_t *top);

/* Pure: whether a space-separated list of controllers (cgroup.controllers) has this one. */
bool cgroup_has_word(const char *list, const char *word);

/* Pure: the number after a key in a flat keyed file ("oom_kill 3\n..."); 0: it is not there. */
uint64_t cgroup_keyed_number(const char *text, const char *key);

#endif
