/* wait.h - threads that wait for jobs: each has a waiter on its stack and a watch on every job that it waits for. */
#ifndef WAIT_H
#define WAIT_H

#include "job.h"

/* Wakes whoever watches the job. The caller holds the pool's lock, and has settled the job. */
void wait_wake(pool_job_t *job);

/* Puts a settled job where pool_next finds it. The caller holds the pool's lock. */
void wait_collect(pool_job_t *job);

#endif
