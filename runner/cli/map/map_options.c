#include "map_options.h"

#include "jobcount.h"
#include "replace.h"
#include "results.h"
#include "say.h"
#include "table.h"
#include "values.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ----------------------------------------------------------------------------------------------------- */

static int set_timeout(void *context, const char *text)
{
    struct map_options *options = context;
    options->timeout_percent = 0; /* of several --timeout the last one counts */
    options->limits.job.timeout_ms = 0;
    if (!values_is_percent(text))
        return values_time("timeout", text, 1, &options->limits.job.timeout_ms);
    return values_parse_percent(text, 1e6, &options->timeout_percent) < 0
               ? values_fail("timeout", text, "not a percentage of the median: give 200%")
               : 0;
}

/* The processors that this process may use, as nproc(1) counts them. */
static int64_t processors(void)
{
    cpu_set_t set;
    const int count =
        sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? count : 1;
}

static int set_jobs(void *context, const char *text)
{
    struct map_options *options = context;
    const int rc = jobcount_parse(text, processors(), &options->jobs);
    options->jobs_many = options->jobs == 0;
    if (options->jobs_many)
        options->jobs = JOBCOUNT_MOST;
    if (rc == -ERANGE)
        return values_fail("jobs", text, "must come to at least 1 and at most 10000");
    return rc < 0 ? values_fail("jobs", text,
                                "give a number, +N or -N: more or fewer than the processors; N%: of the processors; 0: "
                                "as many as possible")
                  : 0;
}

static int set_arg_file(void *context, const char *text)
{
    struct map_options *options = context;
    return inputs_add_file(&options->inputs, text) < 0 ? values_fail("arg-file", text, strerror(ENOMEM)) : 0;
}

static int set_halt(void *context, const char *text)
{
    struct map_options *options = context;
    return halt_parse(text, &options->halt) < 0
               ? values_fail("halt", text,
                             "give never, or now or soon, then fail=N, success=N or done=N: now,fail=1; or N%")
               : 0;
}

static int set_memfree(void *context, const char *text)
{
    struct map_options *options = context;
    if (values_size("memfree", text, 0, INT64_MAX, NULL, &options->memory_floor) < 0)
        return -1;
    if ((double)options->memory_floor >= values_physical_memory())
        return values_fail("memfree", text, "more than this machine has: nothing would ever start");
    if (options->memory_floor == 0)
        options->memory_floor = POOL_NONE;
    return 0;
}

static int set_results(void *context, const char *text)
{
    const char *problem = results_refuse(text);
    if (problem != NULL)
        return values_fail("results", text, problem);
    ((struct map_options *)context)->results = text;
    return 0;
}

static int set_joblog(void *context, const char *text)
{
    struct map_options *options = context;
    const bool appends = text[0] == '+';
    const char *path = appends ? text + 1 : text;
    if (path[0] == '\0' || strcmp(path, "-") == 0)
        return values_fail("joblog", text, "names no file; a file called - is ./-");
    options->joblog = path;
    options->joblog_appends = appends;
    return 0;
}

static const struct table_option own_table[] = {
    {"jobs", 'j', "N", "at once (default: processors), +N, -N, N%; 0: many", .set = set_jobs},
    {"arg-file", 'a', "FILE", "each line is an input (several: all combinations)", .set = set_arg_file},
    {"null", '0', NULL, "inputs end with a NUL, not with a newline", TABLE_FLAG(struct map_options, inputs.nul)},
    {"keep-order", 'k', NULL, "output in the order of the inputs", TABLE_FLAG(struct map_options, keep_order)},
    {"tag", 0, NULL, "print the input and a TAB before each line", TABLE_FLAG(struct map_options, tag)},
    {"line-buffer", 0, NULL, "print lines as they come, not job by job", TABLE_FLAG(struct map_options, line_buffer)},
    {"results", 0, "DIR", "also keep each job's output in DIR/1/INPUT/", .set = set_results},
    {"shell", 0, NULL, "the command is a line for sh; inputs are quoted", TABLE_FLAG(struct map_options, shell)},
    {"dry-run", 0, NULL, "print the commands, run nothing", TABLE_FLAG(struct map_options, dry_run)},
    {"delay", 0, "DUR", "pause between two starts", TABLE_DELAY(struct map_options, delay_ms)},
    {"halt", 0, "WHEN", "stop early: now,fail=1 soon,fail=3% now,done=9", .set = set_halt},
    {"memory-budget", 0, "SIZE", "memory for all jobs together; N%: of the machine's",
     TABLE_BUDGET(struct map_options, memory_budget)},
    {"memfree", 0, "SIZE", "start no job that would leave less memory free", .set = set_memfree},
    {"rerunnable", 0, NULL, "jobs may be ended and rerun to free memory",
     TABLE_FLAG(struct map_options, limits.job.rerunnable)},
    {"joblog", 0, "FILE", "log a line for each ended job; +FILE appends", .set = set_joblog},
    {"resume", 0, NULL, "skip the inputs in the joblog", TABLE_FLAG(struct map_options, resume)},
    {"resume-failed", 0, NULL, "skip the inputs that succeeded", TABLE_FLAG(struct map_options, resume_failed)},
    {"bar", 0, NULL, "show progress, even without a terminal", TABLE_FLAG(struct map_options, bar)},
    {"eta", 0, NULL, "the same as --bar", TABLE_FLAG(struct map_options, bar)},
    {"verbose", 'v', NULL, "print a summary at the end", TABLE_FLAG(struct map_options, verbose)},
    {"report", 0, "FILE", "write a line of JSON for each job (- is stderr)", TABLE_TEXT(struct map_options, report)},
    {0},
};

static const struct table_option times_table[] = {
    {"timeout", 't', "DUR", "end a run that takes longer; 200%: of the median", .set = set_timeout},
    {"kill-after", 0, "DUR", "time from SIGTERM to SIGKILL (default 2s)",
     TABLE_DELAY(struct map_options, limits.job.kill_after_ms), .has_none = true},
    {0}};

static const struct table_option *const groups[] = {own_table, times_table, limits_table, NULL};

static const struct table table = {
    .verb = "map",
    .usage = "[OPTION...] COMMAND [ARGUMENT...] [::: INPUT...]",
    .intro = "Runs the command once for each input: words after :::, or lines of files, stdin.",
    .groups = groups,
    .more = "In the command: {} input, {.} without extension, {/} base name, {//} directory,\n"
            "{/.} both, {#} number, {%} slot, {2} second source's; without any: at the end.\n"
            "SIZE: 512K, 2G. DUR: seconds, or 30s, 5m, 2h. Exit: how many jobs failed (101:\n"
            "over 100); 255: reclaim failed or was stopped. reclaim-map(1) has more.",
};

/* ---- the command and its inputs ---------------------------------------------------------------------------------- */

static int complain(const char *sentence)
{
    return say("map", "%s", sentence);
}

static bool is_separator(const char *word)
{
    return strcmp(word, ":::") == 0 || strcmp(word, "::::") == 0;
}

static bool is_linked(const char *word)
{
    return strcmp(word, ":::+") == 0 || strcmp(word, "::::+") == 0;
}

static int complain_of_links(void)
{
    return complain(":::+ and ::::+ (linked inputs) do not work here; ::: combines every input with every other");
}

/* The words from the first ::: or :::: on. */
static int read_sources(struct map_options *options, int argc, char **argv, int at)
{
    while (at < argc) {
        const bool files = strcmp(argv[at], "::::") == 0;
        const int start = at + 1;
        argv[at] = NULL; /* ends the words before it */
        for (at = start; at < argc && !is_separator(argv[at]); at++) {
            if (is_linked(argv[at]))
                return complain_of_links();
            if (files && inputs_add_file(&options->inputs, argv[at]) < 0)
                return complain(strerror(ENOMEM));
        }
        const char *const *list = (const char *const *)(const void *)(argv + start);
        if (!files && inputs_add_list(&options->inputs, list, (size_t)(at - start)) < 0)
            return complain(strerror(ENOMEM));
    }
    return 0;
}

static int check_replacements(struct map_options *options)
{
    struct replace_use use;
    const size_t count = options->inputs.count;
    replace_inspect(options->words, count, &use);
    options->replaces = use.any;
    options->shows_inputs = use.shows_inputs;
    switch (use.problem) {
    case REPLACE_EXPRESSION:
        return complain("{=...=}: reclaim runs no Perl; let the command do it: sh -c 'echo $(($1 + 1))' sh {}");
    case REPLACE_NUMBERED:
        return say("map", "%.*s: {#} and {%%} take no number", (int)use.problem_size, use.problem_at);
    case REPLACE_MISSING:
        return say("map", "%.*s: there %s only %zu source%s of inputs", (int)use.problem_size, use.problem_at,
                   count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
    case REPLACE_FINE:
        break;
    }
    return 0;
}

static int read_command(struct map_options *options, int argc, char **argv, int first)
{
    int end = first;
    while (end < argc && !is_separator(argv[end]) && !is_linked(argv[end]))
        end++;
    if (end < argc && is_linked(argv[end]))
        return complain_of_links();
    if (end == first)
        return complain("there is no command: reclaim map [OPTION...] COMMAND [ARGUMENT...] [::: INPUT...]");
    options->words = (const char *const *)(const void *)(argv + first);
    if (read_sources(options, argc, argv, end) < 0)
        return -1;
    options->from_stdin = options->inputs.count == 0;
    if (options->from_stdin && inputs_add_file(&options->inputs, "-") < 0)
        return complain(strerror(ENOMEM));
    return check_replacements(options);
}

int map_options_read(struct map_options *options, int argc, char **argv)
{
    *options = (struct map_options){.jobs = processors()};
    limits_init(&options->limits);
    inputs_init(&options->inputs);
    const int first = table_read(&table, argc, argv, options);
    if (first < 0)
        return first;
    if (limits_finish(&options->limits) < 0)
        return -1;
    if ((options->resume || options->resume_failed) && options->joblog == NULL)
        return complain(options->resume ? "--resume needs --joblog FILE" : "--resume-failed needs --joblog FILE");
    return read_command(options, argc, argv, first);
}

void map_options_deinit(struct map_options *options)
{
    inputs_deinit(&options->inputs);
}
