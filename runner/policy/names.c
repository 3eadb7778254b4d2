/* names.c - the words for outcomes, causes, methods and the version. */
#include <reclaim/pool.h>

static const char *const outcomes[POOL_OUTCOME_COUNT_] = {
    [POOL_PENDING] = "pending",     [POOL_DONE] = "done",           [POOL_FAILED] = "failed",
    [POOL_CRASHED] = "crashed",     [POOL_TIMED_OUT] = "timed out", [POOL_OUT_OF_MEMORY] = "out of memory",
    [POOL_CANCELLED] = "cancelled", [POOL_LOST] = "lost",
};

static const char *const causes[POOL_CAUSE_COUNT_] = {
    [POOL_CAUSE_NONE] = "none",
    [POOL_CAUSE_EXITED] = "exited",
    [POOL_CAUSE_SIGNALLED] = "signalled",
    [POOL_CAUSE_KILLED] = "killed",
    [POOL_CAUSE_TIMEOUT] = "timeout",
    [POOL_CAUSE_CPU_LIMIT] = "cpu-limit",
    [POOL_CAUSE_MEMORY_LIMIT] = "memory-limit",
    [POOL_CAUSE_MACHINE_OOM] = "machine-oom",
    [POOL_CAUSE_OUTPUT_LIMIT] = "output-limit",
    [POOL_CAUSE_PROCESS_LIMIT] = "process-limit",
    [POOL_CAUSE_CANCELLED] = "cancelled",
    [POOL_CAUSE_NOT_FOUND] = "not-found",
    [POOL_CAUSE_NOT_EXECUTABLE] = "not-executable",
    [POOL_CAUSE_PROTOCOL] = "protocol",
    [POOL_CAUSE_LOST] = "lost",
    [POOL_CAUSE_UNKILLABLE] = "unkillable",
};

static const char *const methods[] = {
    [POOL_MEMORY_UNMEASURED] = "unmeasured",
    [POOL_MEMORY_RUSAGE] = "rusage",
    [POOL_MEMORY_SAMPLED] = "sampled",
    [POOL_MEMORY_CGROUP] = "cgroup",
};

static const char *name_of(const char *const *names, unsigned count, unsigned value)
{
    return value < count ? names[value] : "unknown";
}

const char *pool_outcome_name(pool_outcome_t outcome)
{
    return name_of(outcomes, POOL_OUTCOME_COUNT_, (unsigned)outcome);
}

const char *pool_cause_name(pool_cause_t cause)
{
    return name_of(causes, POOL_CAUSE_COUNT_, (unsigned)cause);
}

const char *pool_memory_method_name(pool_memory_method_t method)
{
    return name_of(methods, sizeof methods / sizeof methods[0], (unsigned)method);
}

#define TEXT_OF(number)                 #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *pool_version(void)
{
    return VERSION_OF(POOL_VERSION_MAJOR, POOL_VERSION_MINOR, POOL_VERSION_PATCH);
}
