#include "options.h"

#include "exclude.h"
#include "failure.h"
#include "forkserver.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TIME_MAX_MS  (INT64_MAX / 4)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A number that has 0 as its default and POOL_NONE for none. */
static int check_number(const char *name, int64_t value, int64_t most)
{
    if (value < POOL_NONE)
        return failure(-EINVAL, "%s is %lld: give a positive number, 0 for the default, or POOL_NONE", name,
                       (long long)value);
    if (value > most)
        return failure(-EINVAL, "%s is %lld: the most is %lld", name, (long long)value, (long long)most);
    return 0;
}

static int check_reserved(const char *what, const uint64_t *reserved, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (reserved[i] != 0)
            return failure(-EINVAL, "%s.reserved is not zero: zero-initialise the struct (= {0})", what);
    return 0;
}

static int check_method(const pool_options_t *o)
{
    if (o->memory_method != POOL_MEMORY_UNMEASURED && o->memory_method != POOL_MEMORY_SAMPLED &&
        o->memory_method != POOL_MEMORY_CGROUP)
        return failure(
            -EINVAL, "memory_method is %d: it is POOL_MEMORY_SAMPLED, POOL_MEMORY_CGROUP, or 0 for the best available",
            (int)o->memory_method);
    if (o->cgroup != NULL && o->cgroup[0] != '/')
        return failure(-EINVAL, "cgroup is \"%s\": give the absolute path of a directory in a cgroup v2 file system",
                       o->cgroup);
    if (o->cgroup != NULL && o->memory_method == POOL_MEMORY_SAMPLED)
        return failure(-EINVAL, "cgroup is given and memory_method is POOL_MEMORY_SAMPLED: leave one of them out");
    return 0;
}

static int check_held(const pool_options_t *o)
{
    if (o->held_count > FORKSERVER_HELD_MAX)
        return failure(-EINVAL, "held_count is %zu: at most %d descriptors are held", o->held_count,
                       FORKSERVER_HELD_MAX);
    if (o->held_count > 0 && o->held == NULL)
        return failure(-EINVAL, "held is NULL and held_count is %zu", o->held_count);
    for (size_t i = 0; i < o->held_count; i++)
        if (fcntl(o->held[i], F_GETFD) < 0)
            return failure(-EBADF, "held[%zu] is %d, which is not an open descriptor", i, o->held[i]);
    return 0;
}

/* Whether the ranges are mapped, and to whom they belong, is for exclude.c. */
static int check_exclude(const pool_options_t *o)
{
    if (o->exclude_count > EXCLUDE_MAX)
        return failure(-EINVAL, "exclude_count is %zu: at most %d ranges are excluded", o->exclude_count, EXCLUDE_MAX);
    if (o->exclude_count > 0 && o->exclude == NULL)
        return failure(-EINVAL, "exclude is NULL and exclude_count is %zu", o->exclude_count);
    for (size_t i = 0; i < o->exclude_count; i++)
        if (o->exclude[i].data == NULL || o->exclude[i].size == 0 ||
            o->exclude[i].size > UINTPTR_MAX - (uintptr_t)o->exclude[i].data)
            return failure(-EINVAL, "exclude[%zu] is %zu bytes at %p: give memory of this process", i,
                           o->exclude[i].size, o->exclude[i].data);
    return 0;
}

int64_t options_choose(int64_t given, int64_t by_default)
{
    return given == 0 ? by_default : given == POOL_NONE ? 0 : given;
}

int options_pool(const pool_options_t *given, int processors, pool_options_t *full)
{
    static const pool_options_t defaults;
    int rc;
    *full = given == NULL ? defaults : *given;
    if ((rc = check_reserved("pool_options_t", full->reserved, COUNT(full->reserved))) < 0)
        return rc;
    if (full->workers < 0)
        return failure(-EINVAL, "workers is %d: give at least 1, or 0 for the number of processors", full->workers);
    if ((rc = check_number("workers", full->workers, OPTIONS_WORKERS_MAX)) < 0 ||
        (rc = check_number("warm", full->warm, OPTIONS_WORKERS_MAX)) < 0 ||
        (rc = check_number("queue_limit", full->queue_limit, INT64_MAX)) < 0)
        return rc;
    if (full->queue_full != POOL_QUEUE_BLOCK && full->queue_full != POOL_QUEUE_REFUSE)
        return failure(-EINVAL, "queue_full is %d: it is POOL_QUEUE_BLOCK or POOL_QUEUE_REFUSE", (int)full->queue_full);
    if ((rc = check_number("memory_budget", full->memory_budget, INT64_MAX)) < 0 ||
        (rc = check_number("memory_floor", full->memory_floor, INT64_MAX)) < 0)
        return rc;
    if (full->memory_budget > 0 && full->memory_budget < OPTIONS_BUDGET_MIN)
        return failure(-EINVAL, "memory_budget is %lld bytes: give at least 1 MiB, 0 for the default, or POOL_NONE",
                       (long long)full->memory_budget);
    if ((rc = check_method(full)) < 0 || (rc = check_held(full)) < 0 || (rc = check_exclude(full)) < 0)
        return rc;
    if (full->workers == 0)
        full->workers = processors > 0 ? processors : 1;
    full->warm = (int32_t)options_choose(full->warm, full->workers);
    full->queue_limit = options_choose(full->queue_limit, INT64_MAX);
    return 0;
}

/* Everything that is a plain number with a range. */
static int check_job_numbers(const pool_job_options_t *o)
{
    const struct {
        const char *name;
        int64_t value, most;
    } numbers[] = {
        {"deadline_ms", o->deadline_ms, TIME_MAX_MS},
        {"memory_every_ms", o->memory_every_ms, TIME_MAX_MS},
        {"retry_delay_ms", o->retry_delay_ms, TIME_MAX_MS},
        {"retries", o->retries, INT32_MAX},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < COUNT(numbers); i++)
        rc = check_number(numbers[i].name, numbers[i].value, numbers[i].most);
    for (const struct setting *setting = settings; rc == 0 && setting < settings + SETTING_ROW_COUNT_; setting++)
        if (setting->least >= 0)
            rc = check_number(setting->option, settings_get(setting, o),
                              setting->most > 0 ? setting->most : TIME_MAX_MS);
    return rc;
}

static int check_job_choices(const pool_job_options_t *o, bool is_command)
{
    if (o->output < POOL_OUTPUT_INHERIT || o->output > POOL_OUTPUT_DISCARD)
        return failure(-EINVAL, "output is %d: it is POOL_OUTPUT_INHERIT, _CAPTURE or _DISCARD", (int)o->output);
    if (is_command && o->output != POOL_OUTPUT_INHERIT)
        return failure(-EINVAL, "output is for function jobs: set the command's stdout_mode and stderr_mode");
    if (!is_command && o->huge_pages)
        return failure(-EINVAL, "huge_pages is for commands: a function takes its memory from pool_call_alloc()");
    if (is_command && o->result_limit != 0)
        return failure(-EINVAL, "result_limit is for function jobs: a command has an output_limit");
    if (o->nice < -40 || o->nice > 40)
        return failure(-EINVAL, "nice is %d: it is added to the host's and lies between -40 and 40", o->nice);
    if (o->fd_count > OPTIONS_FDS_MAX)
        return failure(-EINVAL, "fd_count is %zu: at most %d descriptors go to a job", o->fd_count, OPTIONS_FDS_MAX);
    if (o->fd_count > 0 && o->fds == NULL)
        return failure(-EINVAL, "fds is NULL and fd_count is %zu", o->fd_count);
    if ((o->retry_on & ~(POOL_RETRY_ON(POOL_OUTCOME_COUNT_) - 1)) != 0 ||
        (o->retry_on & (POOL_RETRY_ON(POOL_PENDING) | POOL_RETRY_ON(POOL_DONE) | POOL_RETRY_ON(POOL_CANCELLED))) != 0)
        return failure(-EINVAL, "retry_on is 0x%x: combine POOL_RETRY_ON() of outcomes that are failures",
                       (unsigned)o->retry_on);
    return 0;
}

static int check_job_memory(const pool_job_options_t *o)
{
    if (o->memory_limit > 0 && o->memory_limit < settings[SETTING_MEMORY].least)
        return failure(-EINVAL, "memory_limit is %lld bytes: give at least %lld, which a process needs to start",
                       (long long)o->memory_limit, (long long)settings[SETTING_MEMORY].least);
    if (o->memory_backstop && o->memory_limit <= 0)
        return failure(-EINVAL, "memory_backstop is set without a memory_limit: it makes allocations beyond that fail");
    if (!(o->retry_oom == 0 || (o->retry_oom >= 1.1 && o->retry_oom <= 100)))
        return failure(-EINVAL, "retry_oom is %g: it is the factor for the next limit, from 1.1 to 100", o->retry_oom);
    if (o->retry_oom > 0 && o->memory_limit <= 0)
        return failure(-EINVAL, "retry_oom is set without a memory_limit: there is nothing to raise");
    if (o->memory_every_ms > 0 && o->on_event == NULL)
        return failure(-EINVAL, "memory_every_ms is set without on_event, which receives these events");
    return 0;
}

/* The lower of memory_limit and memory_share becomes memory_limit. */
static int apply_memory_share(pool_job_options_t *o, uint64_t total)
{
    if (!(o->memory_share >= 0 && o->memory_share <= 1))
        return failure(-EINVAL, "memory_share is %g: it is a share of the machine's memory, above 0 and at most 1",
                       o->memory_share);
    if (o->memory_share == 0)
        return 0;
    if (total == 0)
        return failure(-ENOTSUP, "memory_share is %g, and /proc/meminfo does not say of how much: give a memory_limit",
                       o->memory_share);
    o->memory_limit = settings_memory(o->memory_limit, o->memory_share, total);
    return 0;
}

/* 0 is none, as -1. */
static int64_t or_none(int64_t value)
{
    return value == 0 ? POOL_NONE : value;
}

static int check_means(const pool_job_options_t *o, const struct options_means *means)
{
    const uint64_t budget = means->memory_budget;
    if (o->cpu_weight > 0 && !means->has_cpu_weight)
        return failure(-ENOTSUP, "cpu_weight is %d: this pool has no cgroup with a cpu controller", o->cpu_weight);
    if (budget > 0 && o->memory_expected > 0 && (uint64_t)o->memory_expected > budget)
        return failure(-E2BIG,
                       "memory_expected is %lld bytes and memory_budget %llu: it could never start; raise "
                       "memory_budget at pool_open, or lower memory_expected",
                       (long long)o->memory_expected, (unsigned long long)budget);
    return 0;
}

int options_job(const pool_job_options_t *given, bool is_command, const struct options_means *means,
                pool_job_options_t *full)
{
    static const pool_job_options_t defaults;
    int rc;
    *full = given == NULL ? defaults : *given;
    if ((rc = check_reserved("pool_job_options_t", full->reserved, COUNT(full->reserved))) < 0 ||
        (rc = check_job_numbers(full)) < 0 || (rc = apply_memory_share(full, means->memory_total)) < 0 ||
        (rc = check_job_memory(full)) < 0 || (rc = check_job_choices(full, is_command)) < 0 ||
        (rc = check_means(full, means)) < 0)
        return rc;
    settings_fill_none(full);
    full->deadline_ms = or_none(full->deadline_ms);
    full->memory_every_ms = or_none(full->memory_every_ms);
    full->retries = (int32_t)options_choose(full->retries, 0);
    full->retry_delay_ms = options_choose(full->retry_delay_ms, 0);
    full->kill_after_ms = options_choose(full->kill_after_ms, OPTIONS_KILL_AFTER_DEFAULT);
    full->output_limit = options_choose(full->output_limit, OPTIONS_OUTPUT_DEFAULT);
    return 0;
}

static int check_stream(const char *name, pool_stream_t mode)
{
    if (mode < POOL_STREAM_INHERIT || mode > POOL_STREAM_CLOSED)
        return failure(-EINVAL, "%s_mode is %d: it is POOL_STREAM_INHERIT, _CAPTURE, _FD, _DISCARD or _CLOSED", name,
                       (int)mode);
    return 0;
}

/* No two descriptors have one number; 0 to 2 are the streams. */
static int check_numbers(const int32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] <= STDERR_FILENO)
            return failure(-EINVAL, "fd_numbers[%zu] is %d: give a number above 2", i, numbers[i]);
        for (size_t j = 0; j < i; j++)
            if (numbers[j] == numbers[i])
                return failure(-EINVAL, "fd_numbers[%zu] and [%zu] are both %d", j, i, numbers[i]);
    }
    return 0;
}

int options_command(const pool_command_t *command, size_t fd_count)
{
    int rc;
    if (command == NULL || command->argv == NULL || command->argv[0] == NULL)
        return failure(-EINVAL, "the command has no argv[0]: give the program and its arguments, ended by NULL");
    if ((rc = check_reserved("pool_command_t", command->reserved, COUNT(command->reserved))) < 0)
        return rc;
    if (command->stdin_mode < POOL_STDIN_NULL || command->stdin_mode > POOL_STDIN_CLOSED)
        return failure(-EINVAL, "stdin_mode is %d: it is POOL_STDIN_NULL, _BYTES, _FD, _INHERIT or _CLOSED",
                       (int)command->stdin_mode);
    if (command->stdin_mode == POOL_STDIN_BYTES && command->stdin_bytes.size > 0 && command->stdin_bytes.data == NULL)
        return failure(-EINVAL, "stdin_bytes.data is NULL and its size is %zu", command->stdin_bytes.size);
    if (command->stdin_mode != POOL_STDIN_BYTES && command->stdin_bytes.size > 0)
        return failure(-EINVAL, "stdin_bytes is given and stdin_mode is %d: set it to POOL_STDIN_BYTES",
                       (int)command->stdin_mode);
    if ((rc = check_stream("stdout", command->stdout_mode)) < 0 ||
        (rc = check_stream("stderr", command->stderr_mode)) < 0)
        return rc;
    return command->fd_numbers == NULL || fd_count > OPTIONS_FDS_MAX ? 0 : check_numbers(command->fd_numbers, fd_count);
}
