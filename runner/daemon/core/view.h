/* view.h - a job as clients see it: docs/protocol.md, "A job". */
#ifndef VIEW_H
#define VIEW_H

#include "daemon.h"

/* Packs a job; whole: with all of its command, its settings and the jobs that it waits for. */
void view_job(const struct daemon *daemon, msgpack_packer *packer, const struct record *record, bool whole);

#endif
