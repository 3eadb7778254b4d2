/* verb_map.c - `reclaim map`: one command for many inputs. The loop that waits for inputs, output, signals and the
 * pool. */
#include "map_state.h"
#include "program.h"
#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIME_CHECK_MS 100 /* for --timeout 200%, and ends in doubt */

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static void draw_progress(struct map *map, double now)
{
    pool_memory_t memory = {0};
    if (map->pool != NULL)
        pool_memory(map->pool, &memory);
    const struct progress progress = {.done = map->counts.done,
                                      .total = map_total_jobs(map),
                                      .failed = map->counts.failed,
                                      .running = map->running,
                                      .memory = memory.workers,
                                      .budget = memory.budget,
                                      .seconds = now - map->started};
    progress_view_draw(&map->view, &progress, now);
}

static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Milliseconds; -1: for ever. */
static int waiting_time(const struct map *map)
{
    const double now = map_now();
    int wait = map->running > 0 ? progress_view_due(&map->view, now) : -1;
    if (map->waits_to_start)
        wait = sooner(wait, map->next_start > now ? (int)((map->next_start - now) * 1000) + 1 : 0);
    if ((map->running > 0 && map->options.timeout_percent > 0) || map->doubtful > 0)
        wait = sooner(wait, TIME_CHECK_MS);
    return wait;
}

static int make_room(struct map *map)
{
    const size_t needed = 3 + 2 * map->held;
    if (needed <= map->fds_capacity)
        return 0;
    struct pollfd *fds = realloc(map->fds, 2 * needed * sizeof *fds);
    if (fds != NULL)
        map->fds = fds;
    struct map_job **readers = realloc(map->readers, 2 * needed * sizeof(struct map_job *));
    if (readers != NULL)
        map->readers = readers;
    if (fds == NULL || readers == NULL)
        return -ENOMEM;
    map->fds_capacity = 2 * needed;
    return 0;
}

/* The descriptors to poll: pool, signals, inputs, and two for each running job. */
static size_t list_fds(struct map *map)
{
    size_t count = 3;
    struct map_job *job;
    map->fds[0] = (struct pollfd){.fd = map->pool != NULL ? pool_fd(map->pool) : -1, .events = POLLIN};
    map->fds[1] = (struct pollfd){.fd = map->signals, .events = POLLIN};
    map->fds[2] =
        (struct pollfd){.fd = map->wants_input && !map->stopping ? map->options.inputs.fd : -1, .events = POLLIN};
    TAILQ_FOREACH(job, &map->jobs, entry)
        for (int i = 0; i < 2 && !job->settled; i++) {
            map->readers[count] = job;
            map->fds[count++] = (struct pollfd){.fd = map_job_fd(job, i), .events = POLLIN};
        }
    return count;
}

static void read_job(struct map *map, struct map_job *job, int i)
{
    const struct job_stream *stream = &job->streams[i];
    if (stream->live)
        progress_view_clear(&map->view);
    if (!map_job_read(job, i))
        map_job_cancel(job);
    if (stream->live && stream->error < 0)
        map_stop_for_output(map, job, stream->error);
}

static void wait_for_events(struct map *map)
{
    if (make_room(map) < 0) {
        map_say(map, "%s", strerror(ENOMEM));
        map->code = MAP_OWN_FAILURE;
        map_kill_all(map);
        pool_close(map->pool, POOL_CLOSE_KILL);
        map_collect(map);
        return;
    }
    const size_t count = list_fds(map);
    if (poll(map->fds, count, waiting_time(map)) > 0) {
        if (map->fds[1].revents != 0)
            map_handle_signals(map);
        if (map->fds[2].revents != 0) {
            const int rc = inputs_fill(&map->options.inputs);
            if (rc < 0) {
                map_say(map, "the inputs cannot be read: %s", strerror(-rc));
                map_fail(map, MAP_OWN_FAILURE);
            }
        }
        for (size_t i = 3; i < count; i++)
            if (map->fds[i].revents != 0)
                read_job(map, map->readers[i], (int)(i - 3) % 2);
        if (map->fds[0].revents != 0)
            map_collect(map);
    }
}

static void check_times(struct map *map)
{
    struct map_job *job;
    const double seconds = map_timeout_seconds(map), now = map_now();
    if (seconds > 0)
        TAILQ_FOREACH(job, &map->jobs, entry)
            map_job_check_time(job, now, seconds);
}

static void loop(struct map *map)
{
    for (;;) {
        map_judge_doubtful(map);
        map_give_turns(map); /* first: jobs that wait for their turn keep others from starting */
        if (map_start_ready(map))
            continue;
        if (map->held == 0 && (map->stopping || (map->options.inputs.ended && map->next == NULL)))
            return;
        if (progress_view_due(&map->view, map_now()) == 0)
            draw_progress(map, map_now());
        wait_for_events(map);
        check_times(map);
    }
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Whether every input has had its job. */
static bool is_complete(const struct map *map)
{
    const struct inputs *inputs = &map->options.inputs;
    return !map->withdrew && map->next == NULL && (inputs->ended || (inputs->total > 0 && map->seq >= inputs->total));
}

static int exit_code(const struct map *map)
{
    if (map->code >= 0)
        return map->code;
    if (map->interrupted && !is_complete(map))
        return MAP_OWN_FAILURE;
    const struct halt_counts counts = {map->counts.failed, map->counts.done, map_total_jobs(map)};
    return halt_end_code(&map->options.halt, &counts);
}

/* For a stream whose last output is lost. */
static void end_without(struct map *map, const char *stream, int error)
{
    if (error != -EPIPE && !map->lost_output)
        map_say(map, "standard %s: %s", stream, strerror(-error));
    if (map->code < 0)
        map->code = error == -EPIPE ? MAP_BROKEN_PIPE : MAP_OWN_FAILURE;
}

static void end(struct map *map)
{
    if (map->code < 0 && map_begin_files(map) < 0)
        map->code = MAP_OWN_FAILURE;
    progress_view_clear(&map->view);
    if (map->view.style == PROGRESS_LINES)
        draw_progress(map, map_now());
    for (int i = 0; i < 2; i++)
        if (outlet_flush(&map->outlets[i]) < 0)
            end_without(map, i == 0 ? "output" : "error", map->outlets[i].error);
    if (map->options.verbose && !map->options.dry_run)
        summary_print(&map->summary, map_now() - map->started, stderr);
}

static void deinit(struct map *map)
{
    map_job_free(map->next);
    pool_free(map->pool);
    joblog_close(&map->joblog);
    resume_deinit(&map->resume);
    if (map->report != NULL)
        fclose(map->report);
    if (map->signals >= 0)
        close(map->signals);
    for (int i = 0; i < 2; i++)
        outlet_deinit(&map->outlets[i]);
    map_options_deinit(&map->options);
    free(map->slots);
    free(map->fds);
    free(map->readers);
}

static int run_map(struct map *map)
{
    map->slots = calloc((size_t)map->options.jobs, sizeof *map->slots);
    if (map->slots == NULL) {
        map_say(map, "%s", strerror(ENOMEM));
        return MAP_OWN_FAILURE;
    }
    if (map_open_all(map) < 0 || map_begin(map) < 0)
        return MAP_OWN_FAILURE;
    map->started = map_now();
    loop(map);
    end(map);
    return exit_code(map);
}

int map_main(int argc, char **argv)
{
    static struct map map = {.signals = -1, .code = -1, .joblog = {.fd = -1}};
    TAILQ_INIT(&map.jobs);
    for (int i = 0; i < 2; i++) {
        const int fd = i == 0 ? STDOUT_FILENO : STDERR_FILENO;
        map.outlets[i] = (struct outlet){.fd = fd, .wakes = -1, .error = program_lacks_stream(fd) ? -EBADF : 0};
    }
    const int rc = map_options_read(&map.options, argc, argv);
    const int code = rc < 0 ? (rc == -2 ? 0 : MAP_OWN_FAILURE) : run_map(&map);
    deinit(&map);
    return code;
}
