#include "arena.h"

#include <errno.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define CHUNK     ((size_t)64 << 20)

/* A mapping that starts on a huge page: mapped one page larger, the ends given back. */
static uint8_t *map_aligned(size_t size)
{
    uint8_t *whole =
        mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (whole == MAP_FAILED)
        return NULL;
    const size_t before = (HUGE_PAGE - ((uintptr_t)whole & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
    if (before > 0)
        munmap(whole, before);
    if (before < HUGE_PAGE)
        munmap(whole + before + size, HUGE_PAGE - before);
    madvise(whole + before, size, MADV_HUGEPAGE);
    return whole + before;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    const size_t rounded = size == 0 ? 16 : (size + 15) & ~(size_t)15;
    if (rounded > arena->left) {
        const size_t chunk = rounded < CHUNK ? CHUNK : (rounded + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        uint8_t *data = map_aligned(chunk);
        if (data == NULL) {
            errno = ENOMEM;
            return NULL;
        }
        /* A large block of its own leaves a chunk that still has more room alone. */
        if (chunk - rounded < arena->left)
            return data;
        arena->at = data;
        arena->left = chunk;
    }
    void *block = arena->at;
    arena->at += rounded;
    arena->left -= rounded;
    return block;
}
