#include "machine.h"

#include "amount.h"
#include "cgroup_file.h"
#include "descriptor.h"
#include "proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 8192 /* meminfo and memory.stat have some 2,000 bytes */

/* ---- parsers ----------------------------------------------------------------------------------------------------- */

bool machine_parse_meminfo(const char *text, struct machine_memory *memory)
{
    return proc_bytes(text, "MemTotal:", &memory->total) && proc_bytes(text, "MemAvailable:", &memory->available);
}

bool machine_directory(const char *root, const char *point, const char *path, char *directory, size_t size)
{
    const size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    const bool is_below = strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0') &&
                          strstr(path, "/..") == NULL;
    const char *below = is_below && strcmp(path + length, "/") != 0 ? path + length : "";
    const int wrote = snprintf(directory, size, "%s%s", point, below);
    return wrote > 0 && (size_t)wrote < size;
}

uint64_t machine_parse_bytes(const char *text)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return UINT64_MAX;
    errno = 0;
    const unsigned long long bytes = strtoull(text, &end, 10);
    return errno == 0 && (*end == '\n' || *end == '\0') ? bytes : UINT64_MAX;
}

void machine_bound(struct machine_memory *memory, uint64_t limit, uint64_t used, uint64_t droppable)
{
    if (limit >= memory->total) /* v1 says no limit by a number that no machine has */
        return;
    const uint64_t left = amount_less(limit, amount_less(used, droppable));
    memory->total = limit;
    memory->available = amount_smaller(memory->available, left);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool read_file(const struct machine_level *level, const char *name, char *text)
{
    char path[MACHINE_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", level->path, name);
    return descriptor_read_file(AT_FDCWD, path, text, TEXT_MAX) > 0;
}

static uint64_t read_bytes(const struct machine_level *level, const char *name)
{
    char text[TEXT_MAX];
    return read_file(level, name, text) ? machine_parse_bytes(text) : UINT64_MAX;
}

static void read_level(const struct machine_level *level, struct machine_memory *memory)
{
    char text[TEXT_MAX];
    const uint64_t limit = read_bytes(level, level->is_v1 ? "memory.limit_in_bytes" : "memory.max");
    if (limit >= memory->total)
        return;
    const uint64_t used = read_bytes(level, level->is_v1 ? "memory.usage_in_bytes" : "memory.current");
    if (used == UINT64_MAX)
        return;
    const uint64_t droppable = read_file(level, "memory.stat", text)
                                   ? cgroup_keyed_number(text, level->is_v1 ? "total_inactive_file" : "inactive_file")
                                   : 0;
    machine_bound(memory, limit, used, droppable);
}

bool machine_read(const struct machine *machine, struct machine_memory *memory)
{
    char text[TEXT_MAX];
    *memory = (struct machine_memory){0};
    if (descriptor_read_file(AT_FDCWD, "/proc/meminfo", text, sizeof text) <= 0 || !machine_parse_meminfo(text, memory))
        return false;
    for (size_t i = 0; i < machine->count; i++)
        read_level(&machine->levels[i], memory);
    return true;
}

/* ---- finding the cgroups ----------------------------------------------------------------------------------------- */

struct hierarchy {
    const char *controller; /* NULL: version 2 */
    bool is_mounted;
    char root[MACHINE_PATH_MAX], point[MACHINE_PATH_MAX];
};

/* One pass for all: this file takes longest to read. */
static void find_mounts(struct hierarchy *all, size_t count)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0, found = 0;
    if (file == NULL)
        return;
    while (found < count && getline(&line, &size, file) > 0)
        for (struct hierarchy *one = all; one < all + count; one++)
            if (!one->is_mounted &&
                cgroup_parse_mountinfo(line, one->controller, one->root, one->point, MACHINE_PATH_MAX)) {
                one->is_mounted = true;
                found++;
            }
    free(line);
    fclose(file);
}

/* Adds a directory and all above it up to the mount point. */
static void add_levels(struct machine *machine, char *directory, size_t point_length, bool is_v1)
{
    while (machine->count < MACHINE_LEVELS_MAX) {
        struct machine_level *level = &machine->levels[machine->count++];
        level->is_v1 = is_v1;
        snprintf(level->path, sizeof level->path, "%s", directory);
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < point_length)
            return;
        *slash = '\0';
    }
}

static void add_hierarchy(struct machine *machine, const char *own, const struct hierarchy *from)
{
    char path[MACHINE_PATH_MAX], directory[MACHINE_PATH_MAX];
    if (from->is_mounted && cgroup_parse_own(own, from->controller, path, sizeof path) &&
        machine_directory(from->root, from->point, path, directory, sizeof directory))
        add_levels(machine, directory, strlen(from->point), from->controller != NULL);
}

void machine_open(struct machine *machine)
{
    struct hierarchy hierarchies[] = {{.controller = NULL}, {.controller = "memory"}};
    const size_t count = sizeof hierarchies / sizeof hierarchies[0];
    char own[TEXT_MAX];
    *machine = (struct machine){.levels = calloc(MACHINE_LEVELS_MAX, sizeof *machine->levels)};
    if (machine->levels == NULL || descriptor_read_file(AT_FDCWD, "/proc/self/cgroup", own, sizeof own) <= 0)
        return;
    find_mounts(hierarchies, count);
    for (size_t i = 0; i < count; i++)
        add_hierarchy(machine, own, &hierarchies[i]);
}

void machine_close(struct machine *machine)
{
    free(machine->levels);
    *machine = (struct machine){0};
}
