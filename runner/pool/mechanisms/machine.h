/* machine.h - how much memory the machine has, and how much is available without swapping: of the machine, and of every
 * cgroup around this process that has a limit (v2, and v1's memory controller).
 *
 * Sources: proc(5) for meminfo, cgroups(7) for /proc/PID/cgroup, Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/memory.rst. Page cache that the kernel would drop first (inactive_file) counts as available. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_PATH_MAX   1024
#define MACHINE_LEVELS_MAX 32

/* A cgroup around us: a directory. */
struct machine_level {
    char path[MACHINE_PATH_MAX];
    bool is_v1;
};

struct machine {
    struct machine_level *levels; /* innermost first, of each hierarchy */
    size_t count;
};

struct machine_memory {
    uint64_t total, available; /* bytes; total 0: not known */
};

/* Finds the cgroups around this process, as they are now. Leaves out those that it cannot find. */
void machine_open(struct machine *machine);
void machine_close(struct machine *machine);

/* Looks, in some ten microseconds a file. Any thread. False: /proc/meminfo cannot be read. */
bool machine_read(const struct machine *machine, struct machine_memory *memory);

/* The parsers, pure. */

/* MemTotal and MemAvailable of /proc/meminfo. */
bool machine_parse_meminfo(const char *text, struct machine_memory *memory);

/* The directory of a cgroup in the file system: path below the mount of root at point; the mount itself, where path is
 * not below it. False: it does not fit. */
bool machine_directory(const char *root, const char *point, const char *path, char *directory, size_t size);

/* A limit or a use in bytes; UINT64_MAX: "max", or no number. */
uint64_t machine_parse_bytes(const char *text);

/* Lowers memory to what a cgroup leaves that allows limit bytes, uses `used`, and could drop `droppable` of them. */
void machine_bound(struct machine_memory *memory, uint64_t limit, uint64_t used, uint64_t droppable);

#endif
