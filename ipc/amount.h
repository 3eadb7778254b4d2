/* amount.h - amounts, of which there is none below nothing. */
#ifndef AMOUNT_H
#define AMOUNT_H

#include <stdint.h>

static inline uint64_t amount_less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t amount_larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t amount_smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
