/* map_open.c - everything that a map needs, opened and checked before any job runs. */
#include "map_state.h"
#include "outfile.h"
#include "results.h"
#include "signals.h"
#include "spool.h"
#include "table.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int add_row(const struct joblog_row *row, void *user)
{
    struct map *map = user;
    return map->options.resume || map->options.resume_failed ? resume_add(&map->resume, row) : 0;
}

static int open_pool(struct map *map)
{
    const struct map_options *options = &map->options;
    const pool_options_t pool_options = {.workers = (int32_t)options->jobs,
                                         .memory_budget = options->memory_budget,
                                         .memory_floor = options->memory_floor};
    pool_error_t error;
    struct rlimit files;
    if (options->dry_run)
        return 0;
    if (pool_open(&map->pool, &pool_options, &error) < 0) {
        map_say(map, "%s", error.message);
        return -1;
    }
    /* For the pipes of many jobs. Commands have the limits of the moment when the pool was opened. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return 0;
}

static int open_inputs(struct map *map)
{
    struct inputs *inputs = &map->options.inputs;
    const char *path;
    if (map->options.from_stdin && map->closed[STDIN_FILENO]) {
        map_say(map, "standard input is closed: inputs come from there, or after ::: or from --arg-file");
        return -1;
    }
    if (map->options.from_stdin && isatty(STDIN_FILENO))
        map_say(map, "inputs are read from the terminal; Ctrl-D ends them");
    const int rc = inputs_open(inputs, &path);
    if (rc < 0)
        return table_fail("arg-file", path, strerror(-rc));
    return 0;
}

static int open_joblog(struct map *map)
{
    char problem[160];
    if (map->options.joblog == NULL)
        return 0;
    if (map->options.dry_run && access(map->options.joblog, F_OK) < 0)
        return 0; /* it is not made for that */
    if (joblog_open(&map->joblog, map->options.joblog, add_row, map, problem, sizeof problem) < 0)
        return table_fail("joblog", map->options.joblog, problem);
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
    if (rc < 0) {
        map_say(map, "TMPDIR %s: no temporary file can be made there: %s", directory, strerror(-rc));
        return -1;
    }
    if (outfile_open("report", map->options.report, &map->report) < 0)
        return -1;
    rc = map->options.results == NULL ? 0 : results_prepare(map->options.results);
    return rc < 0 ? table_fail("results", map->options.results, strerror(-rc)) : 0;
}

int map_begin(struct map *map)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP};
    const bool resumes = map->options.resume || map->options.resume_failed;
    if (map->options.dry_run)
        return 0;
    int rc = joblog_begin(&map->joblog, resumes);
    if (rc < 0)
        return table_fail("joblog", map->options.joblog, strerror(-rc));
    rc = map->report == NULL ? 0 : outfile_empty(map->options.report, map->report);
    if (rc < 0)
        return table_fail("report", map->options.report, strerror(-rc));
    map->signals = signals_take(taken, sizeof taken / sizeof taken[0]);
    if (map->signals < 0) {
        map_say(map, "%s", strerror(-map->signals));
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        map->outlets[i].wakes = map->signals;
        map->outlets[i].on_wake = map_on_wake;
        map->outlets[i].user = map;
    }
    progress_view_init(&map->view, map->options.bar);
    return 0;
}
