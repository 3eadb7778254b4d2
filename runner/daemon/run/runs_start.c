/* runs_start.c - from a specification to a job of the pool's, and what its pipes bring while it runs. */
#include "runs_command.h"
#include "runs_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- on the pool's thread ---------------------------------------------------------------------------------------- */

static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct run *run = user;
    (void)job;
    pthread_mutex_lock(&run->runs->lock);
    if (event->kind == POOL_EVENT_STARTED) {
        run->news.started = true;
        runs_list(run->runs, run);
    } else if (event->kind == POOL_EVENT_RETRIED) { /* to make room: its processes are gone, the next have not begun */
        for (int i = 0; i < 2; i++)
            runs_output_forget(&run->streams[i].output);
        run->news.anew = true;
        runs_list(run->runs, run);
    }
    pthread_mutex_unlock(&run->runs->lock);
}

static void on_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    struct run *run = user;
    (void)job;
    (void)result;
    pthread_mutex_lock(&run->runs->lock);
    run->news.settled = true;
    runs_list(run->runs, run);
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
    runs_output_read(&stream->output);
    const bool has_more = stream->output.size != before;
    const bool is_over = stream->output.over, has_ended = stream->output.ended;
    pthread_mutex_unlock(&runs->lock);
    if (has_ended)
        uv_poll_stop(poll);
    if (is_over && run->is_limited && !run->is_over) {
        run->is_over = true;
        pool_job_cancel(run->job);
    }
    if (has_more && runs->options.on_output != NULL)
        runs->options.on_output(runs->options.user, run->id);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct run *run = ((struct run_stream *)handle->data)->run;
    if (--run->handles == 0) {
        runs_unref(run->runs);
        free(run);
    }
}

void run_drop(struct run *run)
{
    const bool has_handles = run->handles > 0;
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].is_polled)
            uv_close((uv_handle_t *)&run->streams[i].poll, on_handle_closed);
        runs_output_close(&run->streams[i].output);
    }
    pool_reservation_free(run->reservation);
    pool_job_release(run->job);
    if (!has_handles) {
        runs_unref(run->runs);
        free(run);
    }
}

static int open_stream(struct run *run, int which, uint64_t most)
{
    static const enum output_kind kinds[] = {OUTPUT_STDOUT, OUTPUT_STDERR};
    struct run_stream *stream = &run->streams[which];
    stream->run = run;
    int rc = runs_output_open(&stream->output, run->runs->options.outputs, run->id, kinds[which], most);
    if (rc < 0)
        return rc;
    stream->poll.data = stream;
    rc = uv_poll_init(run->runs->loop, &stream->poll, stream->output.from);
    if (rc < 0)
        return rc;
    stream->is_polled = true;
    run->handles++;
    return uv_poll_start(&stream->poll, UV_READABLE, on_readable);
}

/* reservation is *taken*, in case of failure, too. */
static struct run *run_new(struct runs *runs, uint64_t id, const struct spec *spec, pool_reservation_t *reservation)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        pool_reservation_free(reservation);
        return NULL;
    }
    run->runs = runs;
    run->id = id;
    run->reservation = reservation;
    run->is_limited = spec_has(spec, SPEC_SETTINGS + SETTING_OUTPUT_LIMIT);
    run->output_limit = spec->settings.output_limit;
    for (int i = 0; i < 2; i++)
        run->streams[i].output.from = run->streams[i].output.for_job = run->streams[i].output.file = -1;
    runs->references++;
    return run;
}

/* ---- to the pool ------------------------------------------------------------------------------------------------- */

static void fill_options(struct run *run, const struct spec *spec, uint64_t memory_limit, const char *name,
                         pool_job_options_t *options)
{
    *options = (pool_job_options_t){.name = name, .on_event = on_event, .on_settled = on_settled, .user = run};
    spec_to_options(spec, options);
    options->output_limit = 0; /* the pool captures nothing */
    if (spec->settings.memory > 0 && memory_limit > (uint64_t)spec->settings.memory)
        options->memory_expected = (int64_t)memory_limit; /* it has shown that it needs more than it had */
    options->memory_limit = (int64_t)memory_limit;
}

int runs_reservation_new(struct runs *runs, const struct spec *spec, uint64_t memory_limit,
                         pool_reservation_t **reservation)
{
    pool_job_options_t options;
    char *name = strndup(spec->name.data, spec->name.size);
    *reservation = NULL;
    if (name == NULL)
        return -ENOMEM;
    fill_options(NULL, spec, memory_limit, name, &options);
    const int rc = pool_reservation_new(runs->pool, &options, reservation);
    free(name);
    return rc;
}

/* The submit that comes now takes it. */
static void hand_over_reservation(struct run *run, pool_job_options_t *options)
{
    options->reservation = run->reservation;
    run->reservation = NULL;
}

static int submit_command(struct run *run, uint32_t attempt, const struct spec *spec, pool_job_options_t *options)
{
    struct runs_command made;
    int rc = runs_command_make(&made, spec, run->id, attempt);
    if (rc < 0)
        return rc;
    made.command.stdout_mode = made.command.stderr_mode = POOL_STREAM_FD;
    made.command.stdout_fd = run->streams[0].output.for_job;
    made.command.stderr_fd = run->streams[1].output.for_job;
    hand_over_reservation(run, options);
    rc = pool_submit_command(run->runs->pool, &made.command, options, &run->job);
    runs_command_free(&made);
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
    const struct modules_call made = {.job = run->id,
                                      .attempt = attempt,
                                      .task = spec->task,
                                      .argument = spec_has(spec, SPEC_ARGUMENT) ? spec->argument : NULL};
    int rc = modules_pack(&made, &argument);
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
    char *name = strndup(spec->name.data, spec->name.size);
    if (name == NULL) {
        snprintf(message, 512, "job %" PRIu64 ": %s", run->id, strerror(ENOMEM));
        return -ENOMEM;
    }
    fill_options(run, spec, memory_limit, name, &options);
    const int rc = spec->command != NULL ? submit_command(run, attempt, spec, &options)
                                         : submit_task(run, attempt, spec, &options);
    free(name);
    if (rc < 0)
        snprintf(message, 512, "job %" PRIu64 ": %s", run->id, rc == -ENOMEM ? strerror(ENOMEM) : pool_message());
    return rc;
}

static int open_streams(struct run *run, char message[512])
{
    const struct runs_options *options = &run->runs->options;
    const uint64_t most = run->is_limited ? (uint64_t)run->output_limit : options->output_max;
    int rc = open_stream(run, 0, most);
    if (rc == 0)
        rc = open_stream(run, 1, most);
    if (rc < 0)
        snprintf(message, 512,
                 "job %" PRIu64 ": there can be no pipes for its output: %s; raise the limit on open "
                 "files (ulimit -n) where that is the reason",
                 run->id, strerror(-rc));
    return rc;
}

int runs_start(struct runs *runs, uint64_t id, uint32_t attempt, const struct spec *spec, uint64_t memory_limit,
               pool_reservation_t *reservation, char message[512])
{
    if (runs->is_closing) {
        pool_reservation_free(reservation);
        snprintf(message, 512, "job %" PRIu64 ": nothing is started any more", id);
        return -ESHUTDOWN;
    }
    struct run *run = run_new(runs, id, spec, reservation);
    if (run == NULL) {
        snprintf(message, 512, "job %" PRIu64 ": %s", id, strerror(ENOMEM));
        return -ENOMEM;
    }
    outputs_remove(runs->options.outputs, id);
    int rc = open_streams(run, message);
    if (rc == 0)
        rc = submit(run, attempt, spec, memory_limit, message);
    if (rc < 0) {
        run_drop(run);
        return rc;
    }
    for (int i = 0; i < 2; i++)
        runs_output_handed_over(&run->streams[i].output);
    HASH_ADD(hh, runs->all, id, sizeof run->id, run);
    return 0;
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
