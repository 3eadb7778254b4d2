/* SPDX-License-Identifier: MIT
 *
 * dependents.h - part of the closure example: how many other packages reach each package, in two ways that share
 * nothing but the graph. Both take their memory from pool_call_alloc: huge pages, zeroed, never freed.
 */
#ifndef DEPENDENTS_H
#define DEPENDENTS_H

#include "package_index.h"

#include <reclaim/call.h>

/* All of them: counts[p], through the transitive closure as bit sets. 0 or -ENOMEM. */
int dependents_count_all(pool_call_t *call, const struct package_graph *dependents, uint32_t *counts);

/* One of them, by walking the graph. *count; 0 or -ENOMEM. */
int dependents_count_one(pool_call_t *call, const struct package_graph *dependents, uint32_t package, uint32_t *count);

#endif
