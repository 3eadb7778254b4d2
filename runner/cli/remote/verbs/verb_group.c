/* verb_group.c - `reclaim group`: how many jobs of a group run at once. */
#include "remote_verb.h"
#include "values.h"
#include "verb_stats.h"
#include "verbs.h"

#include <string.h>

static struct group {
    bool is_limited; /* --limit was given */
    int64_t limit;   /* 0: none */
} group;

static int set_limit(void *context, const char *text)
{
    (void)context;
    group.is_limited = true;
    if (strcmp(text, "none") == 0)
        return 0;
    return values_number("limit", text, 1, INT32_MAX, "must be at least 1, or none", &group.limit);
}

static const struct table_option rows[] = {
    {"limit", 'l', "N", "jobs of the group at once; none: no limit", .set = set_limit},
    {0}};

static int show_groups(struct remote *remote)
{
    msgpack_unpacked answer;
    int rc = remote_call(remote, "stats", NULL, &answer);
    const msgpack_object_array list = pool_field_array(&answer.data, "groups");
    if (rc == 0 && !remote_options.json)
        rc = stats_print_groups(&answer.data);
    for (uint32_t i = 0; rc == 0 && remote_options.json && i < list.size; i++)
        rc = remote_print_json(remote, &list.ptr[i]);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int limit_group(struct remote *remote, const char *name)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    pool_fields_text(&request, "name", name);
    if (group.limit > 0)
        pool_fields_int(&request, "limit", group.limit);
    else
        pool_fields_nil(&request, "limit");
    return remote_order(remote, "group", &request);
}

static const char *check(const struct remote_given *given)
{
    return (given->group != NULL) != group.is_limited
               ? "give a name and --limit, or neither: reclaim group NAME --limit N"
               : NULL;
}

static int run(struct remote *remote, const struct remote_given *given)
{
    return given->group != NULL ? limit_group(remote, given->group) : show_groups(remote);
}

const struct remote_verb group_verb = {
    .usage = "[OPTION...] [NAME --limit N]",
    .intro = "Lists the groups, or limits how many jobs of one group run at once.",
    .rows = rows,
    .words = REMOTE_GROUP_OR_NONE,
    .context = &group,
    .check = check,
    .run = run,
};
