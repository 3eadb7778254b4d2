/* stats.h - what reclaimd says of itself. */
#ifndef STATS_H
#define STATS_H

#include "remote.h"

/* Prints it: two lines, or all of it. 0, or -1 after it has said what is wrong. */
int stats_show(struct remote *remote, bool in_short);

/* Its groups, as a table. 0, or negative after it has said why not. */
int stats_print_groups(const msgpack_object *stats);

#endif
