/* verb_list.c - `reclaim list`: jobs as a table, page by page. */
#include "jobview.h"
#include "pages.h"
#include "remote_verb.h"
#include "say.h"
#include "verbs.h"

static struct list {
    struct pages pages;
    int64_t newest;
    struct remote *remote;
    struct grid grid;
} list_options;

static const struct table_option rows[] = {
    {"state", 0, "STATES", "only running,queued,waiting,done,failed,cancelled", TABLE_TEXT(struct list, pages.states)},
    {"group", 'g', "NAME", "only jobs of this group", TABLE_TEXT(struct list, pages.group)},
    {"name", 0, "NAME", "only jobs of this name", TABLE_TEXT(struct list, pages.name)},
    {"newest", 'n', "N", "only the N newest, newest first", TABLE_NUMBER(struct list, newest, 1, INT64_MAX)},
    {0}};

static int print_page(void *user, msgpack_object_array jobs)
{
    struct list *list = user;
    for (uint32_t i = 0; i < jobs.size; i++)
        if (!remote_options.json)
            jobview_add(&list->grid, &jobs.ptr[i]);
        else if (remote_print_json(list->remote, &jobs.ptr[i]) < 0)
            return -1;
    if (!remote_options.json && grid_print(&list->grid, stdout) < 0) {
        say("list", "no memory for a page of jobs");
        return -1;
    }
    return 0;
}

static int run(struct remote *remote, const struct remote_given *given, void *context)
{
    struct list *list = context;
    (void)given;
    list->remote = remote;
    list->pages.newest = (uint64_t)list->newest;
    grid_begin(&list->grid, jobview_titles);
    const int rc = pages_each(remote, &list->pages, print_page, list);
    grid_deinit(&list->grid);
    return rc;
}

const struct remote_verb list_verb = {
    .usage = "[OPTION...]",
    .intro = "Lists jobs, the oldest first.",
    .rows = rows,
    .context = &list_options,
    .run = run,
};
