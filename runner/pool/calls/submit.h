/* submit.h - whether a pool takes work of this caller, for those that ask for it. Both give a negative errno, with a
 * message. */
#ifndef SUBMIT_H
#define SUBMIT_H

#include <reclaim/pool.h>

/* What only some pools have, and what could never start, of full options: -ENOTSUP, -E2BIG. */
int submit_check_means(const pool_t *pool, const pool_job_options_t *options);

/* Whether it is open. The caller holds the lock. -EIO, -ESHUTDOWN. */
int submit_check_phase(const pool_t *pool);

#endif
