/* runs.h - runs: one job, one attempt, over the pool (reclaim/pool.h); output into files, ends back on the loop.
 *
 * Knows specifications, files and the pool; no store, no client. All calls and callbacks on the loop's thread. */
#ifndef RUNS_H
#define RUNS_H

#include "output_files.h"
#include "spec.h"

#include <uv.h>

struct runs;
struct run;

struct runs_options {
    int32_t workers;            /* 0: the pool's default */
    int64_t memory_budget;      /* 0: the pool's default */
    uint64_t output_max;        /* bytes of each stream that are kept where the job sets no limit */
    const char *const *modules; /* absolute paths, NULL-terminated; NULL: none */
    int held; /* stays open until the pool's last process is gone, also after the daemon's death; -1: none */
    struct outputs *outputs; /* *borrows* */
    /* A run has ended: its whole tree is gone, its output is in its files. end and job are *borrowed*; where
     * end->result_size is not 0, job's result has the value: who needs it longer retains job. It did well where
     * exit_code is 0, and only there. evictions: how often it was taken from its worker, for memory or with a
     * fork server that died, and run again by the pool (rerunnable): its output then began anew. */
    void (*on_end)(void *user, uint64_t id, const struct record_end *end, uint32_t evictions, pool_job_t *job);
    void (*on_started)(void *user, uint64_t id); /* its worker has it */
    void (*on_output)(void *user, uint64_t id);  /* there is more output, or it begins anew */
    void (*log)(void *user, const char *line);   /* the pool's log lines; any thread */
    void *user;
};

/* Opens the pool: early, before threads and memory. A module that does not load, has another ABI, a task name twice or
 * none: negative errno, and message names module and reason. */
int runs_open(struct runs **runs, uv_loop_t *loop, const struct runs_options *options, char message[512]);
/* Starts nothing more, waits for what runs or, when kill is set, ends it with SIGKILL (its on_end still comes, cause
 * cancelled); when every process of the pool is gone calls done (may be NULL), and frees. May be called again with kill
 * set while it waits; the last done counts. */
void runs_close(struct runs *runs, bool kill, void (*done)(void *user), void *user);

int32_t runs_workers(const struct runs *runs);
size_t runs_count(const struct runs *runs);    /* that were started and have not ended */
uint64_t runs_budget(const struct runs *runs); /* bytes; 0: none */
/* Names of tasks, NULL-terminated, as the modules had them at the start; *borrowed*. */
const char *const *runs_tasks(const struct runs *runs);
bool runs_has_task(const struct runs *runs, struct rpc_text name);
const pool_t *runs_pool(const struct runs *runs); /* for pool_stats, pool_memory */

/* What a job waits with, and then holds, that has not been started: reclaim/pool.h. memory_limit: of its next run, 0:
 * none. spec is *borrowed* during the call. As pool_reservation_new: -E2BIG, it could never start; -ENOMEM. */
int runs_reservation_new(struct runs *runs, const struct spec *spec, uint64_t memory_limit,
                         pool_reservation_t **reservation);
/* As pool_reserve; pool_message has the reason of an error. */
int runs_reserve(struct runs *runs, pool_reservation_t *const *reservations, size_t count, size_t *which,
                 int64_t *again_ms);

/* Starts one, which must not run already: removes the files of an earlier run, hands it to the pool. What it writes to
 * standard output and error goes into files of its own as it comes; beyond output_limit the job is ended, else beyond
 * output_max the rest is dropped; both are `truncated`, and so is what could not be written, which the log is told.
 * memory_limit: of this run, 0: none; attempt: 1 for the first. spec is *borrowed* during the call; reservation is
 * *taken*: what runs_reserve has reserved for it, or NULL, and then it may wait in the pool for memory. Negative errno
 * where it could not be (message says why): then no on_end comes. -E2BIG: it is expected to need more than the budget;
 * -EMFILE; -ESHUTDOWN. */
int runs_start(struct runs *runs, uint64_t id, uint32_t attempt, const struct spec *spec, uint64_t memory_limit,
               pool_reservation_t *reservation, char message[512]);
/* Asks for its end: SIGTERM, after kill_after SIGKILL. -ESRCH: it does not run. */
int runs_cancel(struct runs *runs, uint64_t id);

#endif
