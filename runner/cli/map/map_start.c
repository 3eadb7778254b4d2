/* map_start.c - from the next input to a job in the pool. */
#include "map_state.h"
#include "quote.h"

#include <errno.h>
#include <string.h>

static uint32_t take_slot(struct map *map)
{
    uint32_t slot = 0;
    while (map->slots[slot])
        slot++;
    map->slots[slot] = true;
    return slot + 1;
}

/* For one more job. With --halt an end that is in doubt may be the one that stops the batch. */
static bool has_room(const struct map *map)
{
    if (map->doubtful > 0 && map->options.halt.when != HALT_NEVER)
        return false;
    return !map->stopping && map->running < (size_t)map->options.jobs && map->held - map->running <= map->ahead;
}

static void print_command(struct map *map, const struct map_job *job)
{
    struct text line = {0};
    if (map->options.shell)
        text_puts(&line, job->argv[2]);
    else
        quote_command(&line, job->argv);
    text_puts(&line, "\n");
    if (outlet_put(&map->outlets[0], line.data, line.size) < 0)
        map_stop_for_output(map, job, map->outlets[0].error);
    text_deinit(&line);
}

static int64_t timeout_ms(const struct map *map)
{
    const double seconds = map_timeout_seconds(map);
    return seconds <= 0 ? 0 : seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
}

/* A dry run: prints its command, or why it would be refused. */
static void show(struct map *map, const struct map_job *job)
{
    if (!job->refused) {
        print_command(map, job);
        return;
    }
    map_say(map, "%.200s: %s", job->command.data, job->message);
    map->counts.done++;
    map->counts.failed++;
}

/* Into the pool, or its end where it is refused. -1 after it has said why neither. */
static int submit(struct map *map, struct map_job *job)
{
    bool by_pool;
    if (map_begin_files(map) < 0)
        return -1;
    const int rc = map_job_submit(job, &map->options, map->pool, map->outlets, timeout_ms(map), &by_pool);
    if (rc < 0)
        map_say(map, "input %llu cannot be started: %s", (unsigned long long)job->seq,
                by_pool ? pool_message() : strerror(-rc));
    return rc < 0 ? -1 : 0;
}

/* Takes it into the list, whose other end is finish_job() in map_settle.c. */
static void take_in(struct map *map, struct map_job *job)
{
    TAILQ_INSERT_TAIL(&map->jobs, job, entry);
    map->held++;
    if (job->settled) {
        map->slots[job->slot - 1] = false;
        map_judge(map, job);
        return;
    }
    map->running++;
    map->next_start = map_now() + (double)map->options.delay_ms / 1000;
}

/* Whether it has ended already. */
static bool start_job(struct map *map, struct map_job *job)
{
    int rc = map_job_place(job, &map->options, take_slot(map));
    if (rc < 0)
        map_say(map, "input %llu: %s", (unsigned long long)job->seq, strerror(-rc));
    else if (map->options.dry_run)
        show(map, job);
    else
        rc = submit(map, job);
    if (rc >= 0 && !map->options.dry_run) {
        take_in(map, job);
        return job->settled;
    }
    map->slots[job->slot - 1] = false;
    map_job_free(job);
    if (rc < 0)
        map_fail(map, MAP_OWN_FAILURE);
    return false;
}

/* The job of the next input; NULL: there is none now. */
static struct map_job *make_job(struct map *map)
{
    const char *const *values;
    struct map_job *job = NULL;
    int rc = inputs_next(&map->options.inputs, &values);
    map->wants_input = rc == -EAGAIN;
    if (rc == 0 || rc == -EAGAIN)
        return NULL;
    if (rc == 1)
        rc = map_job_new(&job, &map->options, values, ++map->seq);
    if (rc < 0) {
        map_say(map, "input %llu: %s", (unsigned long long)map->seq, strerror(-rc));
        map_fail(map, MAP_OWN_FAILURE);
    }
    return job;
}

/* Makes map->next of the next input that is to run; false: there is none now. */
static bool find_next(struct map *map)
{
    while (map->next == NULL) {
        struct map_job *job = make_job(map);
        if (job == NULL)
            return false;
        if (resume_take(&map->resume, job->command.data, job->command.size, map->options.resume_failed,
                        &job->earlier)) {
            map->summary.skipped++;
            map_job_free(job);
        } else
            map->next = job;
    }
    return true;
}

bool map_start_ready(struct map *map)
{
    bool ended = false;
    map->wants_input = map->waits_to_start = false;
    while (has_room(map) && find_next(map)) {
        map->waits_to_start = map_now() < map->next_start;
        if (map->waits_to_start)
            break;
        struct map_job *job = map->next;
        map->next = NULL;
        ended = start_job(map, job) || ended;
    }
    return ended;
}
