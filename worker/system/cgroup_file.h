/* cgroup_file.h - the files in the directory of one cgroup, by a descriptor of that directory. Allocates nothing. */
#ifndef CGROUP_FILE_H
#define CGROUP_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>

/* How a cgroup's directory is opened. */
#define CGROUP_FILE_DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Reads a file as text, at most size - 1 bytes of it: its length or a negative errno. */
ssize_t cgroup_file_read(int dir, const char *name, char *text, size_t size);

/* 0 or a negative errno. */
int cgroup_file_write(int dir, const char *name, const char *text);

/* How many processes the cgroup has (zombies are not listed by the kernel, 5.2), without its children's. The first
 * capacity of them are in pids; 0: one of a pid namespace that we do not see. A cgroup that is gone has none. */
size_t cgroup_file_pids(int dir, pid_t *pids, size_t capacity);

/* Enables a controller for the cgroup's children, unless it is. 0 or a negative errno: -ENOENT, the cgroup does not
 * have it itself; -EBUSY, there are processes in it. */
int cgroup_file_hand_down(int dir, const char *controller);

#endif
