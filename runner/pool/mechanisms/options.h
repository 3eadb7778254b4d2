/* options.h - checks what callers ask for: every refusal names the option, the value and the remedy. Pure. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <reclaim/pool.h>

#define OPTIONS_WORKERS_MAX        4096
#define OPTIONS_BUDGET_MIN         (INT64_C(1) << 20)
#define OPTIONS_FDS_MAX            240 /* the streams and a payload travel in the same message */
#define OPTIONS_OUTPUT_DEFAULT     (INT64_C(1) << 30)
#define OPTIONS_KILL_AFTER_DEFAULT 2000

/* A number that a caller gave: 0 is the default, and POOL_NONE is 0. */
int64_t options_choose(int64_t given, int64_t by_default);

/* Pool options with every default filled in: queue_limit INT64_MAX is none, warm 0 is none. processors: online ones. */
int options_pool(const pool_options_t *given, int processors, pool_options_t *full);

/* What a pool has for jobs. */
struct options_means {
    uint64_t memory_total;  /* bytes: the machine's, or the least limit of a cgroup around it; 0: not known */
    uint64_t memory_budget; /* bytes, in force; 0: none */
    bool has_cpu_weight;    /* its jobs' cgroups have a cpu controller */
};

/* Job options with defaults filled in: times, limits and counts that are not given become -1, kill_after_ms and
 * output_limit 0 for POOL_NONE. -ENOTSUP, -E2BIG: the pool has not the means, -EINVAL. */
int options_job(const pool_job_options_t *given, bool is_command, const struct options_means *means,
                pool_job_options_t *full);

int options_command(const pool_command_t *command, size_t fd_count);

#endif
