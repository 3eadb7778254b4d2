/* leftovers.c - pool_sweep: ends processes of other pools, whose host, keeper and fork server were killed at once. */
#include "failure.h"
#include "sweep.h"

#include <reclaim/pool.h>

#include <errno.h>

#define PASSES    500
#define PAUSE_MS  10
#define TAGS_MOST 4096

struct tags {
    const uint32_t *all;
    size_t count;
};

static bool has_tag(uint64_t serial, void *context)
{
    const struct tags *tags = context;
    for (size_t i = 0; i < tags->count; i++)
        if (serial >> 32 == tags->all[i])
            return true;
    return false;
}

int pool_sweep(const uint32_t *tags, size_t count)
{
    struct tags wanted = {.all = tags, .count = count};
    if (count > TAGS_MOST)
        return failure(-EINVAL, "count is %zu: give at most %d tags", count, TAGS_MOST);
    for (size_t i = 0; i < count; i++)
        if (tags[i] == 0)
            return failure(-EINVAL, "tags[%zu] is 0, which is no tag", i);
    const size_t found = count == 0 ? 0 : sweep_tagged(has_tag, &wanted, PASSES, PAUSE_MS);
    return found == 0 ? 0 : failure(-EBUSY, "%zu processes of a dead pool could not be ended", found);
}
