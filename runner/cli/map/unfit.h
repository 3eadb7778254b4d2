/* unfit.h - an input that can be no argument: longer than one may be, or with a NUL in it. All that is kept of it,
 * however long it is, is what stands for it: how it begins, its size, and a number made of all of it. Pure. */
#ifndef UNFIT_H
#define UNFIT_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNFIT_SIZE_MOST 131071 /* bytes that fit: what Linux lets one argument have (MAX_ARG_STRLEN, less its NUL) */

enum unfit_reason { UNFIT_NOT = 0, UNFIT_LONG, UNFIT_NUL };

/* Zero is one of which nothing has come. */
struct unfit {
    struct text text; /* its first bytes, and what stands for it in the end */
    uint64_t size, number;
    bool has_nul;
};

/* The next piece of it. */
void unfit_add(struct unfit *unfit, const char *data, size_t size);

/* "abc...(200000 bytes, 0123456789abcdef)", until unfit_clear; NULL: no memory. */
const char *unfit_end(struct unfit *unfit);

void unfit_clear(struct unfit *unfit);
void unfit_deinit(struct unfit *unfit);

#endif
