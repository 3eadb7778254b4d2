#include "births.h"

#include "amount.h"

#define BACKOFF_FIRST_MS 10
#define BACKOFF_LAST_MS  1000

static size_t startable(const struct births_view *view)
{
    return amount_smaller(view->queued, amount_less(view->workers, view->running));
}

bool births_surplus(const struct births_view *view)
{
    return view->idle + view->asked > startable(view) + view->warm;
}

size_t births_wanted(const struct births_view *view)
{
    const size_t missing = amount_less(startable(view) + view->warm, view->idle + view->asked);
    const size_t room = amount_less(view->workers + view->warm, view->processes);
    const size_t paced = amount_less(BIRTHS_UNACKNOWLEDGED_MAX, view->asked);
    return amount_smaller(missing, amount_smaller(room, paced));
}

bool births_failed(struct births_failures *failures, int64_t now)
{
    const int64_t delay = failures->count < 7 ? (int64_t)BACKOFF_FIRST_MS << failures->count : BACKOFF_LAST_MS;
    failures->count++;
    failures->not_before = now + (delay < BACKOFF_LAST_MS ? delay : BACKOFF_LAST_MS);
    return failures->count >= BIRTHS_FAILURES_MAX;
}

void births_died_idle(struct births_failures *failures, int64_t now)
{
    if (failures->not_before < now + BACKOFF_FIRST_MS)
        failures->not_before = now + BACKOFF_FIRST_MS;
}

void births_succeeded(struct births_failures *failures)
{
    *failures = (struct births_failures){0};
}
