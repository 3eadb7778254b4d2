/* grow.c - room for one more in an array of the caller's. */
#include "grow.h"

#include <stdlib.h>

void *grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    const size_t more = *capacity != 0 ? *capacity * 2 : 64;
    void *grown = realloc(array, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}
