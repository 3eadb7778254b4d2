/* exclude.h - which memory the processes of a pool can do without. */
#ifndef EXCLUDE_H
#define EXCLUDE_H

#include <reclaim/pool.h>

#define EXCLUDE_MAX 1024 /* ranges: each may split a mapping, of which a process has 65,530 */

/* Memory that may not be excluded, and what it is called in the refusal. */
struct exclude_need {
    const void *data;
    size_t size;
    const char *what;
};

/* Checks ranges (*borrows*) against what this process maps now. -EFAULT: one is not mapped, or not private memory.
 * -EINVAL: one holds what the pool's processes need: code and static data, the calling thread's stack and thread-local
 * data, one of needs. It does not know the stacks of other threads, nor the insides of an allocator. -ENOENT, -ENOMEM:
 * /proc/self/maps cannot be read. */
int exclude_check(const pool_bytes_t *ranges, size_t count, const struct exclude_need *needs, size_t need_count);

#endif
