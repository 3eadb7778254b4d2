#include "submit_options.h"

#include "outcome.h"
#include "relay.h"
#include "remote.h"
#include "say.h"
#include "value.h"
#include "values.h"
#include "when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STDIN_MOST ((size_t)64 * 1024 * 1024)

extern char **environ;

/* ---- the job ----------------------------------------------------------------------------------------------------- */

static int set_arg(void *context, const char *text)
{
    struct submit_options *options = context;
    json_error_t error;
    msgpack_packer packer;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        char why[JSON_ERROR_TEXT_LENGTH + 32];
        snprintf(why, sizeof why, "not JSON: %s (column %d)", error.text, error.column);
        return values_fail("arg", text, why);
    }
    msgpack_sbuffer_clear(&options->argument);
    msgpack_packer_init(&packer, &options->argument, msgpack_sbuffer_write);
    const int rc = value_pack(&packer, json);
    json_decref(json);
    return rc < 0 ? values_fail("arg", text,
                                rc == -EINVAL ? "a $bin is not base64, or a $uint is not a number" : strerror(-rc))
                  : 0;
}

static int add_env(struct submit_options *options, const char *entry)
{
    if (options->env_count + 1 >= options->env_capacity) {
        const size_t capacity = options->env_capacity == 0 ? 64 : 2 * options->env_capacity;
        const char **env = realloc(options->env, capacity * sizeof *env);
        if (env == NULL)
            return -ENOMEM;
        options->env = env;
        options->env_capacity = capacity;
    }
    options->env[options->env_count++] = entry;
    options->env[options->env_count] = NULL;
    return 0;
}

static int set_env(void *context, const char *text)
{
    if (text[0] == '=' || strchr(text, '=') == NULL)
        return values_fail("env", text, "give NAME=VALUE");
    return add_env(context, text) < 0 ? values_fail("env", text, strerror(ENOMEM)) : 0;
}

static int set_cwd(void *context, const char *text)
{
    struct submit_options *options = context;
    char *path = realpath(text, NULL);
    if (path == NULL)
        return values_fail("cwd", text, strerror(errno));
    snprintf(options->cwd, sizeof options->cwd, "%s", path); /* realpath(3) gives less than PATH_MAX */
    free(path);
    return 0;
}

/* ---- time and order ---------------------------------------------------------------------------------------------- */

static int set_after(void *context, const char *text)
{
    return jobrefs_add(&((struct submit_options *)context)->after, text) < 0
               ? values_fail("after", text, "not a job: give an id, a range 3-7, a list 1,2, or a key")
               : 0;
}

/* Reads one of two words. */
static int choose(const char *option, const char *text, const char *usual, const char *other, bool *is_other)
{
    *is_other = strcmp(text, other) == 0;
    if (*is_other || strcmp(text, usual) == 0)
        return 0;
    char what[64];
    snprintf(what, sizeof what, "give %s or %s", usual, other);
    return values_fail(option, text, what);
}

static int set_after_failure(void *context, const char *text)
{
    return choose("after-failure", text, "fail", "run", &((struct submit_options *)context)->job.run_after_failure);
}

static int set_on_crash(void *context, const char *text)
{
    return choose("on-crash", text, "interrupted", "requeue",
                  &((struct submit_options *)context)->job.requeue_on_crash);
}

static int set_start_at(void *context, const char *text)
{
    return when_parse(text, time(NULL), &((struct submit_options *)context)->job.start_at) < 0
               ? values_fail("start-at", text, "not a time: give 17:30, 2026-01-31, \"2026-01-31 17:30\" or @SECONDS")
               : 0;
}

static const struct table_option rows[] = {
    {"task", 0, "NAME", "run a task of a module instead of a command", TABLE_TEXT(struct submit_options, job.task)},
    {"arg", 0, "JSON", "the task's argument", .set = set_arg},
    {"key", 0, "KEY", "name of the job: submitted again, it is not doubled",
     TABLE_TEXT(struct submit_options, job.key)},
    {"name", 0, "NAME", "for lists, and to learn how much memory it needs",
     TABLE_TEXT(struct submit_options, job.name)},
    {"group", 'g', "NAME", "group of the job (default: default)", TABLE_TEXT(struct submit_options, job.group)},
    {"priority", 'p', "N", "higher starts first (default: 0)",
     TABLE_NUMBER(struct submit_options, job.priority, INT32_MIN, INT32_MAX), .range = "must fit 32 bits"},
    {"after", 'a', "JOBS", "start after the end of these: 3-7, 1,2, or a key", .set = set_after},
    {"after-failure", 0, "WHAT", "if one of these fails: fail (default) or run", .set = set_after_failure},
    {"delay", 0, "DUR", "start no earlier than this from now", TABLE_DELAY(struct submit_options, job.delay),
     .has_none = true},
    {"start-at", 0, "TIME", "start no earlier: 17:30, 2026-01-31, or both", .set = set_start_at},
    {"retry-delay", 0, "DUR", "pause before the second run, then doubled",
     TABLE_DELAY(struct submit_options, job.retry_delay), .has_none = true},
    {"on-crash", 0, "WHAT", "if reclaimd crashes: interrupted (default), requeue", .set = set_on_crash},
    {"keep", 0, "DUR", "keep the ended job so long (default: reclaimd's)", TABLE_DELAY(struct submit_options, job.keep),
     .has_none = true},
    {"expected", 0, "SIZE", "memory that it will probably need",
     TABLE_SIZE(struct submit_options, limits.job.memory_expected, 0, INT64_MAX), .has_none = true},
    {"rerunnable", 0, NULL, "it may be ended and rerun to free memory",
     TABLE_FLAG(struct submit_options, limits.job.rerunnable)},
    {"stdin", 0, "FILE", "its standard input (- is ours; default: none)",
     TABLE_TEXT(struct submit_options, stdin_file)},
    {"env", 0, "ENTRY", "add NAME=VALUE to the environment", .set = set_env},
    {"no-env", 0, NULL, "do not pass on this environment", TABLE_FLAG(struct submit_options, no_env)},
    {"cwd", 0, "DIR", "its working directory (default: this one)", .set = set_cwd},
    {"wait", 'w', NULL, "wait for its end, and exit with its code", TABLE_FLAG(struct submit_options, wait)},
    {"follow", 'f', NULL, "the same, and print its output", TABLE_FLAG(struct submit_options, follow)},
    {0}};

static const struct table_option *const groups[] = {limits_times, limits_table, rows, remote_table, NULL};

static const struct table table = {
    .verb = "submit",
    .usage = "[OPTION...] [--] COMMAND [ARGUMENT...]",
    .intro = "Queues a command with this directory and environment; prints the id of the job.",
    .groups = groups,
    .more = "SIZE: 512K, 2G. DUR: seconds, or 30s, 5m, 2h, 1d. reclaim-submit(1) has more.",
};

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static int complain(const char *sentence)
{
    say("submit", "%s", sentence);
    return -1;
}

static int check(const struct submit_options *options, int argc)
{
    const pool_client_job_t *job = &options->job;
    if (job->task == NULL && argc == 0)
        return complain("there is no command: reclaim submit [OPTION...] COMMAND [ARGUMENT...]");
    if (job->task != NULL && argc > 0)
        return complain("give a command or --task, not both");
    if (job->task == NULL && options->argument.size > 0)
        return complain("--arg needs --task");
    if (job->task != NULL &&
        (options->stdin_file != NULL || options->env_count > 0 || options->no_env || options->cwd[0] != '\0'))
        return complain("--stdin, --env, --no-env and --cwd are for commands; give the task an --arg");
    if (job->delay != 0 && job->start_at != 0)
        return complain("give --delay or --start-at, not both");
    return 0;
}

/* Adds the variables of this environment that --env does not set. */
static int complete_env(struct submit_options *options)
{
    const size_t given = options->env_count;
    for (char **entry = environ; !options->no_env && *entry != NULL; entry++) {
        const size_t size = strcspn(*entry, "=") + 1;
        bool is_given = false;
        for (size_t i = 0; i < given; i++)
            is_given |= strncmp(options->env[i], *entry, size) == 0;
        if (!is_given && strchr(*entry, '=') != NULL && add_env(options, *entry) < 0)
            return complain(strerror(ENOMEM));
    }
    return 0;
}

/* The limits as the daemon takes them. */
static void fill_limits(struct submit_options *options)
{
    struct limits *limits = &options->limits;
    if (limits->output_limit != RELAY_NO_LIMIT)
        limits->job.output_limit = limits->output_limit > 0 ? limits->output_limit : POOL_NONE;
    pool_client_job_settings(&options->job, &limits->job);
    options->job.retries = limits->runs > 1 ? (int32_t)limits->runs : 0;
    options->job.retry_oom = limits->job.retry_oom;
}

static int fill_stdin(struct submit_options *options)
{
    if (options->stdin_file == NULL)
        return 0;
    const int rc = text_add_file(&options->stdin_bytes, options->stdin_file, STDIN_MOST);
    options->job.stdin_bytes = (pool_bytes_t){options->stdin_bytes.data, options->stdin_bytes.size};
    return rc < 0 ? values_fail("stdin", options->stdin_file,
                                rc == -EFBIG ? "larger than 64 MiB: let the command open it" : strerror(-rc))
                  : 0;
}

static int fill_command(struct submit_options *options, char **argv)
{
    if (complete_env(options) < 0 || fill_stdin(options) < 0)
        return -1;
    if (options->cwd[0] == '\0' && getcwd(options->cwd, sizeof options->cwd) == NULL)
        return values_fail("cwd", ".", strerror(errno));
    options->job.argv = (const char *const *)(const void *)argv;
    options->job.env = options->env;
    options->job.cwd = options->cwd;
    return 0;
}

static int fill(struct submit_options *options, char **argv)
{
    if (limits_finish(&options->limits) < 0)
        return -1;
    fill_limits(options);
    options->job.argument = (pool_bytes_t){options->argument.data, options->argument.size};
    return options->job.task != NULL ? 0 : fill_command(options, argv);
}

int submit_options_read(struct submit_options *options, int argc, char **argv, int *code)
{
    memset(options, 0, sizeof *options);
    limits_init(&options->limits);
    msgpack_sbuffer_init(&options->argument);
    if (remote_read(&table, &argc, &argv, options, code) < 0)
        return -1;
    *code = OUTCOME_OWN_FAILURE;
    return check(options, argc) < 0 || fill(options, argv) < 0 ? -1 : 0;
}

void submit_options_deinit(struct submit_options *options)
{
    jobrefs_deinit(&options->after);
    msgpack_sbuffer_destroy(&options->argument);
    text_deinit(&options->stdin_bytes);
    free(options->env);
}
