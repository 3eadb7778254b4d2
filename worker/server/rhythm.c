#include "rhythm.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The time in which it cannot reach its limit: at the fastest growth if it grows, and less carefully if it rests, since a
 * job that passes the limit by a few looks is still caught within the bound. */
static int64_t until_limit(const struct rhythm_view *view)
{
    if (view->limit < 0)
        return INT64_MAX;
    const uint64_t limit = (uint64_t)view->limit;
    const uint64_t room = limit > view->used ? limit - view->used : 0;
    if (view->still_ms < RHYTHM_REST_MS)
        return most((int64_t)(room / RHYTHM_FASTEST_PER_MS), RHYTHM_NEAREST_MS);
    return most((int64_t)(room / RHYTHM_FROM_REST_PER_MS), RHYTHM_TREE_MS);
}

int64_t rhythm_next(const struct rhythm_view *view)
{
    int64_t next = view->tree ? RHYTHM_TREE_MS : RHYTHM_SINGLE_MS;
    if (view->every_ms > 0)
        next = least(next, view->every_ms);
    while (next * 1000 < view->cost_us * RHYTHM_FAR_SHARE * view->looked_at)
        next *= 2; /* doubled, so that different jobs are looked at together */
    const int64_t affordable = view->cost_us * RHYTHM_NEAR_SHARE / 1000;
    return most(least(next, most(until_limit(view), affordable)), RHYTHM_NEAREST_MS);
}
