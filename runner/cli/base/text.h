/* text.h - a string of bytes that grows. An allocation that fails is remembered, so that one look at the end is enough.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
