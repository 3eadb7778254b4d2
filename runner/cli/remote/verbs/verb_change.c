/* verb_change.c - verbs that change jobs: cancel, retry, remove, set; and those that hold a group up: pause, resume. */
#include "pages.h"
#include "remote_verb.h"
#include "verbs.h"

#define JOBS_HELP "JOB: an id, a range 3-7, a list 1,2, or a key. Changes all of them, or none."

/* Calls the method of the verb's name for the jobs or the group, with the fields in params (*takes*). */
static int order(struct remote *remote, const struct remote_given *given, pool_fields_t *params)
{
    if (given->jobs.count > 0)
        jobrefs_pack(params, &given->jobs);
    if (given->group != NULL)
        pool_fields_text(params, "group", given->group);
    return remote_order(remote, remote->verb, params);
}

static int run_change(struct remote *remote, const struct remote_given *given)
{
    pool_fields_t params;
    pool_fields_begin(&params);
    return order(remote, given, &params);
}

const struct remote_verb cancel_verb = {
    .usage = "[OPTION...] JOB...",
    .intro = "Ends running jobs with SIGTERM, later SIGKILL. Waiting jobs never run.",
    .more = JOBS_HELP,
    .words = REMOTE_JOBS,
    .run = run_change,
};

const struct remote_verb retry_verb = {
    .usage = "[OPTION...] JOB...",
    .intro = "Runs ended jobs again. They keep their ids.",
    .more = JOBS_HELP,
    .words = REMOTE_JOBS,
    .run = run_change,
};

/* ---- reclaim remove ---------------------------------------------------------------------------------------------- */

static struct removal {
    bool ended; /* all jobs that have ended */
} removal;

static const struct table_option remove_rows[] = {
    {"ended", 0, NULL, "all ended jobs", TABLE_FLAG(struct removal, ended)},
    {"all-done", 0, NULL, "the same as --ended", TABLE_FLAG(struct removal, ended)},
    {0}};

/* Ends the walk at the first page with jobs: they are removed before the next page is asked for. */
static int collect(void *user, msgpack_object_array jobs)
{
    pool_fields_t *params = user;
    if (jobs.size == 0)
        return 0;
    pool_fields_begin(params);
    msgpack_packer *packer = pool_fields_packer(params, "ids");
    msgpack_pack_array(packer, jobs.size);
    for (uint32_t i = 0; i < jobs.size; i++)
        msgpack_pack_uint64(packer, pool_field_uint(&jobs.ptr[i], "id"));
    return 1;
}

static int remove_ended(struct remote *remote)
{
    const struct pages pages = {.states = "done,failed,cancelled"};
    pool_fields_t params;
    int rc;
    while ((rc = pages_each(remote, &pages, collect, &params)) == 1)
        if (remote_order(remote, "remove", &params) < 0)
            return -1;
    return rc;
}

static const char *check_remove(const struct remote_given *given)
{
    if (removal.ended && given->jobs.count > 0)
        return "--ended removes all ended jobs: give no jobs with it";
    return removal.ended || given->jobs.count > 0 ? NULL : "which job? Give ids, or --ended";
}

static int run_remove(struct remote *remote, const struct remote_given *given)
{
    return removal.ended ? remove_ended(remote) : run_change(remote, given);
}

const struct remote_verb remove_verb = {
    .usage = "[OPTION...] JOB...",
    .intro = "Deletes ended jobs, their output and their values.",
    .more = JOBS_HELP,
    .rows = remove_rows,
    .words = REMOTE_JOBS_OR_NONE,
    .context = &removal,
    .check = check_remove,
    .run = run_remove,
};

/* ---- reclaim set ------------------------------------------------------------------------------------------------- */

#define NOT_GIVEN INT64_MAX

static struct set {
    const char *group; /* NULL: not given */
    int64_t priority;  /* NOT_GIVEN: not given */
} set = {.priority = NOT_GIVEN};

static const struct table_option set_rows[] = {
    {"priority", 0, "N", "higher starts first", TABLE_NUMBER(struct set, priority, INT32_MIN, INT32_MAX),
     .range = "must fit 32 bits"},
    {"group", 'g', "NAME", "group of the jobs", TABLE_TEXT(struct set, group)},
    {0}};

static const char *check_set(const struct remote_given *given)
{
    (void)given;
    return set.group == NULL && set.priority == NOT_GIVEN ? "give --priority or --group" : NULL;
}

static int run_set(struct remote *remote, const struct remote_given *given)
{
    pool_fields_t params;
    pool_fields_begin(&params);
    if (set.group != NULL)
        pool_fields_text(&params, "group", set.group);
    if (set.priority != NOT_GIVEN)
        pool_fields_int(&params, "priority", set.priority);
    return order(remote, given, &params);
}

const struct remote_verb set_verb = {
    .usage = "[OPTION...] JOB...",
    .intro = "Changes jobs that have not started.",
    .more = JOBS_HELP,
    .rows = set_rows,
    .words = REMOTE_JOBS,
    .context = &set,
    .check = check_set,
    .run = run_set,
};

/* ---- reclaim pause, reclaim resume ------------------------------------------------------------------------------- */

const struct remote_verb pause_verb = {
    .usage = "[OPTION...] [GROUP]",
    .intro = "Starts no more jobs of a group, or of any group. Running jobs go on.",
    .words = REMOTE_GROUP_OR_NONE,
    .run = run_change,
};

const struct remote_verb resume_verb = {
    .usage = "[OPTION...] [GROUP]",
    .intro = "Starts jobs again, of one group, or of all after a pause of all.",
    .words = REMOTE_GROUP_OR_NONE,
    .run = run_change,
};
