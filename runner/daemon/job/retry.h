/* retry.h - does a run that ended mean that its job has, or does it run again, when, and with how much? Pure. */
#ifndef RETRY_H
#define RETRY_H

#include "spec.h"

#define RETRY_DELAY_MAX     3600.0 /* seconds */
#define RETRY_DELAY_DEFAULT 1.0

struct retry {
    bool again;
    double delay; /* seconds */
    bool counts;  /* among `retries`; one for more memory does not */
    bool more_memory;
};

/* After a run with this end. record: as it was when the run began, so failures and oom_retries do not count this one.
 * budget: the most that a memory limit can be; 0: no bound. Done and cancelled never run again, nor does a record that
 * is cancelling. */
struct retry retry_decide(const struct spec *spec, const struct record *record, int32_t cause, bool success,
                          uint64_t budget);

/* The memory limit of the next run: spec's, times retry_oom for each of oom_retries, at most budget (0: no bound). 0:
 * none. */
uint64_t retry_memory(const struct spec *spec, uint32_t oom_retries, uint64_t budget);

#endif
