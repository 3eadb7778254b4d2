/* text.h - a string of bytes that grows. An allocation that fails is remembered, one look at the end is enough. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* a NUL follows once anything was put; NULL at first */
    size_t size, capacity;
    bool failed; /* out of memory: what was put since is missing */
};

void text_put(struct text *text, const char *data, size_t size);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Pointers to the first so many strings in it, each ended by a NUL, and a NULL. To be freed; NULL: no memory. */
const char **text_list(const struct text *text, size_t count);

/* Removes the first `size` bytes. */
void text_drop(struct text *text, size_t size);

/* Empties it and keeps its memory. */
void text_clear(struct text *text);
void text_deinit(struct text *text);

/* Adds a whole file; path "-": standard input. -EFBIG: it would have more than `most` bytes; else negative errno. */
int text_add_file(struct text *text, const char *path, size_t most);

/* FNV-1a: the number with these bytes added, from TEXT_FNV_START. Tells apart texts that nobody forges. */
#define TEXT_FNV_START UINT64_C(14695981039346656037)
uint64_t text_fnv(uint64_t number, const char *data, size_t size);

#endif
