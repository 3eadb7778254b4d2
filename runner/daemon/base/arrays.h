/* arrays.h - arrays of the caller's that grow, and sets of job ids as sorted arrays. */
#ifndef ARRAYS_H
#define ARRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one more element. array has count elements of this size, and room for *capacity. Returns where it is now;
 * NULL: no memory, and array stays as it is. */
void *array_grow(void *array, size_t count, size_t *capacity, size_t size);

/* Sorts ids, each once; returns how many are left. */
size_t ids_sort(uint64_t *ids, size_t count);

bool ids_have(const uint64_t *ids, size_t count, uint64_t id);

#endif
