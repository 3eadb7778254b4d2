/* fnv.h - FNV-1a, a number made of all bytes of something: enough to tell apart what nobody forges. Pure. */
#ifndef FNV_H
#define FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START UINT64_C(14695981039346656037)

/* The number with these bytes added. */
uint64_t fnv_add(uint64_t number, const char *data, size_t size);

#endif
