/* retry.h - whether a job runs again after a run that ended: when, and with how much memory. Pure. */
#ifndef RETRY_H
#define RETRY_H

#include "spec.h"

#define RETRY_DELAY_MAX     3600.0 /* seconds */
#define RETRY_DELAY_DEFAULT 1.0

struct retry {
    bool again;
    double delay; /* seconds */
    bool counts;  /* in `retries`; a run with more memory does not */
    bool more_memory;
};

/* record does not count this run in failures and oom_retries yet. budget: the largest memory limit; 0: no bound. A job
 * that succeeded or was cancelled, or is being cancelled, does not run again. */
struct retry retry_decide(const struct spec *spec, const struct record *record, int32_t cause, bool success,
                          uint64_t budget);

/* The memory limit of the next run: the spec's, multiplied by retry_oom oom_retries times, at most budget (0: no
 * bound). 0: no limit. */
uint64_t retry_memory(const struct spec *spec, uint32_t oom_retries, uint64_t budget);

#endif
