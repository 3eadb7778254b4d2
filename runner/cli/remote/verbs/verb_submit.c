/* verb_submit.c - `reclaim submit`: a job for reclaimd. */
#include "follow.h"
#include "limit.h"
#include "outcome.h"
#include "relay.h"
#include "say.h"
#include "text.h"
#include "units.h"
#include "value.h"
#include "values.h"
#include "verb_wait.h"
#include "verbs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STDIN_MOST ((size_t)64 * 1024 * 1024)

/* The command line. */
struct submit {
    struct limits limits;  /* the first: see limit.h */
    pool_client_job_t job; /* *borrows* from the members below and from the command line */
    struct jobrefs after;  /* the jobs of --after, by id or key */
    msgpack_sbuffer argument;
    const char *stdin_file; /* "-": standard input; NULL: none */
    struct text stdin_bytes;
    const char **env; /* ended by NULL; NULL: the daemon's own */
    size_t env_count;
    bool no_env; /* this environment is not sent */
    char cwd[PATH_MAX];
    bool wait, follow;
};

/* ---- the job ----------------------------------------------------------------------------------------------------- */

static int set_arg(void *context, const char *text)
{
    struct submit *options = context;
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

static int add_env(struct submit *options, const char *entry)
{
    const char **env = realloc(options->env, (options->env_count + 2) * sizeof *env);
    if (env == NULL)
        return -ENOMEM;
    options->env = env;
    env[options->env_count++] = entry;
    env[options->env_count] = NULL;
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
    struct submit *options = context;
    return realpath(text, options->cwd) == NULL ? values_fail("cwd", text, strerror(errno)) : 0;
}

/* ---- time and order ---------------------------------------------------------------------------------------------- */

static int set_after(void *context, const char *text)
{
    return jobrefs_add(&((struct submit *)context)->after, text) < 0
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
    return choose("after-failure", text, "fail", "run", &((struct submit *)context)->job.run_after_failure);
}

static int set_on_crash(void *context, const char *text)
{
    return choose("on-crash", text, "interrupted", "requeue", &((struct submit *)context)->job.requeue_on_crash);
}

static int set_start_at(void *context, const char *text)
{
    return units_parse_time(text, time(NULL), &((struct submit *)context)->job.start_at) < 0
               ? values_fail("start-at", text, "not a time: give 17:30, 2026-01-31, \"2026-01-31 17:30\" or @SECONDS")
               : 0;
}

static const struct table_option rows[] = {
    {"task", 0, "NAME", "run a task of a module instead of a command", TABLE_TEXT(struct submit, job.task)},
    {"arg", 0, "JSON", "the task's argument", .set = set_arg},
    {"result-limit", 0, "SIZE", "largest value of the task (default: --memory)",
     TABLE_SIZE(struct submit, limits.job.result_limit, 0, INT64_MAX), .has_none = true},
    {"key", 0, "KEY", "name of the job: submitted again, it is not doubled", TABLE_TEXT(struct submit, job.key)},
    {"name", 0, "NAME", "for lists, and to learn how much memory it needs", TABLE_TEXT(struct submit, job.name)},
    {"group", 'g', "NAME", "group of the job (default: default)", TABLE_TEXT(struct submit, job.group)},
    {"priority", 'p', "N", "higher starts first (default: 0)",
     TABLE_NUMBER(struct submit, job.priority, INT32_MIN, INT32_MAX), .range = "must fit 32 bits"},
    {"after", 'a', "JOBS", "start after the end of these: 3-7, 1,2, or a key", .set = set_after},
    {"after-failure", 0, "WHAT", "if one of these fails: fail (default) or run", .set = set_after_failure},
    {"delay", 0, "DUR", "start no earlier than this from now", TABLE_DELAY(struct submit, job.delay), .has_none = true},
    {"start-at", 0, "TIME", "start no earlier: 17:30, 2026-01-31, or both", .set = set_start_at},
    {"retry-delay", 0, "DUR", "pause before the second run, then doubled", TABLE_DELAY(struct submit, job.retry_delay),
     .has_none = true},
    {"on-crash", 0, "WHAT", "if reclaimd crashes: interrupted (default), requeue", .set = set_on_crash},
    {"keep", 0, "DUR", "keep the ended job so long (default: reclaimd's)", TABLE_DELAY(struct submit, job.keep),
     .has_none = true},
    {"expected", 0, "SIZE", "memory that it will probably need",
     TABLE_SIZE(struct submit, limits.job.memory_expected, 0, INT64_MAX), .has_none = true},
    {"rerunnable", 0, NULL, "it may be ended and rerun to free memory",
     TABLE_FLAG(struct submit, limits.job.rerunnable)},
    {"stdin", 0, "FILE", "its standard input (- is ours; default: none)", TABLE_TEXT(struct submit, stdin_file)},
    {"env", 0, "ENTRY", "add NAME=VALUE to the environment", .set = set_env},
    {"no-env", 0, NULL, "do not pass on this environment", TABLE_FLAG(struct submit, no_env)},
    {"cwd", 0, "DIR", "its working directory (default: this one)", .set = set_cwd},
    {"wait", 'w', NULL, "wait for its end, and exit with its code", TABLE_FLAG(struct submit, wait)},
    {"follow", 'f', NULL, "the same, and print its output", TABLE_FLAG(struct submit, follow)},
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
    return say("submit", "%s", sentence);
}

static int check(const struct submit *options, int argc)
{
    const pool_client_job_t *job = &options->job;
    if (job->task == NULL && argc == 0)
        return complain("there is no command: reclaim submit [OPTION...] COMMAND [ARGUMENT...]");
    if (job->task != NULL && argc > 0)
        return complain("give a command or --task, not both");
    if (job->task == NULL && options->argument.size > 0)
        return complain("--arg needs --task");
    if (job->task == NULL && options->limits.job.result_limit != 0)
        return complain("--result-limit needs --task: a command has an --output-limit");
    if (job->task != NULL &&
        (options->stdin_file != NULL || options->env_count > 0 || options->no_env || options->cwd[0] != '\0'))
        return complain("--stdin, --env, --no-env and --cwd are for commands; give the task an --arg");
    if (job->delay != 0 && job->start_at != 0)
        return complain("give --delay or --start-at, not both");
    return 0;
}

/* Adds the variables of this environment that --env does not set. */
static int complete_env(struct submit *options)
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
static void fill_limits(struct submit *options)
{
    struct limits *limits = &options->limits;
    if (limits->output_limit != RELAY_NO_LIMIT)
        limits->job.output_limit = limits->output_limit > 0 ? limits->output_limit : POOL_NONE;
    pool_client_job_settings(&options->job, &limits->job);
    options->job.retries = limits->runs > 1 ? (int32_t)limits->runs : 0;
    options->job.retry_oom = limits->job.retry_oom;
}

static int fill_stdin(struct submit *options)
{
    if (options->stdin_file == NULL)
        return 0;
    const int rc = text_add_file(&options->stdin_bytes, options->stdin_file, STDIN_MOST);
    options->job.stdin_bytes = (pool_bytes_t){options->stdin_bytes.data, options->stdin_bytes.size};
    return rc < 0 ? values_fail("stdin", options->stdin_file,
                                rc == -EFBIG ? "larger than 64 MiB: let the command open it" : strerror(-rc))
                  : 0;
}

static int fill_command(struct submit *options, char **argv)
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

static int fill(struct submit *options, char **argv)
{
    if (limits_finish(&options->limits) < 0)
        return -1;
    fill_limits(options);
    options->job.argument = (pool_bytes_t){options->argument.data, options->argument.size};
    return options->job.task != NULL ? 0 : fill_command(options, argv);
}

/* -1: *code is the exit code. */
static int read_options(struct submit *options, int argc, char **argv, int *code)
{
    limits_init(&options->limits);
    msgpack_sbuffer_init(&options->argument);
    if (remote_read(&table, &argc, &argv, options, code) < 0)
        return -1;
    *code = OUTCOME_OWN_FAILURE;
    return check(options, argc) < 0 || fill(options, argv) < 0 ? -1 : 0;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

/* Sets options->job.after to the ids of --after; the caller's, for free(3). */
static int resolve_after(struct remote *remote, struct submit *options)
{
    const size_t count = options->after.count;
    if (count == 0)
        return 0;
    uint64_t *after = calloc(count, sizeof *after);
    options->job.after = after;
    options->job.after_count = count;
    if (after == NULL)
        return complain(strerror(ENOMEM));
    for (size_t i = 0; i < count; i++)
        if (jobrefs_resolve(remote, &options->after.items[i], &after[i]) < 0)
            return -1;
    return 0;
}

/* The job exists: if the daemon refuses something from now on, that is an outage, not a failed submit. */
static int await_end(struct remote *remote, const struct submit *options, uint64_t id)
{
    char left[160];
    struct jobref ref = {.id = id};
    const struct jobrefs refs = {.items = &ref, .count = 1};
    const struct follow output = {.id = id, .lines = -1, .follow = true};
    struct patience patience = patience_begin(remote, wait_left(&refs, left));
    patience.refused = PATIENCE_GONE;
    if (options->follow) {
        const int code = follow_copy_both(&patience, &output);
        if (code != 0)
            return code;
        follow_say_dropped(remote, id);
    }
    return wait_for_jobs(&patience, &refs, false);
}

/* The answer is lost, and the daemon may have the job. Sent again it would be a second job, unless it has a key. */
static int give_up(const pool_error_t *error)
{
    say("submit",
        "%s before it answered: look for the job (reclaim list -n 3) before you submit again; with --key a submit may "
        "be repeated",
        error->message);
    return PATIENCE_GONE;
}

/* 0 and the id; else the exit code, or -1, after a message. */
static int send_job(struct remote *remote, const struct submit *options, uint64_t *id)
{
    struct patience patience = {0};
    if (options->job.key != NULL)
        patience = patience_begin(remote, NULL);
    while (pool_client_submit(remote->client, &options->job, id, &patience.error) < 0) {
        if (!patience_is_lost(patience.error.code))
            return complain(patience.error.message);
        if (options->job.key == NULL)
            return give_up(&patience.error);
        if (patience_renew(&patience) != 0) {
            say("submit", "the daemon may have the job: submit again, with the same --key");
            return PATIENCE_GONE;
        }
    }
    return 0;
}

static int submit(struct remote *remote, struct submit *options)
{
    uint64_t id;
    if (resolve_after(remote, options) < 0)
        return -1;
    const int code = send_job(remote, options, &id);
    if (code != 0)
        return code;
    if (remote_options.json)
        printf("{\"id\":%llu}\n", (unsigned long long)id);
    else if (!options->follow) /* then standard output is the job's */
        printf("%llu\n", (unsigned long long)id);
    fflush(stdout);
    return options->wait || options->follow ? await_end(remote, options, id) : 0;
}

int submit_main(int argc, char **argv)
{
    static struct submit options;
    struct remote remote;
    int code;
    if (read_options(&options, argc, argv, &code) == 0 && remote_open(&remote, "submit") == 0)
        code = remote_finish(&remote, submit(&remote, &options));
    free((void *)options.job.after);
    jobrefs_deinit(&options.after);
    msgpack_sbuffer_destroy(&options.argument);
    text_deinit(&options.stdin_bytes);
    free(options.env);
    return code;
}
