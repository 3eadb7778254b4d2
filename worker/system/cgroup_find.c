/* cgroup_find.c - in which cgroup ours may be made. Each part of a hierarchy has one writer, most often systemd, which
 * changes or removes cgroups that others make in its part (CGROUP_DELEGATION.md). Without a name, one is ours if
 *   - systemd has marked it as delegated (Delegate=yes) with an extended attribute, or
 *   - it belongs to our user, who is not root, with the two files that delegation gives: the user's own systemd marks
 *     nothing. A slice is never delegated, and a pool's cgroup belongs to that pool, or
 *   - it is the topmost that we see, we are root, and there is no systemd: a container, an initramfs.
 * The candidates are the calling process's own cgroup and the one above it: DelegateSubgroup= starts programs in a
 * child of what it delegates, and so do we, see move_and_hand_down. */
#include "cgroup.h"

#include "amount.h"
#include "cgroup_file.h"
#include "descriptor.h"
#include "proc.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/magic.h>

#define HOST         "host"
#define MOVE_ROUNDS  100
#define MOVE_AT_ONCE 512
#define PATH_SHOWN   100

#define ADVICE "start it as a unit with Delegate=yes, or name a delegated directory in options.cgroup"

struct find {
    char *why;
    size_t why_size;
    char own[CGROUP_PATH_MAX]; /* the calling process's cgroup in the file system; empty: hidden */
    size_t top;                /* length of the mount point at its start */
};

__attribute__((format(printf, 4, 5))) static int fail(struct find *find, int rc, const char *path, const char *format,
                                                      ...)
{
    char text[CGROUP_WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t length = strlen(path); /* the end of the path matters most */
    const bool cut = length > PATH_SHOWN;
    snprintf(find->why, find->why_size, "%s%s %s", cut ? "..." : "", cut ? path + length - PATH_SHOWN : path, text);
    return rc;
}

/* ---- the calling process's own --------------------------------------------------------------------------------- */

/* Mounts may hide each other: the directory must list this process. */
static bool lists_us(const char *path)
{
    pid_t pids[MOVE_AT_ONCE];
    bool found = false;
    const pid_t self = getpid();
    int dir = open(path, CGROUP_FILE_DIRECTORY);
    const size_t count = dir < 0 ? 0 : cgroup_file_pids(dir, pids, MOVE_AT_ONCE);
    for (size_t i = 0; i < count && i < MOVE_AT_ONCE; i++)
        found = found || pids[i] == self;
    descriptor_close(&dir);
    return found || count > MOVE_AT_ONCE;
}

/* text: of /proc/self/cgroup. */
static void find_own(struct find *find, const char *text)
{
    char own[CGROUP_PATH_MAX], *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *mounts = cgroup_parse_own(text, NULL, own, sizeof own) ? fopen("/proc/self/mountinfo", "re") : NULL;
    while (!found && mounts != NULL && getline(&line, &size, mounts) > 0)
        found = cgroup_parse_mount(line, own, find->own, sizeof find->own, &find->top) && lists_us(find->own);
    if (!found)
        find->own[0] = '\0';
    free(line);
    if (mounts != NULL)
        fclose(mounts);
}

/* ---- whether it is ours ---------------------------------------------------------------------------------------- */

static bool is_marked(const char *path)
{
    static const char *const names[] = {"user.delegate", "trusted.delegate"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char value[8];
        if (getxattr(path, names[i], value, sizeof value) == 1 && value[0] == '1')
            return true;
    }
    return false;
}

static bool is_owned(const char *path)
{
    static const char *const files[] = {".", "cgroup.procs", "cgroup.subtree_control"};
    const char *name = strrchr(path, '/') + 1, *dot = strrchr(name, '.');
    if (geteuid() == 0 || cgroup_is_pool_name(name) || (dot != NULL && strcmp(dot, ".slice") == 0))
        return false;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char file[CGROUP_PATH_MAX + 32];
        struct stat status;
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        if (stat(file, &status) < 0 || status.st_uid != geteuid())
            return false;
    }
    return true;
}

static bool is_top(const struct find *find, const char *path)
{
    return strlen(path) == find->top && geteuid() == 0 && access("/run/systemd/system", F_OK) < 0;
}

static int check_writable(struct find *find, const char *path, int dir)
{
    static const char *const files[] = {".", "cgroup.procs", "cgroup.subtree_control"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (faccessat(dir, files[i], W_OK, AT_EACCESS) < 0)
            return fail(find, -errno, path, "cannot be written to (%s: %s): " ADVICE,
                        i == 0 ? "the directory" : files[i], strerror(errno));
    return 0;
}

/* Whether the kernel lets processes of ours in: we must have write access to cgroup.procs where the two paths part. */
static int check_reachable(struct find *find, const char *path)
{
    char file[CGROUP_PATH_MAX + 32];
    size_t common = 0;
    if (find->own[0] == '\0' || strncmp(path, find->own, find->top) != 0)
        return 0;
    for (size_t i = 0;; i++) {
        const bool end = path[i] == '\0' || find->own[i] == '\0';
        if ((path[i] == '/' || path[i] == '\0') && (find->own[i] == '/' || find->own[i] == '\0'))
            common = i;
        if (end || path[i] != find->own[i])
            break;
    }
    snprintf(file, sizeof file, "%.*s/cgroup.procs", (int)common, path);
    if (faccessat(AT_FDCWD, file, W_OK, AT_EACCESS) < 0 && (errno == EACCES || errno == EROFS))
        return fail(find, -errno, path,
                    "takes no processes from %.60s without write access to the cgroup.procs above both: start "
                    "it below the delegated cgroup (systemd-run --user --scope)",
                    find->own + find->top);
    return 0;
}

/* A version 1 hierarchy may have the controller, or a cgroup above does not hand it down. */
static int check_memory(struct find *find, const char *path, int dir)
{
    char text[512];
    const ssize_t got = descriptor_read_file(dir, "cgroup.controllers", text, sizeof text);
    if (got < 0)
        return fail(find, (int)got, path, "is no cgroup v2: %s", strerror((int)-got));
    if (!cgroup_has_word(text, "memory"))
        return fail(find, -ENOTSUP, path,
                    "has no memory controller (cgroup.controllers): hand it down from above (Delegate=yes), or boot "
                    "with cgroup v2 alone if it is mounted as v1");
    return 0;
}

/* ---- moving aside ---------------------------------------------------------------------------------------------- */

static int move_process(int to, pid_t pid)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    const int rc = cgroup_file_write(to, "cgroup.procs", text);
    return rc == -ESRCH ? 0 : rc;
}

/* The calling process, below it, or gone. The list was read after the pid. */
static bool is_ours(const struct proc_list *list, pid_t pid)
{
    if (pid == getpid() || (pid != 0 && proc_list_branch(list, pid, getpid()) != 0))
        return true;
    /* not listed: it is gone, or another user's, if /proc is mounted with hidepid= */
    return pid != 0 && proc_list_find(list, pid) == NULL && kill(pid, 0) < 0 && errno == ESRCH;
}

/* -EBUSY: *stranger is not ours. */
static int list_ours(int dir, struct proc_list *list, pid_t *pids, size_t *count, pid_t *stranger)
{
    *count = amount_smaller(cgroup_file_pids(dir, pids, MOVE_AT_ONCE), MOVE_AT_ONCE);
    const int rc = proc_list_read(list);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < *count; i++)
        if (!is_ours(list, pids[i])) {
            *stranger = pids[i];
            return -EBUSY;
        }
    return 0;
}

/* Moves all processes from one cgroup to another, in rounds, since they may be forking. -EBUSY: one is not ours. */
static int move_all(int from, int to, struct proc_list *list, pid_t *stranger)
{
    pid_t pids[MOVE_AT_ONCE];
    for (int round = 0; round < MOVE_ROUNDS; round++) {
        size_t count = 0;
        int rc = list_ours(from, list, pids, &count, stranger);
        if (rc < 0 || count == 0)
            return rc;
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = move_process(to, pids[i]);
        if (rc < 0)
            return rc;
    }
    return -EBUSY;
}

/* Moves our processes back, and leaves others where they are. */
static void move_back(int from, int to, struct proc_list *list)
{
    pid_t pids[MOVE_AT_ONCE];
    for (int round = 0; round < MOVE_ROUNDS; round++) {
        const size_t count = amount_smaller(cgroup_file_pids(from, pids, MOVE_AT_ONCE), MOVE_AT_ONCE);
        size_t moved = 0;
        if (count == 0 || proc_list_read(list) < 0)
            return;
        for (size_t i = 0; i < count; i++)
            if (is_ours(list, pids[i]) && move_process(to, pids[i]) == 0)
                moved++;
        if (moved == 0)
            return;
    }
}

static int move_and_hand_down(struct find *find, const char *path, int dir, struct proc_list *list)
{
    pid_t pids[MOVE_AT_ONCE], stranger = 0;
    size_t count;
    int rc = list_ours(dir, list, pids, &count, &stranger);
    if (rc == -EBUSY)
        return fail(find, rc, path,
                    "holds processes that this program did not start (process %d): use DelegateSubgroup=, "
                    "or name a delegated directory without processes in options.cgroup",
                    (int)stranger);
    if (rc < 0)
        return fail(find, rc, path, "holds processes, and /proc cannot be read: %s", strerror(-rc));
    if (mkdirat(dir, HOST, 0755) < 0 && errno != EEXIST)
        return fail(find, -errno, path, "holds this program, and no child can be made for it: %s", strerror(errno));
    int host = openat(dir, HOST, CGROUP_FILE_DIRECTORY | O_NOFOLLOW);
    rc = host < 0 ? -errno : move_all(dir, host, list, &stranger);
    if (rc == 0)
        rc = cgroup_file_hand_down(dir, "memory");
    if (rc < 0) {
        if (host >= 0)
            move_back(host, dir, list);
        unlinkat(dir, HOST, AT_REMOVEDIR);
        fail(find, rc, path, "holds this program, which cannot be moved out of the way into its child %s: %s", HOST,
             strerror(-rc));
    }
    descriptor_close(&host);
    return rc;
}

/* A cgroup that hands controllers down holds no processes itself, but for the very top. */
static int hand_down_memory(struct find *find, const char *path, int dir)
{
    struct proc_list list = {0};
    int rc = cgroup_file_hand_down(dir, "memory");
    if (rc == -EBUSY) {
        rc = move_and_hand_down(find, path, dir, &list);
        proc_list_free(&list);
    } else if (rc < 0) {
        fail(find, rc, path, "does not hand its memory controller down (cgroup.subtree_control): %s", strerror(-rc));
    }
    return rc;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

static int take(struct find *find, const char *path, struct cgroup_place *place)
{
    const int dir = open(path, CGROUP_FILE_DIRECTORY);
    if (dir < 0)
        return fail(find, -errno, path, "cannot be opened: %s", strerror(errno));
    int rc = check_memory(find, path, dir);
    if (rc == 0)
        rc = check_writable(find, path, dir);
    if (rc == 0)
        rc = check_reachable(find, path);
    if (rc == 0)
        rc = hand_down_memory(find, path, dir);
    if (rc == 0) {
        place->pids = cgroup_file_hand_down(dir, "pids") == 0;
        place->cpu = cgroup_file_hand_down(dir, "cpu") == 0;
        snprintf(place->path, sizeof place->path, "%s", path);
    }
    close(dir);
    return rc;
}

static int find_named(struct find *find, const char *named, struct cgroup_place *place)
{
    struct statfs system;
    if (named[0] != '/')
        return fail(find, -EINVAL, named, "is not an absolute path: name the directory of a cgroup as it is mounted");
    char *path = realpath(named, NULL);
    if (path == NULL || statfs(path, &system) < 0) {
        const int error = errno;
        free(path);
        return fail(find, -error, named, "cannot be used as a cgroup: %s", strerror(error));
    }
    int rc;
    if (system.f_type != CGROUP2_SUPER_MAGIC)
        rc = fail(find, -EINVAL, named, "is not in a cgroup v2 file system (most often at /sys/fs/cgroup)");
    else if (strlen(path) >= sizeof place->path)
        rc = fail(find, -ENAMETOOLONG, named, "is too long for a path");
    else
        rc = take(find, path, place);
    free(path);
    return rc;
}

/* Marked ones go first: if we, or systemd, have made a child for the process, the one above is meant. */
static int find_ours(struct find *find, struct cgroup_place *place)
{
    char above[CGROUP_PATH_MAX];
    snprintf(above, sizeof above, "%s", find->own);
    const bool has_above = strlen(above) > find->top;
    if (has_above)
        *strrchr(above, '/') = '\0';
    if (is_marked(find->own))
        return take(find, find->own, place);
    if (has_above && is_marked(above))
        return take(find, above, place);
    const bool in_host = has_above && strcmp(find->own + strlen(above), "/" HOST) == 0;
    if (in_host && is_owned(above))
        return take(find, above, place);
    int rc = fail(find, -ENOTSUP, find->own, "is not delegated to this program: " ADVICE);
    if (is_owned(find->own) || is_top(find, find->own))
        rc = take(find, find->own, place);
    if (rc < 0 && has_above && (is_owned(above) || is_top(find, above)))
        rc = take(find, above, place);
    return rc;
}

int cgroup_find(const char *named, struct cgroup_place *place, char *why, size_t why_size)
{
    struct find find = {.why = why, .why_size = why_size};
    char text[16384]; /* a line for each version 1 hierarchy, and ours is the last */
    *place = (struct cgroup_place){0};
    if (descriptor_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof text) <= 0)
        text[0] = '\0';
    if (named == NULL && cgroup_parse_own(text, "memory", find.own, sizeof find.own)) /* needs no look at the mounts */
        return fail(&find, -ENOTSUP, "/proc/self/cgroup",
                    "has the memory controller as version 1, so no cgroup v2 has it: boot with cgroup v2 alone");
    find_own(&find, text);
    if (named != NULL)
        return find_named(&find, named, place);
    if (find.own[0] == '\0')
        return fail(&find, -ENOTSUP, "/proc/self/mountinfo",
                    "shows no cgroup v2 file system with this program in it: mount one, or boot with cgroup v2");
    return find_ours(&find, place) < 0 ? -ENOTSUP : 0;
}
