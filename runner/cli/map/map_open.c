/* map_open.c - opens and checks everything before a job runs. */
#include "map_state.h"
#include "outfile.h"
#include "program.h"
#include "results.h"
#include "signals.h"
#include "spool.h"
#include "values.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define AHEAD_LEAST   64 /* ended jobs may wait for their turn, this many, and for each running job: */
#define AHEAD_PER_JOB 2

#define FILES_OF_OURS 24 /* streams, pool, joblog, report, inputs */
#define FILES_PER_JOB 10 /* its pipes, and the pool's descriptors of two workers: its own and a warm one */

static int add_row(const struct joblog_row *row, void *user)
{
    struct map *map = user;
    return map->options.resume || map->options.resume_failed ? resume_add(&map->resume, row) : 0;
}

/* Fits the number of jobs, running and waiting for their turn, to the limit on open files. */
static void fit_files(struct map *map, rlim_t most)
{
    struct map_options *options = &map->options;
    const int64_t files = most > FILES_OF_OURS ? (int64_t)(most - FILES_OF_OURS) : 0;
    const int64_t per_job = FILES_PER_JOB + (int64_t)options->inherited.count;
    const int64_t jobs = files / per_job > 0 ? files / per_job : 1;
    if (jobs < options->jobs) {
        if (!options->jobs_many)
            map_say(map, "no more than %lld at once: open files are limited (ulimit -n %llu)", (long long)jobs,
                    (unsigned long long)most);
        options->jobs = jobs;
    }
    const int64_t left = (files - options->jobs * per_job) / 2;
    const int64_t wanted = AHEAD_LEAST + AHEAD_PER_JOB * options->jobs;
    map->ahead = left <= 0 ? 0 : (size_t)(left < wanted ? left : wanted);
}

static int open_pool(struct map *map)
{
    const struct map_options *options = &map->options;
    struct rlimit files;
    if (options->dry_run)
        return 0;
    inherited_find(&map->options.inherited, "map");
    const bool known = getrlimit(RLIMIT_NOFILE, &files) == 0;
    if (known)
        fit_files(map, files.rlim_max);
    const pool_options_t pool_options = {.commands = true,
                                         .workers = (int32_t)options->jobs,
                                         .memory_budget = options->memory_budget,
                                         .memory_floor = options->memory_floor};
    pool_error_t error;
    if (pool_open(&map->pool, &pool_options, &error) < 0)
        return map_say(map, "%s", error.message);
    /* For the pipes of many jobs. Commands keep the limits that held when the pool was opened. */
    if (known) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return 0;
}

static int open_inputs(struct map *map)
{
    const char *path;
    if (map->options.from_stdin && program_lacks_stream(STDIN_FILENO))
        return map_say(map, "standard input is closed: inputs come from there, or after ::: or from --arg-file");
    if (map->options.from_stdin && isatty(STDIN_FILENO))
        map_say(map, "inputs are read from the terminal; Ctrl-D ends them");
    const int rc = inputs_open(&map->options.inputs, &path);
    return rc < 0 ? values_fail("arg-file", path, strerror(-rc)) : 0;
}

static int open_joblog(struct map *map)
{
    char problem[160];
    if (map->options.joblog == NULL)
        return 0;
    if (map->options.dry_run && access(map->options.joblog, F_OK) < 0)
        return 0; /* a dry run makes no file */
    return joblog_open(&map->joblog, map->options.joblog, add_row, map, problem, sizeof problem) < 0
               ? values_fail("joblog", map->options.joblog, problem)
               : 0;
}

/* Joblog, report and inputs have to be different files. */
static int check_files(struct map *map)
{
    const int report = map->report == NULL ? -1 : fileno(map->report), inputs = map->options.inputs.fd;
    if (outfile_same(report, map->joblog.fd) || outfile_same(report, inputs))
        return values_fail("report", map->options.report, "is the joblog or a file of inputs, too: name another");
    if (outfile_same(map->joblog.fd, inputs))
        return values_fail("joblog", map->options.joblog, "is a file of inputs, too: name another");
    return 0;
}

int map_open_all(struct map *map)
{
    if (open_pool(map) < 0 || open_inputs(map) < 0 || open_joblog(map) < 0)
        return -1;
    if (map->options.dry_run)
        return 0;
    const char *directory;
    int rc = spool_check(&directory);
    if (rc < 0)
        return map_say(map, "TMPDIR %s: no temporary file can be made there: %s", directory, strerror(-rc));
    if (outfile_open("report", map->options.report, &map->report) < 0 || check_files(map) < 0)
        return -1;
    rc = map->options.results == NULL ? 0 : results_prepare(map->options.results);
    return rc < 0 ? values_fail("results", map->options.results, strerror(-rc)) : 0;
}

int map_begin_files(struct map *map)
{
    const bool keeps = map->options.resume || map->options.resume_failed || map->options.joblog_appends;
    if (map->begun || map->options.dry_run)
        return 0;
    map->begun = true;
    int rc = joblog_begin(&map->joblog, keeps);
    if (rc < 0)
        return values_fail("joblog", map->options.joblog, strerror(-rc));
    rc = map->report == NULL ? 0 : outfile_empty(map->options.report, map->report);
    return rc < 0 ? values_fail("report", map->options.report, strerror(-rc)) : 0;
}

int map_begin(struct map *map)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t ignored, taken;
    if (map->options.dry_run)
        return 0;
    signals_ignored(&ignored);
    sigemptyset(&taken);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigismember(&ignored, numbers[i]) == 0) /* nohup */
            sigaddset(&taken, numbers[i]);
    map->signals = signals_take(&taken);
    if (map->signals < 0)
        return map_say(map, "%s", strerror(-map->signals));
    for (int i = 0; i < 2; i++) {
        map->outlets[i].wakes = map->signals;
        map->outlets[i].on_wake = map_on_wake;
        map->outlets[i].user = map;
    }
    progress_view_init(&map->view, map->options.bar);
    return 0;
}
