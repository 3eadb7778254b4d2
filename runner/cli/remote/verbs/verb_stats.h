/* verb_stats.h - the daemon's figures. */
#ifndef VERB_STATS_H
#define VERB_STATS_H

#include "remote.h"

/* Prints two lines (in_short), or everything. 0, or -1 after a message. */
int stats_show(struct remote *remote, bool in_short);

/* Prints the daemon's groups as a table. 0, or -1 after a message. */
int stats_print_groups(const msgpack_object *stats);

#endif
