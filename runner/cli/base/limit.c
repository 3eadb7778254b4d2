#include "limit.h"

#include "relay.h"
#include "say.h"
#include "units.h"
#include "values.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOFILE_LEAST 16 /* three streams, their copies before the exec, and files of the loader */

/* The last one counts, size or share. */
static int set_memory(void *context, const char *text)
{
    struct limits *limits = context;
    return values_memory("memory", text, "less than a process needs to start: give at least 1M",
                         &limits->job.memory_limit, &limits->job.memory_share);
}

static int set_nofile(void *context, const char *text)
{
    struct limits *limits = context;
    int64_t value;
    struct rlimit files;
    if (values_number("nofile", text, NOFILE_LEAST, INT32_MAX, "must be at least 16: a command needs them to start",
                      &value) < 0)
        return -1;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && (rlim_t)value > files.rlim_max)
        return values_fail("nofile", text, "more than this process may have (ulimit -Hn)");
    limits->job.nofile = (int32_t)value;
    return 0;
}

/* Tried in a child, so that this process keeps its niceness. */
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
    if (values_number("nice", text, -40, 40, NULL, &value) < 0)
        return -1;
    if (value < 0 && !may_be_less_nice())
        return values_fail("nice", text, "a negative value needs the privilege CAP_SYS_NICE");
    limits->job.nice = (int32_t)value;
    return 0;
}

static int set_retry_oom(void *context, const char *text)
{
    struct limits *limits = context;
    limits->retry_oom = text;
    const int rc = units_parse_decimal(text, 1.1, 100, &limits->job.retry_oom);
    return rc < 0 ? values_fail("retry-oom", text, rc == -ERANGE ? "must lie between 1.1 and 100" : "not a number") : 0;
}

const struct table_option limits_times[] = {
    {"timeout", 't', "DUR", "end a run that takes longer", TABLE_DURATION(struct limits, job.timeout_ms)},
    {"kill-after", 'k', "DUR", "time from SIGTERM to SIGKILL (default 2s)",
     TABLE_DELAY(struct limits, job.kill_after_ms), .has_none = true},
    {0},
};

const struct table_option limits_table[] = {
    {"memory", 'm', "SIZE", "end it over this memory; N%: of the machine's", .set = set_memory},
    {"memory-backstop", 0, NULL, "refuse memory beyond that to a single process",
     TABLE_FLAG(struct limits, job.memory_backstop)},
    {"cpu-time", 0, "DUR", "CPU time of each process, in whole seconds", TABLE_DURATION(struct limits, job.cpu_ms)},
    {"cpu-weight", 0, "N", "share of a busy CPU, 1 to 10000; others have 100",
     TABLE_NUMBER(struct limits, job.cpu_weight, 1, 10000)},
    {"pids", 0, "N", "processes at once", TABLE_NUMBER(struct limits, job.pids, 1, INT32_MAX),
     .range = "must be at least 1: the command itself is a process"},
    {"nofile", 0, "N", "open files of each process", .set = set_nofile},
    {"output-limit", 0, "SIZE", "bytes on standard output, and on standard error",
     TABLE_SIZE(struct limits, output_limit, 0, INT64_MAX)},
    {"nice", 0, "N", "added to the niceness", .set = set_nice},
    {"retries", 0, "N", "run it up to N times in all, until it succeeds",
     TABLE_NUMBER(struct limits, runs, 1, INT32_MAX), .range = "must be at least 1: it counts the runs in all"},
    {"retry-oom", 0, "FACTOR", "over its memory limit: retry with FACTOR times it", .set = set_retry_oom},
    {"huge-pages", 0, NULL, "malloc on huge pages (glibc programs)", TABLE_FLAG(struct limits, job.huge_pages)},
    {0},
};

void limits_init(struct limits *limits)
{
    *limits = (struct limits){.runs = 1, .output_limit = RELAY_NO_LIMIT};
}

int limits_finish(struct limits *limits)
{
    const bool is_limited = limits->job.memory_limit > 0 || limits->job.memory_share > 0;
    if (limits->retry_oom != NULL && !is_limited)
        return values_fail("retry-oom", limits->retry_oom, "there is no limit to raise: give --memory SIZE, too");
    if (limits->job.memory_backstop && !is_limited)
        return say(values_verb, "--memory-backstop: give --memory SIZE, too");
    limits->job.retries = (int32_t)(limits->runs - 1);
    limits->job.retry_on = POOL_RETRY_ON(POOL_FAILED) | POOL_RETRY_ON(POOL_CRASHED) | POOL_RETRY_ON(POOL_TIMED_OUT) |
                           POOL_RETRY_ON(POOL_OUT_OF_MEMORY) | POOL_RETRY_ON(POOL_LOST);
    return 0;
}
