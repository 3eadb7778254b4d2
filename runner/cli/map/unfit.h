/* unfit.h - an input that cannot be an argument: too long, or with a NUL in it. However long it is, only a text that
 * stands for it is kept: its beginning, its size, and a hash. Pure. */
#ifndef UNFIT_H
#define UNFIT_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNFIT_SIZE_MOST 131071 /* bytes of an argument at most, by Linux (MAX_ARG_STRLEN, less its NUL) */

enum unfit_reason { UNFIT_NOT = 0, UNFIT_LONG, UNFIT_NUL };

/* Starts as zero. */
struct unfit {
    struct text text; /* its first bytes; in the end the text that stands for it */
    uint64_t size, number;
    bool has_nul;
};

/* Adds the next piece. */
void unfit_add(struct unfit *unfit, const char *data, size_t size);

/* "abc...(200000 bytes, 0123456789abcdef)", until unfit_clear; NULL: no memory. */
const char *unfit_end(struct unfit *unfit);

void unfit_clear(struct unfit *unfit);
void unfit_deinit(struct unfit *unfit);

#endif
