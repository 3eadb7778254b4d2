/* verb_list.c - `reclaim list`: jobs as a table, page by page. */
#include "jobview.h"
#include "pages.h"
#include "remote_verb.h"
#include "verbs.h"

static struct list {
    struct pages pages;
    int64_t newest;
} list;

static const struct table_option rows[] = {
    {"state", 0, "STATES", "only running,queued,waiting,done,failed,cancelled", TABLE_TEXT(struct list, pages.states)},
    {"group", 'g', "NAME", "only jobs of this group", TABLE_TEXT(struct list, pages.group)},
    {"name", 0, "NAME", "only jobs of this name", TABLE_TEXT(struct list, pages.name)},
    {"newest", 'n', "N", "only the N newest, newest first", TABLE_NUMBER(struct list, newest, 1, INT64_MAX)},
    {0}};

static int run(struct remote *remote, const struct remote_given *given)
{
    struct grid grid;
    (void)given;
    list.pages.newest = (uint64_t)list.newest;
    grid_begin(&grid, jobview_titles);
    const int rc = pages_show(remote, &list.pages, &grid, true);
    grid_deinit(&grid);
    return rc;
}

const struct remote_verb list_verb = {
    .usage = "[OPTION...]",
    .intro = "Lists jobs, the oldest first.",
    .rows = rows,
    .context = &list,
    .run = run,
};
