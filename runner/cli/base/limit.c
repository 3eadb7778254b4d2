#include "limit.h"

#include "units.h"
#include "values.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOFILE_LEAST 16 /* three streams, a copy of each while they are put in place, and the loader's */

static int set_memory(void *context, const char *text)
{
    struct limits *limits = context;
    if (values_size("memory", text, &limits->job.memory_limit) < 0)
        return -1;
    return limits->job.memory_limit >= 1 << 20
               ? 0
               : table_fail("memory", text, "less than a process needs to start: give at least 1M");
}

int limits_set_timeout(void *context, const char *text)
{
    struct limits *limits = context;
    return values_duration("timeout", text, &limits->job.timeout_ms);
}

static int set_kill_after(void *context, const char *text)
{
    struct limits *limits = context;
    int64_t ms;
    if (values_delay("kill-after", text, &ms) < 0)
        return -1;
    limits->job.kill_after_ms = ms == 0 ? POOL_NONE : ms;
    return 0;
}

static int set_cpu_time(void *context, const char *text)
{
    struct limits *limits = context;
    return values_duration("cpu-time", text, &limits->job.cpu_ms);
}

static int set_pids(void *context, const char *text)
{
    struct limits *limits = context;
    int64_t value;
    if (values_number("pids", text, 1, INT32_MAX, &value, "must be at least 1: the command itself is a process") < 0)
        return -1;
    limits->job.pids = (int32_t)value;
    return 0;
}

static int set_nofile(void *context, const char *text)
{
    struct limits *limits = context;
    int64_t value;
    struct rlimit files;
    if (values_number("nofile", text, NOFILE_LEAST, INT32_MAX, &value,
                      "must be at least 16, for less is not enough to start, and no more than there can be") < 0)
        return -1;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && (rlim_t)value > files.rlim_max)
        return table_fail("nofile", text, "more than this process may have (ulimit -Hn)");
    limits->job.nofile = (int32_t)value;
    return 0;
}

static int set_output_limit(void *context, const char *text)
{
    struct limits *limits = context;
    limits->output_limited = true;
    return values_size("output-limit", text, &limits->output_limit);
}

/* Asked of the kernel, in a child, so that this process stays as it is. */
static bool may_be_less_nice(void)
{
    int status;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1) == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int set_nice(void *context, const char *text)
{
    struct limits *limits = context;
    int64_t value;
    if (values_number("nice", text, -40, 40, &value, "must lie between -40 and 40") < 0)
        return -1;
    if (value < 0 && !may_be_less_nice())
        return table_fail("nice", text, "less than 0 needs the privilege");
    limits->job.nice = (int32_t)value;
    return 0;
}

static int set_retries(void *context, const char *text)
{
    struct limits *limits = context;
    return values_number("retries", text, 1, INT32_MAX, &limits->runs, "must be at least 1: it counts the runs in all");
}

static int set_retry_oom(void *context, const char *text)
{
    struct limits *limits = context;
    limits->retry_oom = text;
    const int rc = units_parse_decimal(text, 1.1, 100, &limits->job.retry_oom);
    return rc < 0 ? table_fail("retry-oom", text, rc == -ERANGE ? "must lie between 1.1 and 100" : "not a number") : 0;
}

static int set_huge_pages(void *context, const char *text)
{
    struct limits *limits = context;
    (void)text;
    limits->job.huge_pages = true;
    return 0;
}

const struct table_option limits_kill_after_short[] = {
    {"kill-after", 'k', "DUR", "SIGKILL so long after SIGTERM (default 2s)", set_kill_after},
    {0}};
const struct table_option limits_kill_after_long[] = {
    {"kill-after", 0, "DUR", "SIGKILL so long after SIGTERM (default 2s)", set_kill_after},
    {0}};

const struct table_option limits_timeout[] = {{"timeout", 't', "DUR", "wall time of one run", limits_set_timeout}, {0}};

const struct table_option limits_table[] = {
    {"memory", 'm', "SIZE", "memory of all its processes together", set_memory},
    {"cpu-time", 0, "DUR", "CPU time of each process, in whole seconds", set_cpu_time},
    {"pids", 0, "N", "processes at once", set_pids},
    {"nofile", 0, "N", "open files of each process", set_nofile},
    {"output-limit", 0, "SIZE", "bytes on standard output, and on standard error", set_output_limit},
    {"nice", 0, "N", "added to the niceness", set_nice},
    {"retries", 0, "N", "run it up to N times in all, until it succeeds", set_retries},
    {"retry-oom", 0, "FACTOR", "over its memory limit: again with FACTOR times it", set_retry_oom},
    {"huge-pages", 0, NULL, "malloc on huge pages (glibc programs)", set_huge_pages},
    {0},
};

void limits_init(struct limits *limits)
{
    memset(limits, 0, sizeof *limits);
    limits->runs = 1;
}

int limits_finish(struct limits *limits)
{
    if (limits->retry_oom != NULL && limits->job.memory_limit <= 0)
        return table_fail("retry-oom", limits->retry_oom, "there is no limit to raise: give --memory SIZE, too");
    limits->job.retries = (int32_t)(limits->runs - 1);
    limits->job.retry_on = POOL_RETRY_ON(POOL_FAILED) | POOL_RETRY_ON(POOL_CRASHED) | POOL_RETRY_ON(POOL_TIMED_OUT) |
                           POOL_RETRY_ON(POOL_OUT_OF_MEMORY) | POOL_RETRY_ON(POOL_LOST);
    return 0;
}
