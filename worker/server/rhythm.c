#include "rhythm.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The time in which it cannot come from here to its limit: as fast as anything grows when it has been growing, and less
 * carefully when it rests, since what is past the limit by a few looks is still caught within the bound. */
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
        next *= 2; /* so that different jobs are looked at together */
    /* Whatever a look costs, a limit is not to be passed unseen. */
    const int64_t affordable = view->cost_us * RHYTHM_NEAR_SHARE / 1000;
    return most(least(next, most(until_limit(view), affordable)), RHYTHM_NEAREST_MS);
}
