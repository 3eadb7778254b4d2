/* status.c - `reclaim status`: the daemon and what it does, or some jobs whole. */
#include "jobrefs.h"
#include "jobview.h"
#include "outcome.h"
#include "remote.h"
#include "say.h"
#include "stats.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

#define RUNNING_MOST 1000
#define RECENT       15

static const struct table_option *const groups[] = {remote_table, NULL};

static const struct table table = {
    .verb = "status",
    .usage = "[OPTION...] [JOB...]",
    .intro = "Shows reclaimd, its running jobs and the latest ones; or all about some jobs.",
    .groups = groups,
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key. reclaim-jobs(1) has more.",
    .anywhere = true,
};

static int show_job(struct remote *remote, const struct jobref *ref)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    jobrefs_pack_one(pool_fields_packer(&request, "id"), ref);
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

int status_main(int argc, char **argv)
{
    struct jobrefs refs = {0};
    struct remote remote;
    int code;
    if (remote_read(&table, &argc, &argv, NULL, &code) < 0)
        return code;
    if (jobrefs_read(&refs, table.verb, argc, argv, NULL) < 0 || remote_open(&remote, table.verb) < 0) {
        jobrefs_deinit(&refs);
        return OUTCOME_OWN_FAILURE;
    }
    const int rc = refs.count > 0 ? show_jobs(&remote, &refs) : show_all(&remote);
    jobrefs_deinit(&refs);
    return remote_finish(&remote, rc < 0 ? OUTCOME_OWN_FAILURE : 0);
}
