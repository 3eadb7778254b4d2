/* runs.h - runs: one job, one attempt, over the pool (reclaim/pool.h); output into files, ends back on the loop.
 *
 * Knows specifications, files and the pool; no store, no client. All calls and callbacks on the loop's thread. */
#ifndef RUNS_H
#define RUNS_H

#include "output_files.h"
#include "spec.h"

#include <uv.h>

struct runs;

struct runs_options {
    int32_t workers;            /* 0: the pool's default */
    int64_t memory_budget;      /* 0: the pool's default */
    uint64_t output_max;        /* bytes of each stream that are kept where the job sets no limit */
    const char *const *modules; /* absolute paths, NULL-terminated; NULL: none */
    int held; /* stays open until the pool's last process is gone, also after the daemon's death; -1: none */
    struct outputs *outputs; /* *borrows* */
    /* A run has ended: its processes are gone, its output is in its files. end and job are *borrowed*: a caller that
     * needs the value (end->result_size bytes of job's result) longer retains job. Only exit_code 0 is success.
     * evictions: how often the pool took it from its worker, for memory or with a fork server that died, and ran it
     * again (rerunnable); its output then began anew. */
    void (*on_end)(void *user, uint64_t id, const struct record_end *end, uint32_t evictions, pool_job_t *job);
    void (*on_started)(void *user, uint64_t id); /* its worker has it */
    void (*on_output)(void *user, uint64_t id);  /* there is more output, or it begins anew */
    void (*log)(void *user, const char *line);   /* the pool's log lines; any thread */
    void *user;
};

/* Opens the pool: early, before threads and memory. A module that does not load, has another ABI, a task name twice or
 * none: negative errno, and message names module and reason. */
int runs_open(struct runs **runs, uv_loop_t *loop, const struct runs_options *options, char message[512]);
/* Starts nothing more, and ends the runs with SIGKILL (on_end still comes, cause cancelled). When every process of the
 * pool is gone it calls done, and frees. */
void runs_close(struct runs *runs, void (*done)(void *user), void *user);

int32_t runs_workers(const struct runs *runs);
size_t runs_count(const struct runs *runs); /* that were started and have not ended */
/* Names of tasks, NULL-terminated, as the modules had them at the start; *borrowed*. */
const char *const *runs_tasks(const struct runs *runs);
bool runs_has_task(const struct runs *runs, struct rpc_text name);
pool_t *runs_pool(const struct runs *runs); /* for pool_reserve, pool_stats, pool_memory */

/* A reservation (reclaim/pool.h) for a job that waits to start. memory_limit: of its next run, 0: none. spec is
 * *borrowed* during the call. -E2BIG: the job could never start; -ENOMEM. */
int runs_reservation_new(struct runs *runs, const struct spec *spec, uint64_t memory_limit,
                         pool_reservation_t **reservation);

/* Starts a job, which must not run already: removes the files of an earlier run, and hands the job to the pool. Its
 * standard output and error go into files as they come. Beyond output_limit the job is ended; without that limit,
 * output beyond output_max is dropped. Both set `truncated`, as does output that cannot be written, which is logged.
 * memory_limit: of this run, 0: none; attempt: 1 for the first. spec is *borrowed* during the call. reservation is
 * *taken*: from pool_reserve, or NULL, and then the job may wait in the pool for memory. Negative errno and message: no
 * on_end comes. -E2BIG: the job is expected to need more than the budget; -EMFILE; -ESHUTDOWN. */
int runs_start(struct runs *runs, uint64_t id, uint32_t attempt, const struct spec *spec, uint64_t memory_limit,
               pool_reservation_t *reservation, char message[512]);
/* Ends a run: SIGTERM, after kill_after SIGKILL. -ESRCH: it does not run. */
int runs_cancel(struct runs *runs, uint64_t id);

#endif
