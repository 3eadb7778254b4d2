/* group.c - `reclaim group`: how many jobs of a group run at once. */
#include "outcome.h"
#include "say.h"
#include "stats.h"
#include "values.h"
#include "verbs.h"

#include <string.h>

struct group {
    bool is_limited; /* --limit was given */
    int64_t limit;   /* 0: none */
};

static int set_limit(void *context, const char *text)
{
    struct group *group = context;
    group->is_limited = true;
    if (strcmp(text, "none") == 0)
        return 0;
    return values_number("limit", text, 1, INT32_MAX, "must be at least 1, or none", &group->limit);
}

static const struct table_option rows[] = {
    {"limit", 'l', "N", "jobs of the group at once; none: no limit", .set = set_limit},
    {0}};
static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "group",
    .usage = "[OPTION...] [NAME --limit N]",
    .intro = "Lists the groups, or limits how many jobs of one group run at once.",
    .groups = groups,
    .anywhere = true,
};

static int show_groups(struct remote *remote)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    int rc = remote_call(remote, "stats", &request, &answer);
    const msgpack_object_array list = pool_field_array(&answer.data, "groups");
    if (rc == 0 && !remote_options.json)
        rc = stats_print_groups(&answer.data);
    for (uint32_t i = 0; rc == 0 && remote_options.json && i < list.size; i++)
        rc = remote_print_json(remote, &list.ptr[i]);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int limit_group(struct remote *remote, const struct group *group, const char *name)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    pool_fields_text(&request, "name", name);
    msgpack_packer *packer = pool_fields_packer(&request, "limit");
    if (group->limit > 0)
        msgpack_pack_int64(packer, group->limit);
    else
        msgpack_pack_nil(packer);
    return remote_order(remote, "group", &request);
}

int group_main(int argc, char **argv)
{
    struct group group = {0};
    struct remote remote;
    int code;
    if (remote_read(&table, &argc, &argv, &group, &code) < 0)
        return code;
    if (argc > 1 || (argc == 1) != group.is_limited) {
        say("group", "give a name and --limit, or neither: reclaim group NAME --limit N");
        return OUTCOME_OWN_FAILURE;
    }
    if (remote_open(&remote, "group") < 0)
        return OUTCOME_OWN_FAILURE;
    const int rc = argc == 1 ? limit_group(&remote, &group, argv[0]) : show_groups(&remote);
    return remote_finish(&remote, rc < 0 ? OUTCOME_OWN_FAILURE : 0);
}
