/* ids.h - sets of job ids, as sorted arrays. */
#ifndef IDS_H
#define IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sorts ids, each once; returns how many are left. */
size_t ids_sort(uint64_t *ids, size_t count);

bool ids_have(const uint64_t *ids, size_t count, uint64_t id);

#endif
