/* hash.h - uthash for a library: where there is no memory for its tables the program goes on. What is added has a
 * member left_out (zero-initialised), which says that it was not added after all. */
#ifndef HASH_H
#define HASH_H

#include <stdbool.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->left_out = true)

#include <uthash.h>

#endif
