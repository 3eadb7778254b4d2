/* runs_open.c - a pool whose fork server has the modules, and what tasks these have. */
#include "runs_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Stays mapped: fork servers that are started later write to it, too. */
static volatile int *map_shared(void)
{
    void *page = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

static int open_pool(struct runs *runs, const char *const *paths, char message[512])
{
    struct modules modules = {.paths = paths, .loading = map_shared()};
    if (modules.loading == NULL) {
        snprintf(message, 512, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    const pool_options_t options = {
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
    pool_memory_t memory;
    const int rc = pool_open(&runs->pool, &options, &error);
    const int last = *modules.loading;
    /* A fork server that died in on_load, or was left with a thread, could not say in which. */
    if (rc < 0 && last > 0 && strstr(error.message, paths[last - 1]) == NULL)
        snprintf(message, 512, "module %.200s, or its on_load: %s", paths[last - 1], error.message);
    else if (rc < 0)
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
    if (rc == 0 && (rc = uv_async_init(runs->loop, &runs->async, runs_on_async)) < 0)
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
