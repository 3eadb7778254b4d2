/* bytes.h - amounts, of which there is none below nothing. */
#ifndef BYTES_H
#define BYTES_H

#include <stdint.h>

static inline uint64_t bytes_less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t bytes_larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t bytes_smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
