/* grow.h - room for one more in an array of the caller's. */
#ifndef GROW_H
#define GROW_H

#include <stddef.h>

/* array has count elements of this size, and room for *capacity. Returns where it is now, with room for one more; NULL:
 * no memory, and it stays as it is. */
void *grow(void *array, size_t count, size_t *capacity, size_t size);

#endif
