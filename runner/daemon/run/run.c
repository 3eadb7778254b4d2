#include "run.h"

#include "clock.h"
#include "outcome.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_ID  "RECLAIM_JOB_ID="
#define ATTEMPT "RECLAIM_ATTEMPT="

extern char **environ;

/* ---- on the pool's thread ---------------------------------------------------------------------------------------- */

/* Has the loop look at the run; lock held. */
static void report(struct run *run)
{
    struct runs *runs = run->runs;
    if (!run->is_listed)
        TAILQ_INSERT_TAIL(&runs->changed, run, entry);
    run->is_listed = true;
    uv_async_send(&runs->async);
}

static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct run *run = user;
    (void)job;
    pthread_mutex_lock(&run->runs->lock);
    if (event->kind == POOL_EVENT_STARTED) {
        run->change.started = true;
        report(run);
    } else if (event->kind == POOL_EVENT_RETRIED) { /* to make room: its processes are gone, the next have not begun */
        for (int i = 0; i < 2; i++)
            run_output_forget(&run->streams[i].output);
        run->change.restarted = true;
        report(run);
    }
    pthread_mutex_unlock(&run->runs->lock);
}

static void on_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct run *run = user;
    (void)job;
    (void)result;
    pthread_mutex_lock(&run->runs->lock);
    run->change.settled = true;
    report(run);
    pthread_mutex_unlock(&run->runs->lock);
}

/* ---- its pipes --------------------------------------------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct run_stream *stream = poll->data;
    struct run *run = stream->run;
    struct runs *runs = run->runs;
    (void)status;
    (void)events;
    pthread_mutex_lock(&runs->lock);
    const uint64_t before = stream->output.size;
    run_output_read(&stream->output);
    const bool has_more = stream->output.size != before;
    const bool is_over = stream->output.over, has_ended = stream->output.ended;
    pthread_mutex_unlock(&runs->lock);
    if (has_ended)
        uv_poll_stop(poll);
    if (is_over && run->is_limited && !run->is_over) {
        run->is_over = true;
        pool_job_cancel(run->job);
    }
    if (has_more)
        runs->options.on_output(runs->options.user, run->id);
}

static void unref(struct run *run)
{
    if (--run->references > 0)
        return;
    run->runs->unref(run->runs);
    free(run);
}

static void on_handle_closed(uv_handle_t *handle)
{
    unref(((struct run_stream *)handle->data)->run);
}

void run_drop(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].is_polled)
            uv_close((uv_handle_t *)&run->streams[i].poll, on_handle_closed);
        run_output_close(&run->streams[i].output);
    }
    pool_reservation_free(run->reservation);
    pool_job_release(run->job);
    unref(run);
}

static int open_stream(struct run *run, enum output_kind which, uint64_t most)
{
    struct run_stream *stream = &run->streams[which];
    stream->run = run;
    int rc = run_output_open(&stream->output, run->runs->options.outputs, run->id, which, most);
    if (rc < 0)
        return rc;
    stream->poll.data = stream;
    rc = uv_poll_init(run->runs->loop, &stream->poll, stream->output.from);
    if (rc < 0)
        return rc;
    stream->is_polled = true;
    run->references++;
    return uv_poll_start(&stream->poll, UV_READABLE, on_readable);
}

struct run *run_new(struct runs *runs, uint64_t id, const struct spec *spec, pool_reservation_t *reservation)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        pool_reservation_free(reservation);
        return NULL;
    }
    run->runs = runs;
    run->id = id;
    run->references = 1;
    run->reservation = reservation;
    run->is_limited = spec_has(spec, SPEC_SETTINGS + SETTING_OUTPUT_LIMIT);
    run->output_limit = spec->settings.output_limit;
    for (int i = 0; i < 2; i++)
        run->streams[i].output.from = run->streams[i].output.for_job = run->streams[i].output.file = -1;
    runs->references++;
    return run;
}

/* ---- to the pool ------------------------------------------------------------------------------------------------- */

void run_fill_options(const struct spec *spec, uint64_t memory_limit, char name[RUN_NAME_SIZE],
                      pool_job_options_t *options)
{
    snprintf(name, RUN_NAME_SIZE, "%.*s", (int)spec->name.size, spec->name.data);
    *options = (pool_job_options_t){.name = name};
    spec_to_options(spec, options);
    options->output_limit = 0; /* the pool captures nothing */
    if (spec->settings.memory > 0 && memory_limit > (uint64_t)spec->settings.memory)
        options->memory_expected = (int64_t)memory_limit; /* it has shown that it needs more than it had */
    options->memory_limit = (int64_t)memory_limit;
}

/* The submit that comes now takes it. */
static void hand_over_reservation(struct run *run, pool_job_options_t *options)
{
    options->reservation = run->reservation;
    run->reservation = NULL;
}

/* An array of str, each with a NUL, and NULL behind them: one block, for free(3). NULL: no memory. */
static char **copy_texts(const msgpack_object *array)
{
    const msgpack_object_array *from = &array->via.array;
    size_t size = ((size_t)from->size + 1) * sizeof(char *);
    for (uint32_t i = 0; i < from->size; i++)
        size += (size_t)from->ptr[i].via.str.size + 1;
    char **texts = calloc(1, size);
    if (texts == NULL)
        return NULL;
    char *at = (char *)(texts + from->size + 1);
    for (uint32_t i = 0; i < from->size; i++) {
        texts[i] = at;
        at = (char *)mempcpy(at, from->ptr[i].via.str.ptr, from->ptr[i].via.str.size) + 1;
    }
    return texts;
}

/* The entries (*borrowed*) and our two; those of an outer job do not stay beside ours. NULL: no memory. */
static const char **make_environment(char *const *entries, const char *job_id, const char *attempt)
{
    size_t count = 0, kept = 0;
    while (entries != NULL && entries[count] != NULL)
        count++;
    const char **envp = calloc(count + 3, sizeof *envp);
    if (envp == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(entries[i], JOB_ID, strlen(JOB_ID)) != 0 && strncmp(entries[i], ATTEMPT, strlen(ATTEMPT)) != 0)
            envp[kept++] = entries[i];
    envp[kept++] = job_id;
    envp[kept] = attempt;
    return envp;
}

static int submit_command(struct run *run, uint32_t attempt, const struct spec *spec, pool_job_options_t *options)
{
    char job_id[40], attempt_entry[40];
    char **argv = copy_texts(spec->command), **env = spec->env != NULL ? copy_texts(spec->env) : environ;
    char *cwd = spec->cwd.size > 0 ? strndup(spec->cwd.data, spec->cwd.size) : strdup("/");
    const char **envp = make_environment(env, job_id, attempt_entry);
    snprintf(job_id, sizeof job_id, JOB_ID "%" PRIu64, run->id);
    snprintf(attempt_entry, sizeof attempt_entry, ATTEMPT "%" PRIu32, attempt);
    int rc = -ENOMEM;
    if (argv != NULL && (env != NULL || spec->env == NULL) && cwd != NULL && envp != NULL) {
        const pool_command_t command = {
            .argv = (const char *const *)argv,
            .envp = envp,
            .cwd = cwd,
            .stdin_mode = spec_has(spec, SPEC_STDIN) ? POOL_STDIN_BYTES : POOL_STDIN_NULL,
            .stdin_bytes = {spec->stdin_bytes.data, spec->stdin_bytes.size},
            .stdout_mode = POOL_STREAM_FD,
            .stderr_mode = POOL_STREAM_FD,
            .stdout_fd = run->streams[0].output.for_job,
            .stderr_fd = run->streams[1].output.for_job,
        };
        hand_over_reservation(run, options);
        rc = pool_submit_command(run->runs->pool, &command, options, &run->job);
    }
    free(argv);
    if (spec->env != NULL)
        free(env);
    free(cwd);
    free(envp);
    return rc;
}

static int submit_task(struct run *run, uint32_t attempt, const struct spec *spec, const pool_job_options_t *common)
{
    const int fds[] = {run->streams[0].output.for_job, run->streams[1].output.for_job};
    pool_job_options_t options = *common;
    msgpack_sbuffer argument;
    msgpack_sbuffer_init(&argument);
    options.fds = fds;
    options.fd_count = 2;
    options.output = POOL_OUTPUT_DISCARD; /* until modules_run has put the pipes in their places */
    int rc = modules_pack(run->id, attempt, spec, &argument);
    if (rc == 0) {
        hand_over_reservation(run, &options);
        rc = pool_submit(run->runs->pool, modules_run, argument.data, argument.size, &options, &run->job);
    }
    msgpack_sbuffer_destroy(&argument);
    return rc;
}

static int submit(struct run *run, uint32_t attempt, const struct spec *spec, uint64_t memory_limit, char message[512])
{
    pool_job_options_t options;
    char name[RUN_NAME_SIZE];
    run_fill_options(spec, memory_limit, name, &options);
    options.on_event = on_event;
    options.on_settled = on_settled;
    options.user = run;
    const int rc = spec->command != NULL ? submit_command(run, attempt, spec, &options)
                                         : submit_task(run, attempt, spec, &options);
    if (rc < 0)
        snprintf(message, 512, "job %" PRIu64 ": %s", run->id, rc == -ENOMEM ? strerror(ENOMEM) : pool_message());
    return rc;
}

static int open_streams(struct run *run, char message[512])
{
    const struct runs_options *options = &run->runs->options;
    const uint64_t most = run->is_limited ? (uint64_t)run->output_limit : options->output_max;
    int rc = open_stream(run, OUTPUT_STDOUT, most);
    if (rc == 0)
        rc = open_stream(run, OUTPUT_STDERR, most);
    if (rc < 0)
        snprintf(message, 512,
                 "job %" PRIu64 ": there can be no pipes for its output: %s; raise the limit on open "
                 "files (ulimit -n) where that is the reason",
                 run->id, strerror(-rc));
    return rc;
}

int run_submit(struct run *run, uint32_t attempt, const struct spec *spec, uint64_t memory_limit, char message[512])
{
    int rc = open_streams(run, message);
    if (rc == 0)
        rc = submit(run, attempt, spec, memory_limit, message);
    for (int i = 0; rc == 0 && i < 2; i++)
        run_output_handed_over(&run->streams[i].output);
    return rc;
}

/* ---- its end ----------------------------------------------------------------------------------------------------- */

/* A task's code may be any number; what no exit status can hold is not to be cut down to a success. */
static int exit_code(const pool_result_t *result)
{
    const int code = outcome_exit_code(result);
    return code < 0 || code > UINT8_MAX ? 1 : code;
}

static void fill_end(const pool_result_t *result, struct record_end *end)
{
    const pool_usage_t *usage = &result->usage;
    *end = (struct record_end){
        .cause = (int32_t)result->cause,
        .code = result->code,
        .signal = result->signal,
        .exit_code = exit_code(result),
        .started_at = usage->started,
        .ended_at = usage->ended > 0 ? usage->ended : clock_now(), /* it never started */
        .wall_seconds = usage->wall_seconds,
        .user_seconds = usage->user_seconds,
        .system_seconds = usage->system_seconds,
        .peak_memory = usage->peak_memory,
        .memory_limit = usage->memory_limit,
        .memory_method = (int32_t)usage->memory_method,
        .processes = usage->processes,
        .killed_processes = usage->processes_killed,
        .unkillable = usage->unkillable,
        .result_size = result->size,
    };
    snprintf(end->message, sizeof end->message, "%s", result->message);
}

void run_describe(const struct run *run, struct record_end *end)
{
    const struct run_output *out = &run->streams[0].output, *err = &run->streams[1].output;
    const pool_result_t *result = pool_job_result(run->job);
    const bool is_over = run->is_over || out->over || err->over;
    char message[128];
    if (run->is_limited && is_over) {
        const pool_result_t over = outcome_over_output(result, run->output_limit, message, sizeof message);
        fill_end(&over, end);
        end->result_size = 0; /* a run that was ended has no value */
    } else
        fill_end(result, end);
    end->stdout_size = out->size;
    end->stderr_size = err->size;
    end->truncated = is_over || out->error < 0 || err->error < 0;
}
