/* runs.c - the pool behind the runs: opened with its modules, its news brought to the loop, closed. */
#include "runs.h"

#include "runs_state.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    for (int i = 0; i < 2; i++)
        runs_output_finish(&run->streams[i].output);
    run_describe(run, &end);
    log_lost_output(run);
    HASH_DEL(run->runs->all, run);
    const pool_result_t *result = pool_job_result(run->job);
    const struct record_bytes value = {end.result_size > 0 ? result->data : NULL, end.result_size};
    runs->options.on_end(runs->options.user, run->id, &end, result->usage.evictions, value);
    run_drop(run);
}

/* The next run of which there is news, and what. */
static struct run *next_news(struct runs *runs, bool *has_started, bool *has_settled)
{
    pthread_mutex_lock(&runs->lock);
    struct run *run = TAILQ_FIRST(&runs->news);
    if (run != NULL) {
        TAILQ_REMOVE(&runs->news, run, news);
        run->is_listed = false;
        *has_started = run->has_started;
        *has_settled = run->has_settled;
    }
    pthread_mutex_unlock(&runs->lock);
    return run;
}

static void deliver(struct runs *runs)
{
    bool has_started, has_settled;
    for (struct run *run; (run = next_news(runs, &has_started, &has_settled)) != NULL;) {
        if (has_started && !run->was_started) {
            run->was_started = true;
            if (runs->options.on_started != NULL)
                runs->options.on_started(runs->options.user, run->id);
        }
        if (has_settled)
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

static void on_async(uv_async_t *async)
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

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void free_paths(char **paths)
{
    for (size_t i = 0; paths != NULL && paths[i] != NULL; i++)
        free(paths[i]);
    free(paths);
}

/* Absolute, for a fork server may be started anew when the daemon has gone elsewhere. */
static int resolve(const char *const *modules, char ***out, char message[512])
{
    size_t count = 0;
    while (modules != NULL && modules[count] != NULL)
        count++;
    char **paths = calloc(count + 1, sizeof(*paths));
    int rc = paths == NULL ? -ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        if ((paths[i] = realpath(modules[i], NULL)) == NULL) {
            rc = -errno;
            snprintf(message, 512, "module %.300s: %s", modules[i], strerror(errno));
        }
    if (paths == NULL)
        snprintf(message, 512, "%s", strerror(ENOMEM));
    if (rc < 0)
        free_paths(paths);
    else
        *out = paths;
    return rc;
}

/* The names as they came, and pointers to each. */
static int keep_names(struct runs *runs, const char *data, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += data[i] == '\0';
    runs->names = malloc(size + 1);
    runs->tasks = calloc(count + 1, sizeof(*runs->tasks));
    if (runs->names == NULL || runs->tasks == NULL)
        return -ENOMEM;
    if (size > 0)
        memcpy(runs->names, data, size);
    const char *name = runs->names;
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1)
        runs->tasks[i] = name;
    return 0;
}

/* Asks a worker what tasks there are. */
static int ask_names(struct runs *runs, char message[512])
{
    pool_job_t *job;
    int rc = pool_submit(runs->pool, modules_list, NULL, 0, NULL, &job);
    if (rc < 0) {
        snprintf(message, 512, "the tasks of modules cannot be listed: %s", pool_message());
        return rc;
    }
    pool_job_wait(job, -1);
    const pool_result_t *result = pool_job_result(job);
    rc = result->outcome == POOL_DONE ? keep_names(runs, result->data, result->size) : -EIO;
    if (rc < 0)
        snprintf(message, 512, "the tasks of modules cannot be listed: %s",
                 rc == -ENOMEM ? strerror(ENOMEM) : result->message);
    pool_job_release(job);
    return rc;
}

static void on_log(const char *line, void *user)
{
    const struct runs *runs = user;
    if (runs->options.log != NULL)
        runs->options.log(runs->options.user, line);
}

static int open_pool(struct runs *runs, const char *const *paths, char message[512])
{
    struct modules modules = {.statedir = runs->options.statedir, .paths = paths};
    const pool_options_t options = {
        .workers = runs->workers,
        .memory_budget = runs->options.memory_budget,
        .on_start = modules_load,
        .on_start_arg = &modules, /* as it is now: also for a fork server that is started later */
        .log = on_log,
        .log_user = runs,
    };
    pool_error_t error;
    pool_memory_t memory;
    const int rc = pool_open(&runs->pool, &options, &error);
    if (rc < 0)
        snprintf(message, 512, "%s", error.message);
    else if (pool_memory(runs->pool, &memory) == 0)
        runs->budget = memory.budget;
    return rc;
}

/* Everything that can fail before the loop knows of it. */
static int fill(struct runs *runs, char message[512])
{
    char **paths;
    int rc = resolve(runs->options.modules, &paths, message);
    if (rc < 0)
        return rc;
    rc = open_pool(runs, (const char *const *)(const void *)paths, message);
    free_paths(paths);
    if (rc == 0)
        rc = ask_names(runs, message);
    if (rc == 0 && (rc = uv_async_init(runs->loop, &runs->async, on_async)) < 0)
        snprintf(message, 512, "the pool cannot join the loop: %s", uv_strerror(rc));
    return rc;
}

int runs_open(struct runs **out, uv_loop_t *loop, const struct runs_options *options, char message[512])
{
    struct runs *runs = calloc(1, sizeof *runs);
    *out = NULL;
    if (runs == NULL) {
        snprintf(message, 512, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    runs->loop = loop;
    runs->options = *options;
    runs->workers = options->workers > 0 ? options->workers : (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    runs->references = 1;
    runs->async.data = runs;
    pthread_mutex_init(&runs->lock, NULL);
    TAILQ_INIT(&runs->news);
    const int rc = fill(runs, message);
    if (rc < 0) {
        pool_free(runs->pool);
        runs_unref(runs);
        return rc;
    }
    runs->options.modules = NULL; /* the caller's */
    *out = runs;
    return 0;
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
