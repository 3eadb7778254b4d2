/* pages.h - every job of a kind, a page after another. */
#ifndef PAGES_H
#define PAGES_H

#include "remote.h"

struct pages {
    const char *states;       /* "running,failed"; NULL: any */
    const char *group, *name; /* NULL: any */
    uint64_t newest;          /* only so many, from the newest down; 0: all, from the oldest up */
};

/* Calls each for every page. The jobs are *borrowed*; each may make no call on the connection; what it returns
 * other than 0 ends the walk and is returned. 0, or -1 after it has said what is wrong. */
int pages_each(struct remote *remote, const struct pages *pages, int (*each)(void *user, msgpack_object_array jobs),
               void *user);

#endif
