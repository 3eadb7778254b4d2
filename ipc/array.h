/* array.h - arrays that grow by doubling. */
#ifndef ARRAY_H
#define ARRAY_H

#include <stddef.h>
#include <stdlib.h>

#define ARRAY_FIRST 16

/* Room for one more element of this size. The array has count elements and room for *capacity. Returns where it is now;
 * NULL: no memory, and the array stays as it is. */
static inline void *array_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    const size_t more = *capacity != 0 ? *capacity * 2 : ARRAY_FIRST;
    void *grown = realloc(array, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

#endif
