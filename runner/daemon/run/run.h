/* run.h - one run: its pipes, its job in the pool, its end. For runs.c only.
 *
 * Two threads: the loop's, which everything here belongs to, and the pool's, whose callbacks (run.c) touch the fields
 * below `lock` only, and wake the loop. */
#ifndef RUN_H
#define RUN_H

#include "modules.h"
#include "run_output.h"
#include "runs.h"

#include <pthread.h>
#include <sys/queue.h>
#include <uthash.h>

/* One stream on the loop. */
struct run_stream {
    struct run *run;
    struct run_output output; /* under lock while the job runs */
    uv_poll_t poll;
    bool is_polled; /* poll is to be closed */
};

struct run {
    struct runs *runs;
    uint64_t id;
    pool_job_t *job;
    pool_reservation_t *reservation; /* until it is submitted */
    bool is_limited;                 /* beyond output_limit it is ended */
    bool is_over;                    /* it was ended for that */
    bool was_started;                /* on_started has been called */
    int64_t output_limit;
    struct run_stream streams[2];
    int references; /* one until run_drop, and one for each handle that is not closed */
    UT_hash_handle hh;

    /* under lock */
    bool is_listed; /* in runs->changed */
    struct run_change {
        bool started, settled;
        bool restarted; /* its output was dropped */
    } change;
    TAILQ_ENTRY(run) entry;
};

/* The set. */
struct runs {
    uv_loop_t *loop;
    struct runs_options options;
    int32_t workers;
    pool_t *pool;
    char *names; /* one after the other, a NUL after each */
    const char **tasks;
    struct run *all;
    size_t references; /* one for each run that is not freed, and one for async */
    void (*unref)(struct runs *runs);
    uv_async_t async;

    /* closing */
    bool is_closing; /* no more starts; the pool is being closed */
    bool has_closer;
    uv_thread_t closer;
    void (*done)(void *user);
    void *done_user;

    pthread_mutex_t lock;
    TAILQ_HEAD(runs_changed, run) changed; /* by the pool's thread */
    bool is_stopped;                       /* the pool is closed */
};

/* Opens its pipes and hands it to the pool. 0, or negative errno and message; run_drop is the caller's then, too. */
int run_submit(struct run *run, uint32_t attempt, const struct spec *spec, uint64_t memory_limit, char message[512]);
/* reservation is *taken*, in case of failure, too. NULL: no memory. */
struct run *run_new(struct runs *runs, uint64_t id, const struct spec *spec, pool_reservation_t *reservation);
#define RUN_NAME_SIZE 256

/* Fills in the options by which the pool judges a job before it runs; they *borrow* name, which is filled in, too. */
void run_fill_options(const struct spec *spec, uint64_t memory_limit, char name[RUN_NAME_SIZE],
                      pool_job_options_t *options);
/* The end of a run that has settled, with its streams finished. */
void run_describe(const struct run *run, struct record_end *end);
/* Closes pipes, files and handles, and frees the run when they are gone. */
void run_drop(struct run *run);

#endif
