/* cgroup_file.h - the files in the directory of one cgroup, by a descriptor of that directory, and the text in them and
 * in /proc about cgroups. Allocates nothing. */
#ifndef CGROUP_FILE_H
#define CGROUP_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a cgroup's directory is opened. */
#define CGROUP_FILE_DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* 0 or a negative errno. */
int cgroup_file_write(int dir, const char *name, const char *text);

/* How many processes the cgroup has, without its children's; the kernel lists no zombies (5.2). The first capacity of
 * them are in pids; 0: a process of a pid namespace that we do not see. A cgroup that is gone has none. */
size_t cgroup_file_pids(int dir, pid_t *pids, size_t capacity);

/* Enables a controller for the cgroup's children, unless it is. 0 or a negative errno: -ENOENT, the cgroup does not
 * have it itself; -EBUSY, there are processes in it. */
int cgroup_file_hand_down(int dir, const char *controller);

/* ---- text. Pure ------------------------------------------------------------------------------------------------ */

/* Whether a space-separated list of controllers (cgroup.controllers) has this one. */
bool cgroup_has_word(const char *list, const char *word);

/* The number after a key in a flat keyed file ("oom_kill 3\n..."); 0: it is not there. */
uint64_t cgroup_keyed_number(const char *text, const char *key);

/* The path in the text of /proc/PID/cgroup ("0::/user.slice/...") of version 1's hierarchy with this controller; NULL:
 * of the unified one. False: none, or it does not fit. */
bool cgroup_parse_own(const char *text, const char *controller, char *path, size_t size);

/* Whether one line of /proc/PID/mountinfo mounts that hierarchy: the part that it shows goes into root, where it does
 * into point, each of size. False also: they do not fit. */
bool cgroup_parse_mountinfo(const char *line, const char *controller, char *root, char *point, size_t size);

/* Where a cgroup of the unified hierarchy (own) is in the file system, by one line of /proc/PID/mountinfo. False: this
 * mount does not show it. *top (may be NULL): length of the mount point. */
bool cgroup_parse_mount(const char *line, const char *own, char *path, size_t size, size_t *top);

#endif
