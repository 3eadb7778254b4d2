#include "runs.h"

#include "explain.h"
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- changes by the pool's thread -------------------------------------------------------------------------------- */

static void log_lost_output(const struct run *run)
{
    char line[160];
    for (int i = 0; i < 2; i++) {
        const int error = run->streams[i].output.error;
        if (error == 0)
            continue;
        snprintf(line, sizeof line, "job %" PRIu64 ": its standard %s is cut, for it cannot be written: %s", run->id,
                 i == 0 ? "output" : "error", strerror(-error));
        run->runs->options.log(run->runs->options.user, line);
    }
}

static void finish(struct run *run)
{
    const struct runs *runs = run->runs;
    struct record_end end;
    const uint64_t before = run->streams[0].output.size + run->streams[1].output.size;
    for (int i = 0; i < 2; i++)
        run_output_finish(&run->streams[i].output);
    if (run->streams[0].output.size + run->streams[1].output.size > before)
        runs->options.on_output(runs->options.user, run->id); /* a next run removes it */
    run_describe(run, &end);
    log_lost_output(run);
    HASH_DEL(run->runs->all, run); /* before on_end, which may start the job anew */
    const pool_result_t *result = pool_job_result(run->job);
    runs->options.on_end(runs->options.user, run->id, &end, result->usage.evictions, run->job);
    run_drop(run);
}

/* The next run that has changed, and how. */
static struct run *next_changed(struct runs *runs, struct run_change *change)
{
    pthread_mutex_lock(&runs->lock);
    struct run *run = TAILQ_FIRST(&runs->changed);
    if (run != NULL) {
        TAILQ_REMOVE(&runs->changed, run, entry);
        run->is_listed = false;
        *change = run->change;
        run->change.restarted = false;
    }
    pthread_mutex_unlock(&runs->lock);
    return run;
}

static void deliver(struct runs *runs)
{
    struct run_change change;
    for (struct run *run; (run = next_changed(runs, &change)) != NULL;) {
        if (change.restarted) /* clients that follow its output begin anew, too */
            runs->options.on_output(runs->options.user, run->id);
        if (change.started && !run->was_started) {
            run->was_started = true;
            runs->options.on_started(runs->options.user, run->id);
        }
        if (change.settled)
            finish(run);
    }
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void unref(struct runs *runs)
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
    unref(handle->data);
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

/* Every end has been delivered by now: no callback comes after pool_close. */
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
    const bool is_stopped = runs->is_stopped; /* read first: then deliver() delivers all */
    pthread_mutex_unlock(&runs->lock);
    deliver(runs);
    if (is_stopped)
        end(runs);
}

void runs_close(struct runs *runs, void (*done)(void *user), void *user)
{
    runs->is_closing = true;
    runs->done = done;
    runs->done_user = user;
    runs->has_closer = uv_thread_create(&runs->closer, close_pool, runs) == 0;
    if (!runs->has_closer)
        close_pool(runs);
}

/* ---- opening: a pool whose fork server has the modules, and what tasks these have -------------------------------- */

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
    if (rc < 0)
        return explain(message, rc, "the tasks of modules cannot be listed: %s", pool_message());
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
    runs->options.log(runs->options.user, line);
}

/* Stays mapped: fork servers that are started later write to it, too. */
static volatile int *map_shared(void)
{
    void *page = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

static int open_pool(struct runs *runs, char message[512])
{
    const char *const *paths = runs->options.modules;
    struct modules modules = {.paths = paths, .loading = map_shared()};
    if (modules.loading == NULL)
        return explain(message, -ENOMEM, "%s", strerror(ENOMEM));
    const pool_options_t options = {
        .commands = true,
        .workers = runs->workers,
        .memory_budget = runs->options.memory_budget,
        .on_start = modules_load,
        .on_start_arg = &modules, /* as it is now: also for a fork server that is started later */
        .held = &runs->options.held,
        .held_count = runs->options.held >= 0,
        .log = on_log,
        .log_user = runs,
    };
    pool_error_t error;
    const int rc = pool_open(&runs->pool, &options, &error);
    const int last = *modules.loading;
    /* A fork server that died in on_load, or was left with a thread, could not say in which. */
    if (rc < 0 && last > 0 && strstr(error.message, paths[last - 1]) == NULL)
        snprintf(message, 512, "module %.200s, or its on_load: %s", paths[last - 1], error.message);
    else if (rc < 0)
        snprintf(message, 512, "%s", error.message);
    return rc;
}

/* Everything that can fail before the loop knows of it. */
static int open_all(struct runs *runs, char message[512])
{
    int rc = open_pool(runs, message);
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
    if (runs == NULL)
        return explain(message, -ENOMEM, "%s", strerror(ENOMEM));
    runs->loop = loop;
    runs->options = *options;
    runs->workers = options->workers > 0 ? options->workers : (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    runs->references = 1;
    runs->unref = unref;
    runs->async.data = runs;
    pthread_mutex_init(&runs->lock, NULL);
    TAILQ_INIT(&runs->changed);
    const int rc = open_all(runs, message);
    if (rc < 0) {
        pool_free(runs->pool);
        unref(runs);
        return rc;
    }
    runs->options.modules = NULL; /* the caller's */
    *out = runs;
    return 0;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

int runs_reservation_new(struct runs *runs, const struct spec *spec, uint64_t memory_limit,
                         pool_reservation_t **reservation)
{
    pool_job_options_t options;
    char name[RUN_NAME_SIZE];
    *reservation = NULL;
    run_fill_options(spec, memory_limit, name, &options);
    return pool_reservation_new(runs->pool, &options, reservation);
}

int runs_start(struct runs *runs, uint64_t id, uint32_t attempt, const struct spec *spec, uint64_t memory_limit,
               pool_reservation_t *reservation, char message[512])
{
    if (runs->is_closing) {
        pool_reservation_free(reservation);
        return explain(message, -ESHUTDOWN, "job %" PRIu64 ": nothing is started any more", id);
    }
    struct run *run = run_new(runs, id, spec, reservation);
    if (run == NULL)
        return explain(message, -ENOMEM, "job %" PRIu64 ": %s", id, strerror(ENOMEM));
    outputs_remove(runs->options.outputs, id);
    const int rc = run_submit(run, attempt, spec, memory_limit, message);
    if (rc < 0)
        run_drop(run);
    else
        HASH_ADD(hh, runs->all, id, sizeof run->id, run);
    return rc;
}

int runs_cancel(struct runs *runs, uint64_t id)
{
    struct run *run;
    HASH_FIND(hh, runs->all, &id, sizeof id, run);
    if (run == NULL)
        return -ESRCH;
    pool_job_cancel(run->job); /* where it has settled already its end is on its way here */
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

pool_t *runs_pool(const struct runs *runs)
{
    return runs->pool;
}
