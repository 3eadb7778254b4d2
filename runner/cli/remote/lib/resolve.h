/* resolve.h - a job's id, where it was named by its key. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "jobrefs.h"
#include "remote.h"

/* 0, or -1 after it has said what is wrong. */
int resolve_id(struct remote *remote, const struct jobref *ref, uint64_t *id);

#endif
