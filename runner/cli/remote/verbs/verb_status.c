/* verb_status.c - `reclaim status`: the daemon and what it does, or some jobs whole. */
#include "jobview.h"
#include "remote_verb.h"
#include "say.h"
#include "verb_stats.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

#define RUNNING_MOST 1000
#define RECENT       15

static int show_job(struct remote *remote, const struct jobref *ref)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    jobrefs_pack_one(&request, ref);
    int rc = remote_call(remote, "status", &request, &answer);
    if (rc == 0 && remote_options.json)
        rc = remote_print_json(remote, &answer.data);
    else if (rc == 0)
        jobview_print(stdout, &answer.data);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int show_jobs(struct remote *remote, const struct jobrefs *refs)
{
    for (size_t i = 0; i < refs->count; i++)
        if (show_job(remote, &refs->items[i]) < 0)
            return -1;
    return 0;
}

/* The newest jobs, running ones or others, as rows. */
static int add_jobs(struct remote *remote, struct grid *grid, bool running)
{
    static const char *const others[] = {"waiting", "queued", "done", "failed", "cancelled"};
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    msgpack_packer *packer = pool_fields_packer(&request, "state");
    msgpack_pack_array(packer, running ? 1 : sizeof others / sizeof others[0]);
    if (running)
        msgpack_pack_str_with_body(packer, "running", 7);
    for (size_t i = 0; !running && i < sizeof others / sizeof others[0]; i++)
        msgpack_pack_str_with_body(packer, others[i], strlen(others[i]));
    pool_fields_uint(&request, "limit", running ? RUNNING_MOST : RECENT);
    pool_fields_bool(&request, "newest", true);
    const int rc = remote_call(remote, "list", &request, &answer);
    const msgpack_object_array jobs = pool_field_array(&answer.data, "jobs");
    for (uint32_t i = 0; rc == 0 && i < jobs.size; i++)
        if (remote_options.json)
            remote_print_json(remote, &jobs.ptr[i]);
        else
            jobview_add(grid, &jobs.ptr[i]);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int show_all(struct remote *remote)
{
    struct grid grid;
    if (stats_show(remote, true) < 0)
        return -1;
    grid_begin(&grid, jobview_titles);
    int rc = add_jobs(remote, &grid, true);
    if (rc == 0)
        rc = add_jobs(remote, &grid, false);
    if (rc == 0 && !remote_options.json && grid.count > grid.columns) {
        putchar('\n');
        rc = grid_print(&grid, stdout);
        if (rc < 0)
            say(remote->verb, "no memory for a table of jobs");
    }
    grid_deinit(&grid);
    return rc;
}

static int run(struct remote *remote, const struct remote_given *given, void *context)
{
    (void)context;
    return given->jobs.count > 0 ? show_jobs(remote, &given->jobs) : show_all(remote);
}

const struct remote_verb status_verb = {
    .usage = "[OPTION...] [JOB...]",
    .intro = "Shows reclaimd, its running jobs and the latest ones; or all about some jobs.",
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key. reclaim-jobs(1) has more.",
    .words = REMOTE_JOBS_OR_NONE,
    .run = run,
};
