/* SPDX-License-Identifier: MIT
 *
 * dependents.h - part of the closure example: counts the packages that depend on a package, directly or through others,
 * in two ways that share only the graph. Both allocate by pool_call_alloc: huge pages, zeroed, never freed.
 */
#ifndef DEPENDENTS_H
#define DEPENDENTS_H

#include "package_index.h"

#include <reclaim/call.h>

/* Counts for all packages, into counts[p], by the transitive closure as bit sets. 0 or -ENOMEM. */
int dependents_count_all(pool_call_t *call, const struct package_graph *dependents, uint32_t *counts);

/* Counts for one package, into *count, by walking the graph. 0 or -ENOMEM. */
int dependents_count_one(pool_call_t *call, const struct package_graph *dependents, uint32_t package, uint32_t *count);

#endif
