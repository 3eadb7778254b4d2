#include "cgroup.h"

#include "cgroup_file.h"
#include "descriptor.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH        9
#define LOOK_MS      50 /* in case the kernel does not report that a cgroup is empty */
#define KILL_MS      16 /* and at least two rounds: no process is new in the second */
#define KILL_LISTED  1024
#define KILL_AT_ONCE 32 /* pidfds open */

enum tree_action { TREE_KILL, TREE_REMOVE };

/* Opens pidfds first: then SIGKILL goes only to processes that are still listed in the cgroup. */
static void kill_held(int dir, const pid_t *pids, size_t count)
{
    pid_t now[KILL_LISTED];
    int held[KILL_AT_ONCE];
    for (size_t i = 0; i < count; i++)
        held[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
    const size_t listed = cgroup_file_pids(dir, now, KILL_LISTED);
    for (size_t i = 0; i < count; i++) {
        if (held[i] < 0)
            continue;
        for (size_t j = 0; j < listed && j < KILL_LISTED; j++)
            if (now[j] == pids[i])
                syscall(SYS_pidfd_send_signal, held[i], SIGKILL, NULL, 0);
        close(held[i]);
    }
}

/* Before cgroup.kill: frozen first, so that no process forks. It stays frozen: SIGKILL gets through. */
static void kill_listed(int dir)
{
    pid_t pids[KILL_LISTED];
    const int64_t deadline = process_now_ms() + KILL_MS;
    cgroup_file_write(dir, "cgroup.freeze", "1");
    for (int round = 0; round < 2 || process_now_ms() < deadline; round++) {
        const size_t count = cgroup_file_pids(dir, pids, KILL_LISTED);
        if (count == 0)
            break;
        for (size_t i = 0; i < count && i < KILL_LISTED; i += KILL_AT_ONCE) {
            const size_t left = (count < KILL_LISTED ? count : KILL_LISTED) - i;
            kill_held(dir, pids + i, left < KILL_AT_ONCE ? left : KILL_AT_ONCE);
        }
        poll(NULL, 0, 1); /* for them to end */
    }
}

static void tree_walk(int dir, int depth, enum tree_action action)
{
    struct stat status;
    if (action == TREE_KILL)
        kill_listed(dir);
    if (depth == 0 || fstat(dir, &status) < 0 || status.st_nlink <= 2) /* a link for each child */
        return;
    const int again = openat(dir, ".", CGROUP_FILE_DIRECTORY);
    DIR *entries = again < 0 ? NULL : fdopendir(again);
    if (entries == NULL && again >= 0)
        close(again);
    for (struct dirent *d; entries != NULL && (d = readdir(entries)) != NULL;) {
        if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        const int child = openat(dir, d->d_name, CGROUP_FILE_DIRECTORY | O_NOFOLLOW);
        if (child < 0)
            continue;
        tree_walk(child, depth - 1, action);
        close(child);
        if (action == TREE_REMOVE)
            unlinkat(dir, d->d_name, AT_REMOVEDIR);
    }
    if (entries != NULL)
        closedir(entries);
}

void cgroup_tree_kill(int dir)
{
    if (cgroup_file_write(dir, "cgroup.kill", "1") == -ENOENT)
        tree_walk(dir, DEPTH, TREE_KILL);
}

void cgroup_tree_remove(int dir)
{
    tree_walk(dir, DEPTH, TREE_REMOVE);
}

/* Whether there is no process in it or below, but zombies; also if the cgroup is gone. */
static bool is_empty(int events)
{
    char text[256];
    return descriptor_read_text(events, text, sizeof text) < 0 || cgroup_keyed_number(text, "populated") == 0;
}

void cgroup_tree_wait(int dir, int64_t deadline)
{
    struct pollfd look = {.fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC), .events = POLLPRI};
    if (look.fd < 0)
        return;
    while (!is_empty(look.fd)) {
        const int64_t left = deadline - process_now_ms();
        if (left <= 0)
            break;
        poll(&look, 1, (int)(left < LOOK_MS ? left : LOOK_MS));
    }
    close(look.fd);
}
