#include "rhythm.h"

#include "amount.h"
#include "moment.h"

/* The time in which it cannot reach its limit: at the fastest growth if it grows, and less carefully if it rests, since
 * a job that passes the limit by a few looks is still caught within the bound. */
static int64_t until_limit(const struct rhythm_view *view)
{
    if (view->limit < 0)
        return INT64_MAX;
    const uint64_t room = amount_less((uint64_t)view->limit, view->used);
    if (view->still_ms < RHYTHM_REST_MS)
        return moment_later((int64_t)(room / RHYTHM_FASTEST_PER_MS), RHYTHM_NEAREST_MS);
    return moment_later((int64_t)(room / RHYTHM_FROM_REST_PER_MS), RHYTHM_TREE_MS);
}

int64_t rhythm_next(const struct rhythm_view *view)
{
    int64_t next = view->tree ? RHYTHM_TREE_MS : RHYTHM_SINGLE_MS;
    if (view->every_ms > 0)
        next = moment_earlier(next, view->every_ms);
    while (next * 1000 < view->cost_us * RHYTHM_FAR_SHARE * view->looked_at)
        next *= 2; /* doubled, so that different jobs are looked at together */
    const int64_t affordable = view->cost_us * RHYTHM_NEAR_SHARE / 1000;
    return moment_later(moment_earlier(next, moment_later(until_limit(view), affordable)), RHYTHM_NEAREST_MS);
}
