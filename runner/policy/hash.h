/* hash.h - uthash for a library: where there is no memory for its tables the program goes on. What is added has a
 * member insert_failed (zero-initialised), which says that it was not added after all. */
#ifndef HASH_H
#define HASH_H

#include <stdbool.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->insert_failed = true)

#include <uthash.h>

#endif
