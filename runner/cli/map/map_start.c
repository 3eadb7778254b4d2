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

/* For one more job. */
static bool has_room(const struct map *map)
{
    return !map->stopping && map->running < (size_t)map->options.jobs && map->held - map->running <= map->ahead;
}

void map_say_bad_input(struct map *map, int rc)
{
    const unsigned long long number = map->options.inputs.number;
    if (rc == -E2BIG)
        map_say(map, "input %llu is longer than an argument may be (%d bytes)", number, INPUTS_VALUE_MOST);
    else if (rc == -EILSEQ)
        map_say(map, "input %llu has a NUL in its line: inputs that end in a NUL need --null", number);
    else
        map_say(map, "the inputs cannot be read: %s", strerror(-rc));
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

static void say_unstarted(struct map *map, const struct map_job *job, int rc, bool by_pool)
{
    const unsigned long long number = job->seq;
    if (rc == -E2BIG && !by_pool)
        map_say(map, "input %llu makes a command that is longer than the system takes (an argument: %d bytes)", number,
                INPUTS_VALUE_MOST);
    else
        map_say(map, "input %llu cannot be started: %s", number, by_pool ? pool_message() : strerror(-rc));
}

/* Whether it is in the pool; else it has been printed, which is all that was asked for, or the map fails. */
static bool submit(struct map *map, struct map_job *job)
{
    bool by_pool = false;
    int rc = map_job_place(job, &map->options, take_slot(map));
    if (rc == 0 && map->options.dry_run) {
        print_command(map, job);
        return false;
    }
    if (rc == 0 && map_begin_files(map) < 0) {
        map_fail(map, MAP_OWN_FAILURE);
        return false;
    }
    if (rc == 0)
        rc = map_job_submit(job, &map->options, map->pool, map->outlets, timeout_ms(map), &by_pool);
    if (rc < 0) {
        say_unstarted(map, job, rc, by_pool);
        map_fail(map, MAP_OWN_FAILURE);
    }
    return rc == 0;
}

static void start_job(struct map *map, struct map_job *job)
{
    if (!submit(map, job)) {
        map->slots[job->slot - 1] = false;
        map_job_free(job);
        return;
    }
    TAILQ_INSERT_TAIL(&map->jobs, job, entry);
    map->held++;
    map->running++;
    map->next_start = map_now() + (double)map->options.delay_ms / 1000;
}

/* The job of the next input; NULL: there is none now. */
static struct map_job *read_job(struct map *map)
{
    const char *const *values;
    struct map_job *job = NULL;
    int rc = inputs_next(&map->options.inputs, &values);
    map->wants_input = rc == -EAGAIN;
    if (rc == 0 || rc == -EAGAIN)
        return NULL;
    if (rc < 0) {
        map_say_bad_input(map, rc);
        map_fail(map, MAP_OWN_FAILURE);
        return NULL;
    }
    rc = map_job_new(&job, &map->options, values, map->options.inputs.count, ++map->seq);
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
        struct map_job *job = read_job(map);
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

void map_start_ready(struct map *map)
{
    map->wants_input = map->waits_to_start = false;
    while (has_room(map) && find_next(map)) {
        map->waits_to_start = map_now() < map->next_start;
        if (map->waits_to_start)
            return;
        struct map_job *job = map->next;
        map->next = NULL;
        start_job(map, job);
    }
}
