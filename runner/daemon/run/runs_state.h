/* runs_state.h - what is behind struct runs and struct run, for the files runs*.c only.
 *
 * Two threads: the loop's, which everything here belongs to, and the pool's, whose callbacks (runs_start.c) touch what
 * stands under `lock` only, and wake the loop. */
#ifndef RUNS_STATE_H
#define RUNS_STATE_H

#include "modules.h"
#include "runs.h"
#include "runs_output.h"

#include <pthread.h>
#include <sys/queue.h>
#include <uthash.h>

/* One stream on the loop. */
struct run_stream {
    struct run *run;
    struct runs_output output; /* under lock while the job runs */
    uv_poll_t poll;
    bool is_polled; /* there is a handle to be closed */
};

struct run {
    struct runs *runs;
    uint64_t id;
    pool_job_t *job;
    pool_reservation_t *reservation; /* until it is submitted */
    bool is_limited;                 /* beyond output_limit it is ended */
    bool is_over;                    /* and was */
    bool was_started;                /* on_started has been told */
    int64_t output_limit;
    struct run_stream streams[2];
    int handles; /* that are not closed yet; with the last one it is freed */
    UT_hash_handle hh;

    /* under lock */
    bool is_listed;
    struct run_news {
        bool started, settled;
        bool anew; /* its output was dropped: not told yet */
    } news;
    TAILQ_ENTRY(run) entry;
};

struct runs {
    uv_loop_t *loop;
    struct runs_options options;
    int32_t workers;
    uint64_t budget;
    pool_t *pool;
    char *names; /* one after the other, a NUL after each */
    const char **tasks;
    struct run *all;
    size_t references; /* one for each run that is not freed, and one for async */
    uv_async_t async;

    /* closing */
    bool is_closing, is_stopping; /* no more starts; the pool is being closed */
    bool has_closer;
    uv_thread_t closer;
    void (*done)(void *user);
    void *done_user;

    pthread_mutex_t lock;
    TAILQ_HEAD(runs_news, run) news; /* runs that the pool's thread has told something of */
    bool is_stopped;                 /* the pool is closed */
};

/* Something is to be seen to on the loop; any thread, lock held. */
static inline void runs_list(struct runs *runs, struct run *run)
{
    if (!run->is_listed)
        TAILQ_INSERT_TAIL(&runs->news, run, entry);
    run->is_listed = true;
    uv_async_send(&runs->async);
}

/* runs.c: on the loop, after runs_list. */
void runs_on_async(uv_async_t *async);
/* Drops a reference; the last one frees runs, and tells whoever closed it. */
void runs_unref(struct runs *runs);

/* runs_start.c: closes pipes, files and handles, and frees the run when they are gone. */
void run_drop(struct run *run);

/* runs_end.c: what is told of a run that has settled, with its streams finished. */
void run_describe(const struct run *run, struct record_end *end);

#endif
