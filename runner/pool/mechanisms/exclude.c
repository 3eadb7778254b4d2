#include "exclude.h"

#include "failure.h"

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Half open. */
struct span {
    uintptr_t begin, end;
};

struct ranges {
    const pool_bytes_t *all;
    size_t count;
};

static struct span span_of(const void *data, size_t size)
{
    return (struct span){(uintptr_t)data, (uintptr_t)data + size};
}

static uintptr_t common(struct span a, struct span b)
{
    const uintptr_t begin = a.begin > b.begin ? a.begin : b.begin, end = a.end < b.end ? a.end : b.end;
    return end > begin ? end - begin : 0;
}

/* Refuses a range that has anything in common with what the pool's processes need. */
static int refuse(const struct ranges *ranges, struct span need, const char *what)
{
    for (size_t i = 0; i < ranges->count; i++)
        if (common(span_of(ranges->all[i].data, ranges->all[i].size), need) > 0)
            return failure(-EINVAL, "exclude[%zu], %zu bytes at %p, holds %s: the pool's processes need that", i,
                           ranges->all[i].size, ranges->all[i].data, what);
    return 0;
}

/* Of the program and each library, wherever it is. */
static int refuse_object(struct dl_phdr_info *info, size_t size, void *ranges)
{
    int rc = 0;
    (void)size;
    for (int i = 0; rc == 0 && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        const uintptr_t begin = (uintptr_t)info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD)
            rc = refuse(ranges, (struct span){begin, begin + header->p_memsz}, "code or static data");
    }
    return rc;
}

static int refuse_thread(const struct ranges *ranges)
{
    pthread_attr_t attributes;
    void *stack;
    size_t size;
    int rc = pthread_getattr_np(pthread_self(), &attributes);
    if (rc != 0)
        return failure(-rc, "the thread's stack cannot be found: %s", strerror(rc));
    pthread_attr_getstack(&attributes, &stack, &size);
    pthread_attr_destroy(&attributes);
    rc = refuse(ranges, span_of(stack, size), "the stack of the calling thread");
    if (rc == 0)
        rc = refuse(ranges, span_of(&errno, sizeof errno), "thread-local data");
    return rc < 0 ? rc : refuse(ranges, span_of((const void *)pthread_self(), 1), "libc's data of the calling thread");
}

/* Adds to covered what a mapping has of each range. */
static int cover(const struct ranges *ranges, struct span mapping, const char *line, const char *rights,
                 uintptr_t *covered)
{
    const bool is_fit = rights[3] == 'p' && rights[2] != 'x' && strstr(line, "[stack") == NULL;
    for (size_t i = 0; i < ranges->count; i++) {
        const pool_bytes_t *range = &ranges->all[i];
        const uintptr_t bytes = common(span_of(range->data, range->size), mapping);
        if (bytes > 0 && !is_fit)
            return failure(-EFAULT,
                           "exclude[%zu], %zu bytes at %p, is not private memory: give what malloc(3) or "
                           "mmap(2) with MAP_PRIVATE has returned",
                           i, range->size, range->data);
        covered[i] += bytes;
    }
    return 0;
}

static int check_mappings(const struct ranges *ranges)
{
    uintptr_t covered[EXCLUDE_MAX] = {0};
    char line[512];
    int rc = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return failure(-errno, "/proc/self/maps cannot be read: %s", strerror(errno));
    while (rc == 0 && fgets(line, sizeof line, maps) != NULL) {
        struct span mapping;
        char rights[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &mapping.begin, &mapping.end, rights) == 3)
            rc = cover(ranges, mapping, line, rights, covered);
    }
    fclose(maps);
    for (size_t i = 0; rc == 0 && i < ranges->count; i++)
        if (covered[i] != ranges->all[i].size)
            rc = failure(-EFAULT, "exclude[%zu], %zu bytes at %p, is not all mapped", i, ranges->all[i].size,
                         ranges->all[i].data);
    return rc;
}

int exclude_check(const pool_bytes_t *all, size_t count, const struct exclude_need *needs, size_t need_count)
{
    struct ranges ranges = {all, count};
    int rc = 0;
    for (size_t i = 0; i < need_count && rc == 0; i++)
        rc = refuse(&ranges, span_of(needs[i].data, needs[i].size), needs[i].what);
    if (rc == 0)
        rc = refuse_thread(&ranges);
    if (rc == 0)
        rc = dl_iterate_phdr(refuse_object, &ranges);
    return rc < 0 ? rc : check_mappings(&ranges);
}
