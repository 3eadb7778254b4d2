#include "cgroup.h"

#include "array.h"
#include "cgroup_file.h"
#include "descriptor.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX      "reclaim."
#define NAME_LENGTH (sizeof PREFIX - 1 + 6)
#define END_MS      2000 /* for all of a sweep, and for a close */
#define TRIES       8

bool cgroup_is_pool_name(const char *name)
{
    return strlen(name) == NAME_LENGTH && strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
}

/* Ends all that is in a pool's cgroup and removes it. If that fails, the next sweep tries again. */
static void end_tree(int base, const char *name, int dir, int64_t deadline)
{
    cgroup_tree_kill(dir);
    cgroup_tree_wait(dir, deadline);
    cgroup_tree_remove(dir);
    unlinkat(base, name, AT_REMOVEDIR);
}

/* ---- the pool -------------------------------------------------------------------------------------------------- */

static void sweep_one(int base, const char *name, int64_t deadline)
{
    const int dir = openat(base, name, CGROUP_FILE_DIRECTORY | O_NOFOLLOW);
    if (dir < 0)
        return;
    if (flock(dir, LOCK_EX | LOCK_NB) == 0)
        end_tree(base, name, dir, deadline);
    close(dir);
}

void cgroup_sweep(const struct cgroup_place *place)
{
    const int64_t deadline = process_now_ms() + END_MS;
    DIR *entries = place->path[0] == '\0' ? NULL : opendir(place->path);
    if (entries == NULL)
        return;
    for (struct dirent *d; (d = readdir(entries)) != NULL;)
        if (d->d_type == DT_DIR && cgroup_is_pool_name(d->d_name))
            sweep_one(dirfd(entries), d->d_name, deadline);
    closedir(entries);
}

/* Whether the locked directory still has the name. */
static bool is_still_there(const struct cgroup_pool *pool)
{
    struct stat locked, named;
    return fstat(pool->dir, &locked) == 0 && fstatat(pool->base, pool->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

/* -EAGAIN: a sweep came between making and locking. */
static int make_locked(const struct cgroup_place *place, struct cgroup_pool *pool)
{
    char path[CGROUP_PATH_MAX + sizeof pool->name];
    snprintf(path, sizeof path, "%s/" PREFIX "XXXXXX", place->path);
    if (mkdtemp(path) == NULL)
        return -errno;
    snprintf(pool->name, sizeof pool->name, "%s", strrchr(path, '/') + 1);
    pool->dir = openat(pool->base, pool->name, CGROUP_FILE_DIRECTORY | O_NOFOLLOW);
    if (pool->dir < 0)
        return errno == ENOENT ? -EAGAIN : -errno;
    process_descriptor_lift(&pool->dir);
    if (flock(pool->dir, LOCK_EX | LOCK_NB) == 0 && is_still_there(pool)) {
        fchmod(pool->dir, 0755); /* so that other users may look */
        return 0;
    }
    close(pool->dir);
    pool->dir = -1;
    return -EAGAIN;
}

static int pool_make(const struct cgroup_place *place, struct cgroup_pool *pool)
{
    int rc = -EAGAIN;
    pool->base = open(place->path, CGROUP_FILE_DIRECTORY);
    if (pool->base < 0)
        return -errno;
    process_descriptor_lift(&pool->base);
    for (int tries = 0; rc == -EAGAIN && tries < TRIES; tries++)
        rc = make_locked(place, pool);
    if (rc == 0)
        rc = cgroup_file_hand_down(pool->dir, "memory");
    if (rc < 0)
        return rc;
    pool->pids = place->pids && cgroup_file_hand_down(pool->dir, "pids") == 0;
    pool->cpu = place->cpu && cgroup_file_hand_down(pool->dir, "cpu") == 0;
    pool->peak = faccessat(pool->dir, "memory.peak", F_OK, 0) == 0;
    return 0;
}

int cgroup_pool_open(const struct cgroup_place *place, struct cgroup_pool *pool, char *why, size_t why_size)
{
    *pool = (struct cgroup_pool){.dir = -1, .base = -1};
    cgroup_sweep(place);
    const int rc = pool_make(place, pool);
    if (rc == 0)
        return 0;
    snprintf(why, why_size, "no cgroup with a memory controller could be made in %.120s: %s%s", place->path,
             process_error(-rc),
             rc == -EAGAIN ? " (see cgroup.max.descendants and cgroup.max.depth there and above)" : "");
    cgroup_pool_close(pool);
    return rc;
}

void cgroup_pool_close(struct cgroup_pool *pool)
{
    if (pool->dir >= 0) {
        end_tree(pool->base, pool->name, pool->dir, process_now_ms() + END_MS);
        close(pool->dir);
    }
    descriptor_close(&pool->base);
    free(pool->pending);
    *pool = (struct cgroup_pool){.dir = -1, .base = -1};
}

/* ---- leaves ---------------------------------------------------------------------------------------------------- */

static const char *leaf_name(uint64_t serial, char name[24])
{
    snprintf(name, 24, "%" PRIu64, serial);
    return name;
}

static int leaf_rmdir(const struct cgroup_pool *pool, uint64_t serial)
{
    char name[24];
    if (unlinkat(pool->dir, leaf_name(serial, name), AT_REMOVEDIR) == 0)
        return 0;
    if (errno != EBUSY)
        return -errno;
    const int leaf = openat(pool->dir, name, CGROUP_FILE_DIRECTORY | O_NOFOLLOW);
    if (leaf < 0)
        return -errno;
    cgroup_tree_remove(leaf);
    close(leaf);
    return unlinkat(pool->dir, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

static void pending_retry(struct cgroup_pool *pool)
{
    for (size_t i = 0; i < pool->pending_count;)
        if (leaf_rmdir(pool, pool->pending[i]) == -EBUSY)
            i++;
        else
            pool->pending[i] = pool->pending[--pool->pending_count];
}

static void pending_add(struct cgroup_pool *pool, uint64_t serial)
{
    uint64_t *pending = array_grow(pool->pending, pool->pending_count, &pool->pending_capacity, sizeof *pending);
    if (pending == NULL) /* it is removed with the pool's */
        return;
    pool->pending = pending;
    pool->pending[pool->pending_count++] = serial;
}

int cgroup_leaf_make(struct cgroup_pool *pool, uint64_t serial)
{
    char name[24];
    pending_retry(pool);
    if (mkdirat(pool->dir, leaf_name(serial, name), 0755) < 0)
        return -errno;
    int leaf = openat(pool->dir, name, CGROUP_FILE_DIRECTORY | O_NOFOLLOW);
    const int rc = leaf < 0 ? -errno : cgroup_file_write(leaf, "memory.oom.group", "1");
    if (rc == 0)
        return leaf;
    descriptor_close(&leaf);
    unlinkat(pool->dir, name, AT_REMOVEDIR);
    return rc;
}

int cgroup_leaf_join(int leaf)
{
    return cgroup_file_write(leaf, "cgroup.procs", "0");
}

static int limit_set(int leaf, const char *name, int64_t value)
{
    char text[24];
    if (value < 0)
        return 0;
    snprintf(text, sizeof text, "%" PRId64, value);
    return cgroup_file_write(leaf, name, text);
}

int cgroup_leaf_limit(int leaf, const struct cgroup_limits *limits)
{
    int rc = 0;
    if (limits->memory >= 0) {
        rc = cgroup_file_write(leaf, "memory.swap.max", "0");
        if (rc == 0 || rc == -ENOENT) /* this kernel does not count swap */
            rc = limit_set(leaf, "memory.max", limits->memory);
    }
    if (rc == 0)
        rc = limit_set(leaf, "pids.max", limits->pids);
    if (rc == 0)
        rc = limit_set(leaf, "cpu.weight", limits->cpu_weight);
    return rc;
}

int cgroup_leaf_open_current(int leaf)
{
    const int fd = openat(leaf, "memory.current", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

uint64_t cgroup_current(int current)
{
    char text[32];
    return descriptor_read_text(current, text, sizeof text) > 0 ? strtoull(text, NULL, 10) : 0;
}

int cgroup_leaf_read(int leaf, struct cgroup_usage *usage)
{
    char text[1024];
    *usage = (struct cgroup_usage){0};
    if (descriptor_read_file(leaf, "memory.peak", text, sizeof text) > 0)
        usage->peak = strtoull(text, NULL, 10);
    ssize_t got = descriptor_read_file(leaf, "memory.events.local", text, sizeof text);
    if (got == -ENOENT) /* before 5.2 */
        got = descriptor_read_file(leaf, "memory.events", text, sizeof text);
    if (got < 0)
        return (int)got;
    usage->oom = cgroup_keyed_number(text, "oom");
    usage->oom_kill = cgroup_keyed_number(text, "oom_kill");
    usage->group_kill = cgroup_keyed_number(text, "oom_group_kill");
    if (strstr(text, "oom_group_kill ") == NULL && descriptor_read_file(leaf, "memory.events", text, sizeof text) > 0)
        usage->below = cgroup_keyed_number(text, "oom_kill");
    return 0;
}

void cgroup_leaf_remove(struct cgroup_pool *pool, uint64_t serial, int leaf)
{
    descriptor_close(&leaf);
    pending_retry(pool);
    if (leaf_rmdir(pool, serial) == -EBUSY)
        pending_add(pool, serial);
}
