/* verb_status.c - `reclaim status`: the daemon and what it does, or some jobs whole. */
#include "jobview.h"
#include "pages.h"
#include "remote_verb.h"
#include "say.h"
#include "verb_stats.h"
#include "verbs.h"

#include <stdio.h>

#define RUNNING_MOST 1000
#define RECENT       15

static int show_job(struct remote *remote, const struct jobref *ref)
{
    msgpack_unpacked answer;
    int rc = jobrefs_status(remote, ref, &answer);
    if (rc == 0 && remote_options.json)
        rc = remote_print_json(remote, &answer.data);
    else if (rc == 0)
        jobview_print(stdout, &answer.data);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int show_all(struct remote *remote)
{
    static const struct pages running = {.states = "running", .newest = RUNNING_MOST},
                              others = {.states = "waiting,queued,done,failed,cancelled", .newest = RECENT};
    struct grid grid;
    if (stats_show(remote, true) < 0)
        return -1;
    grid_begin(&grid, jobview_titles);
    int rc = pages_show(remote, &running, &grid, false);
    if (rc == 0)
        rc = pages_show(remote, &others, &grid, false);
    if (rc == 0 && !remote_options.json && grid.count > grid.columns) {
        putchar('\n');
        rc = grid_print(&grid, stdout) < 0 ? say(remote->verb, "no memory for a table of jobs") : 0;
    }
    grid_deinit(&grid);
    return rc;
}

static int run(struct remote *remote, const struct remote_given *given)
{
    int rc = given->jobs.count > 0 ? 0 : show_all(remote);
    for (size_t i = 0; rc == 0 && i < given->jobs.count; i++)
        rc = show_job(remote, &given->jobs.items[i]);
    return rc;
}

const struct remote_verb status_verb = {
    .usage = "[OPTION...] [JOB...]",
    .intro = "Shows reclaimd, its running jobs and the latest ones; or all about some jobs.",
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key. reclaim-jobs(1) has more.",
    .words = REMOTE_JOBS_OR_NONE,
    .run = run,
};
