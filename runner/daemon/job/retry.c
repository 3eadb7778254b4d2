#include "retry.h"

#include <math.h>

#define MEMORY_MOST ((uint64_t)INT64_MAX / 4) /* the library takes no higher limit */

uint64_t retry_memory(const struct spec *spec, uint32_t oom_retries, uint64_t budget)
{
    const uint64_t first = (uint64_t)spec->settings.memory;
    const uint64_t most = budget > 0 && budget < MEMORY_MOST ? budget : MEMORY_MOST;
    if (oom_retries == 0 || first >= most || spec->retry_oom <= 0)
        return first; /* never less than the job asked for */
    const double grown = (double)first * pow(spec->retry_oom, oom_retries);
    return grown < (double)most ? (uint64_t)grown : most;
}

/* Doubled for each failure before this one, up to an hour; a longer one that was asked for stays as it is. */
static double delay_after(const struct spec *spec, uint32_t failures)
{
    const double most = fmax(RETRY_DELAY_MAX, spec->retry_delay);
    return fmin(spec->retry_delay * pow(2, fmin(failures, 64)), most);
}

struct retry retry_decide(const struct spec *spec, const struct record *record, int32_t cause, bool success,
                          uint64_t budget)
{
    const struct retry never = {.again = false};
    if (success || record->cancelling || cause == POOL_CAUSE_CANCELLED)
        return never;
    if (cause == RECORD_INTERRUPTED || cause == RECORD_DEPENDENCY_FAILED)
        return never; /* on_crash and after_failure have decided */
    if (cause == POOL_CAUSE_MEMORY_LIMIT && spec->settings.memory > 0 &&
        retry_memory(spec, record->oom_retries + 1, budget) > retry_memory(spec, record->oom_retries, budget))
        return (struct retry){.again = true, .more_memory = true};
    if ((int64_t)record->failures + 1 >= spec->retries)
        return never;
    return (struct retry){.again = true, .counts = true, .delay = delay_after(spec, record->failures)};
}
