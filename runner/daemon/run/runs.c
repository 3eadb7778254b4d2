/* runs.c - the pool behind the runs: its news brought to the loop, and its end. */
#include "runs_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- news from the pool's thread --------------------------------------------------------------------------------- */

static void log_lost_output(const struct run *run)
{
    char line[160];
    for (int i = 0; i < 2; i++) {
        const int error = run->streams[i].output.error;
        if (error == 0 || run->runs->options.log == NULL)
            continue;
        snprintf(line, sizeof line, "job %" PRIu64 ": its standard %s is cut, for it cannot be written: %s", run->id,
                 i == 0 ? "output" : "error", strerror(-error));
        run->runs->options.log(run->runs->options.user, line);
    }
}

/* Out of the table first: whoever hears of the end may start the job anew. */
static void finish(struct run *run)
{
    const struct runs *runs = run->runs;
    struct record_end end;
    const uint64_t before = run->streams[0].output.size + run->streams[1].output.size;
    for (int i = 0; i < 2; i++)
        runs_output_finish(&run->streams[i].output);
    if (run->streams[0].output.size + run->streams[1].output.size > before && runs->options.on_output != NULL)
        runs->options.on_output(runs->options.user, run->id); /* a next run removes it */
    run_describe(run, &end);
    log_lost_output(run);
    HASH_DEL(run->runs->all, run);
    const pool_result_t *result = pool_job_result(run->job);
    runs->options.on_end(runs->options.user, run->id, &end, result->usage.evictions, run->job);
    run_drop(run);
}

/* The next run of which there is news, and what. */
static struct run *next_news(struct runs *runs, struct run_news *news)
{
    pthread_mutex_lock(&runs->lock);
    struct run *run = TAILQ_FIRST(&runs->news);
    if (run != NULL) {
        TAILQ_REMOVE(&runs->news, run, entry);
        run->is_listed = false;
        *news = run->news;
        run->news.anew = false;
    }
    pthread_mutex_unlock(&runs->lock);
    return run;
}

static void deliver(struct runs *runs)
{
    struct run_news news;
    for (struct run *run; (run = next_news(runs, &news)) != NULL;) {
        if (news.anew && runs->options.on_output != NULL) /* who follows it is to begin anew, too */
            runs->options.on_output(runs->options.user, run->id);
        if (news.started && !run->was_started) {
            run->was_started = true;
            if (runs->options.on_started != NULL)
                runs->options.on_started(runs->options.user, run->id);
        }
        if (news.settled)
            finish(run);
    }
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

void runs_unref(struct runs *runs)
{
    if (--runs->references > 0)
        return;
    pthread_mutex_destroy(&runs->lock);
    free(runs->tasks);
    free(runs->names);
    if (runs->done != NULL)
        runs->done(runs->done_user);
    free(runs);
}

static void on_async_closed(uv_handle_t *handle)
{
    runs_unref(handle->data);
}

/* Blocks until every process of the pool is gone: in a thread of its own. */
static void close_pool(void *arg)
{
    struct runs *runs = arg;
    pool_close(runs->pool, POOL_CLOSE_KILL);
    pthread_mutex_lock(&runs->lock);
    runs->is_stopped = true;
    uv_async_send(&runs->async);
    pthread_mutex_unlock(&runs->lock);
}

static void stop_if_due(struct runs *runs, bool kill)
{
    if (!runs->is_closing || runs->is_stopping || (!kill && runs->all != NULL))
        return;
    runs->is_stopping = true;
    runs->has_closer = uv_thread_create(&runs->closer, close_pool, runs) == 0;
    if (!runs->has_closer)
        close_pool(runs);
}

/* Every end has been told by now: no callback comes after pool_close. */
static void end(struct runs *runs)
{
    if (runs->has_closer)
        uv_thread_join(&runs->closer);
    pool_free(runs->pool);
    runs->pool = NULL;
    uv_close((uv_handle_t *)&runs->async, on_async_closed);
}

void runs_on_async(uv_async_t *async)
{
    struct runs *runs = async->data;
    pthread_mutex_lock(&runs->lock);
    const bool is_stopped = runs->is_stopped; /* asked first: then what is delivered is all */
    pthread_mutex_unlock(&runs->lock);
    deliver(runs);
    if (is_stopped)
        end(runs);
    else
        stop_if_due(runs, false);
}

void runs_close(struct runs *runs, bool kill, void (*done)(void *user), void *user)
{
    runs->is_closing = true;
    runs->done = done;
    runs->done_user = user;
    stop_if_due(runs, kill);
}

int runs_reserve(struct runs *runs, pool_reservation_t *const *reservations, size_t count, size_t *which,
                 int64_t *again_ms)
{
    return pool_reserve(runs->pool, reservations, count, which, again_ms);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

int32_t runs_workers(const struct runs *runs)
{
    return runs->workers;
}

size_t runs_count(const struct runs *runs)
{
    return HASH_COUNT(runs->all);
}

uint64_t runs_budget(const struct runs *runs)
{
    return runs->budget;
}

const char *const *runs_tasks(const struct runs *runs)
{
    return runs->tasks;
}

bool runs_has_task(const struct runs *runs, struct rpc_text name)
{
    for (size_t i = 0; runs->tasks[i] != NULL; i++)
        if (strlen(runs->tasks[i]) == name.size && memcmp(runs->tasks[i], name.data, name.size) == 0)
            return true;
    return false;
}

const pool_t *runs_pool(const struct runs *runs)
{
    return runs->pool;
}
