/* change.c - verbs that change jobs: cancel, retry, remove, set; and those that hold a group up: pause, resume. */
#include "jobrefs.h"
#include "outcome.h"
#include "pages.h"
#include "say.h"
#include "verbs.h"

#include <string.h>

static const struct table_option *const plain_groups[] = {remote_table, NULL};

#define JOBS_HELP "JOB: an id, a range 3-7, a list 1,2, or a key. Changes all of them, or none."

/* Sends `method` for jobs, with what `request` has already (*takes* both). The exit code. */
static int order_jobs(const char *method, pool_fields_t *request, struct jobrefs *refs)
{
    struct remote remote;
    int code = OUTCOME_OWN_FAILURE;
    jobrefs_pack(pool_fields_packer(request, "ids"), refs);
    jobrefs_deinit(refs);
    if (remote_open(&remote, method) < 0) {
        pool_fields_free(request);
        return code;
    }
    if (remote_order(&remote, method, request) == 0)
        code = 0;
    return remote_finish(&remote, code);
}

/* A verb without options of its own, whose words are jobs. */
static int change_main(const struct table *table, int argc, char **argv)
{
    struct jobrefs refs = {0};
    pool_fields_t request;
    int code;
    if (remote_read(table, &argc, &argv, NULL, &code) < 0)
        return code;
    if (jobrefs_read(&refs, table->verb, argc, argv, "which job? Give an id, 3-7, 1,2 or a key") < 0) {
        jobrefs_deinit(&refs);
        return OUTCOME_OWN_FAILURE;
    }
    pool_fields_begin(&request);
    return order_jobs(table->verb, &request, &refs);
}

int cancel_main(int argc, char **argv)
{
    static const struct table table = {
        .verb = "cancel",
        .usage = "[OPTION...] JOB...",
        .intro = "Ends running jobs with SIGTERM, later SIGKILL. Waiting jobs never run.",
        .groups = plain_groups,
        .more = JOBS_HELP,
        .anywhere = true,
    };
    return change_main(&table, argc, argv);
}

int retry_main(int argc, char **argv)
{
    static const struct table table = {
        .verb = "retry",
        .usage = "[OPTION...] JOB...",
        .intro = "Runs ended jobs again. They keep their ids.",
        .groups = plain_groups,
        .more = JOBS_HELP,
        .anywhere = true,
    };
    return change_main(&table, argc, argv);
}

/* ---- reclaim remove ---------------------------------------------------------------------------------------------- */

struct removal {
    bool ended; /* all jobs that have ended */
};

static int collect(void *user, msgpack_object_array jobs)
{
    pool_fields_t *request = user;
    pool_fields_begin(request);
    msgpack_packer *packer = pool_fields_packer(request, "ids");
    msgpack_pack_array(packer, jobs.size);
    for (uint32_t i = 0; i < jobs.size; i++)
        msgpack_pack_uint64(packer, pool_field_uint(&jobs.ptr[i], "id"));
    return jobs.size > 0 ? 1 : 0; /* this page is enough: what it has is removed before the next is asked for */
}

static int remove_ended(struct remote *remote)
{
    const struct pages pages = {.states = "done,failed,cancelled"};
    for (;;) {
        pool_fields_t request;
        const int rc = pages_each(remote, &pages, collect, &request);
        if (rc < 0)
            return -1;
        if (rc == 0) { /* the list was empty */
            pool_fields_free(&request);
            return 0;
        }
        if (remote_order(remote, "remove", &request) < 0)
            return -1;
    }
}

int remove_main(int argc, char **argv)
{
    static const struct table_option rows[] = {
        {"ended", 0, NULL, "all ended jobs", TABLE_FLAG(struct removal, ended)},
        {"all-done", 0, NULL, "the same as --ended", TABLE_FLAG(struct removal, ended)},
        {0}};
    static const struct table_option *const groups[] = {rows, remote_table, NULL};
    static const struct table table = {
        .verb = "remove",
        .usage = "[OPTION...] JOB...",
        .intro = "Deletes ended jobs, their output and their values.",
        .groups = groups,
        .more = JOBS_HELP,
        .anywhere = true,
    };
    struct removal removal = {0};
    struct jobrefs refs = {0};
    pool_fields_t request;
    struct remote remote;
    int code;
    if (remote_read(&table, &argc, &argv, &removal, &code) < 0)
        return code;
    if (removal.ended && argc == 0) {
        if (remote_open(&remote, table.verb) < 0)
            return OUTCOME_OWN_FAILURE;
        return remote_finish(&remote, remove_ended(&remote) < 0 ? OUTCOME_OWN_FAILURE : 0);
    }
    if (removal.ended)
        say("remove", "--ended removes all that have ended: name no jobs beside it");
    if (removal.ended || jobrefs_read(&refs, table.verb, argc, argv, "which job? Give ids, or --ended") < 0) {
        jobrefs_deinit(&refs);
        return OUTCOME_OWN_FAILURE;
    }
    pool_fields_begin(&request);
    return order_jobs(table.verb, &request, &refs);
}

/* ---- reclaim set ------------------------------------------------------------------------------------------------- */

#define NOT_GIVEN INT64_MAX

struct set {
    const char *group; /* NULL: not given */
    int64_t priority;  /* NOT_GIVEN: not given */
};

int set_main(int argc, char **argv)
{
    static const struct table_option rows[] = {
        {"priority", 0, "N", "higher starts first", TABLE_NUMBER(struct set, priority, INT32_MIN, INT32_MAX),
         .range = "must fit 32 bits"},
        {"group", 'g', "NAME", "group of the jobs", TABLE_TEXT(struct set, group)},
        {0}};
    static const struct table_option *const groups[] = {rows, remote_table, NULL};
    static const struct table table = {
        .verb = "set",
        .usage = "[OPTION...] JOB...",
        .intro = "Changes jobs that have not started.",
        .groups = groups,
        .more = JOBS_HELP,
        .anywhere = true,
    };
    struct set set = {.priority = NOT_GIVEN};
    struct jobrefs refs = {0};
    pool_fields_t request;
    int code;
    if (remote_read(&table, &argc, &argv, &set, &code) < 0)
        return code;
    const bool is_empty = set.group == NULL && set.priority == NOT_GIVEN;
    if (is_empty)
        say("set", "what is to be changed? Give --priority or --group");
    if (is_empty || jobrefs_read(&refs, table.verb, argc, argv, "which job?") < 0) {
        jobrefs_deinit(&refs);
        return OUTCOME_OWN_FAILURE;
    }
    pool_fields_begin(&request);
    if (set.group != NULL)
        pool_fields_text(&request, "group", set.group);
    if (set.priority != NOT_GIVEN)
        pool_fields_int(&request, "priority", set.priority);
    return order_jobs(table.verb, &request, &refs);
}

/* ---- reclaim pause, reclaim resume ------------------------------------------------------------------------------- */

static int hold_main(const struct table *table, int argc, char **argv)
{
    struct remote remote;
    pool_fields_t request;
    int code;
    if (remote_read(table, &argc, &argv, NULL, &code) < 0)
        return code;
    if (argc > 1)
        say(table->verb, "one group at a time, or none for all");
    if (argc > 1 || remote_open(&remote, table->verb) < 0)
        return OUTCOME_OWN_FAILURE;
    pool_fields_begin(&request);
    if (argc == 1)
        pool_fields_text(&request, "group", argv[0]);
    return remote_finish(&remote, remote_order(&remote, table->verb, &request) < 0 ? OUTCOME_OWN_FAILURE : 0);
}

int pause_main(int argc, char **argv)
{
    static const struct table table = {
        .verb = "pause",
        .usage = "[OPTION...] [GROUP]",
        .intro = "Starts no more jobs of a group, or of any group. Running jobs go on.",
        .groups = plain_groups,
        .anywhere = true,
    };
    return hold_main(&table, argc, argv);
}

int resume_main(int argc, char **argv)
{
    static const struct table table = {
        .verb = "resume",
        .usage = "[OPTION...] [GROUP]",
        .intro = "Starts jobs again, of one group, or of all after a pause of all.",
        .groups = plain_groups,
        .anywhere = true,
    };
    return hold_main(&table, argc, argv);
}
