/* arena.h - memory that is never freed: a bump pointer over large mappings on huge pages. Source: madvise(2). */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *at;
    size_t left;
};

/* Zero-filled, aligned to 16. NULL and errno ENOMEM. */
void *arena_alloc(struct arena *arena, size_t size);

#endif
