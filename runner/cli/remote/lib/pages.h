/* pages.h - lists jobs page by page. */
#ifndef PAGES_H
#define PAGES_H

#include "grid.h"
#include "remote.h"

struct pages {
    const char *states;       /* "running,failed"; NULL: any */
    const char *group, *name; /* NULL: any */
    uint64_t newest;          /* only this many, newest first; 0: all, oldest first */
};

/* Calls `each` for every page, with *borrowed* jobs. `each` must not call on the connection; a result other than 0 ends
 * the walk, and is returned. 0, or -1 after a message. */
int pages_each(struct remote *remote, const struct pages *pages, int (*each)(void *user, msgpack_object_array jobs),
               void *user);

/* Adds the jobs to the grid, and prints it after every page (in_pages), or not at all; with --json prints them instead.
 * 0, or -1 after a message. */
int pages_show(struct remote *remote, const struct pages *pages, struct grid *grid, bool in_pages);

#endif
