/* dispatch.h - gives the next job to the next idle worker. On the thread that owns the loop. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "admission.h"

#include <reclaim/pool.h>

/* Hands out as many jobs as can start now. */
void dispatch_step(pool_t *pool, int64_t now);

/* When a job is tried again that could not be handed over, in ms; MOMENT_NEVER: never. */
int64_t dispatch_next_at(const pool_t *pool, int64_t now);

/* Looks at the queue in a scan, which may go on behind it with ADMISSION_PASS: the answer for the last job. *found is
 * the job that may start, or NULL. The caller holds the lock. -ENOMEM: no memory for a record. */
int dispatch_scan(pool_t *pool, struct admission_scan *scan, pool_job_t **found);

#endif
