/* map_jobs.c - a map's jobs: from the next input into the pool, and from their end to their output and their row. */
#include "map_state.h"
#include "outcome.h"
#include "quote.h"
#include "report.h"

#include <errno.h>
#include <string.h>

/* If every process of a tree is told to stop, the pool may report a job's death before our own signal arrives. For so
 * long the job is not said to have failed; nothing but its own row and turn waits. */
#define DOUBT_SECONDS 0.5

/* ---- the end of a job -------------------------------------------------------------------------------------------- */

uint64_t map_total_jobs(const struct map *map)
{
    const uint64_t total = map->options.inputs.ended ? map->seq : map->options.inputs.total;
    return total > map->summary.skipped ? total - map->summary.skipped : 0;
}

double map_timeout_seconds(const struct map *map)
{
    if (map->options.timeout_percent <= 0)
        return (double)map->options.limits.job.timeout_ms / 1000;
    return median_of(&map->median) * map->options.timeout_percent / 100;
}

static void check_halt(struct map *map, const struct map_job *job, bool failed)
{
    const struct halt *halt = &map->options.halt;
    map->counts.total = map_total_jobs(map);
    if (map->code >= 0 || !halt_reached(halt, &map->counts, failed))
        return;
    const bool timed_out = job->result.cause == POOL_CAUSE_TIMEOUT; /* -1 to GNU parallel */
    map->code = halt_exit_code(halt, &map->counts, timed_out ? MAP_OWN_FAILURE : outcome_exit_code(&job->result));
    map_say(map, "this job %s, and --halt says to stop%s: %.200s",
            halt->what == HALT_FAIL      ? "failed"
            : halt->what == HALT_SUCCESS ? "succeeded"
                                         : "finished",
            halt->when == HALT_NOW ? " now" : " soon", job->command.data);
    if (halt->when == HALT_NOW)
        map_kill_all(map);
    else
        map_stop_starting(map);
}

/* Whether our stop ended it: then it counts neither as done nor as failed. */
static bool is_withdrawn(const struct map_job *job)
{
    return job->result.cause == POOL_CAUSE_CANCELLED;
}

/* Jobs are told apart by their inputs: the command is the same for all. */
static void summarize(struct map *map, const struct map_job *job)
{
    struct text inputs = {0};
    quote_line(&inputs, job->tag.data, job->tag.size);
    summary_add(&map->summary, inputs.failed ? "" : inputs.data, &job->result);
    text_deinit(&inputs);
}

/* Counts a job's end, and applies --halt. */
static void judge(struct map *map, struct map_job *job)
{
    if (map->interrupted && outcome_stop_signal(&job->result) != 0)
        job->result = outcome_withdrawn(&job->result);
    if (outcome_is_ours(&job->result))
        map_say(map, "%.200s: %s", job->command.data, job->result.message);
    map->withdrew = map->withdrew || is_withdrawn(job);
    if (is_withdrawn(job) && job->result.usage.attempt == 0)
        return; /* it never ran */
    summarize(map, job);
    if (is_withdrawn(job))
        return;
    const bool failed = job->result.outcome != POOL_DONE;
    map->counts.done++;
    map->counts.failed += failed;
    if (!failed)
        median_add(&map->median, job->result.usage.wall_seconds);
    check_halt(map, job, failed);
}

static void settle(struct map *map, struct map_job *job)
{
    map_job_end(job, &map->options, map_timeout_seconds(map));
    map->slots[job->slot - 1] = false;
    map->running--;
    if (outcome_stop_signal(&job->result) != 0)
        map_handle_signals(map); /* the same signal may have come to us */
    if (outcome_stop_signal(&job->result) == 0 || map->interrupted) {
        judge(map, job);
        return;
    }
    job->doubtful_until = map_now() + DOUBT_SECONDS;
    map->doubtful++;
}

void map_judge_doubtful(struct map *map)
{
    struct map_job *job;
    const double now = map_now();
    TAILQ_FOREACH(job, &map->jobs, entry)
        if (job->doubtful_until > 0 && (map->interrupted || now >= job->doubtful_until)) {
            job->doubtful_until = 0;
            map->doubtful--;
            judge(map, job);
        }
}

static int log_job(struct map *map, const struct map_job *job)
{
    const pool_usage_t *usage = &job->result.usage;
    const char *method = pool_memory_method_name(usage->memory_method), *outcome = outcome_word(&job->result);
    struct joblog_row row = {
        .seq = job->seq,
        .started = usage->started,
        .seconds = usage->wall_seconds,
        .received = (uint64_t)job->streams[0].relay.passed,
        .command = job->command.data,
        .command_size = job->command.size,
        .peak_memory = usage->memory_method == POOL_MEMORY_UNMEASURED ? -1 : (int64_t)usage->peak_memory,
        .method = method,
        .method_size = strlen(method),
        .outcome = outcome,
        .outcome_size = strlen(outcome),
        .attempt = job->earlier + usage->attempt,
    };
    outcome_parallel(&job->result, &row.exit_value, &row.signal);
    return joblog_write(&map->joblog, &row);
}

/* Prints it once: other jobs will meet the same error. */
static void fail_file(struct map *map, const char *option, const char *path, int rc)
{
    if (map->code != MAP_OWN_FAILURE)
        map_say(map, "--%s %s: %s", option, path, strerror(-rc));
    map_fail(map, MAP_OWN_FAILURE);
}

/* Writes its rows. A job whose output is lost gets none, so that a resume runs it again. */
static void account(struct map *map, const struct map_job *job, int rc)
{
    if (rc < 0) {
        map_stop_for_output(map, job, rc);
        return;
    }
    rc = log_job(map, job);
    if (rc < 0)
        fail_file(map, "joblog", map->options.joblog, rc);
    rc = map->report == NULL ? 0 : report_write_json(map->report, job->argv, &job->result);
    if (rc < 0)
        fail_file(map, "report", map->options.report, rc);
}

static void finish_job(struct map *map, struct map_job *job)
{
    progress_view_clear(&map->view);
    const int out = job_stream_emit(&job->streams[0]), err = job_stream_emit(&job->streams[1]);
    if (!is_withdrawn(job) || job->result.usage.attempt > 0)
        account(map, job, out < 0 ? out : err);
    TAILQ_REMOVE(&map->jobs, job, entry);
    map->held--;
    map_job_free(job);
}

void map_give_turns(struct map *map)
{
    struct map_job *next;
    for (struct map_job *job = TAILQ_FIRST(&map->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (map->options.line_buffer && !job->streams[0].live)
            map_job_go_live(job);
        if (job->settled && job->doubtful_until <= 0)
            finish_job(map, job);
        else if (map->options.keep_order)
            break;
    }
}

void map_collect(struct map *map)
{
    pool_job_t *pool_job;
    while (map->pool != NULL && pool_next(map->pool, 0, &pool_job) == 0) {
        settle(map, pool_job_user(pool_job));
        pool_job_release(pool_job);
    }
}

/* ---- the next job ------------------------------------------------------------------------------------------------ */

static uint32_t take_slot(struct map *map)
{
    uint32_t slot = 0;
    while (map->slots[slot])
        slot++;
    map->slots[slot] = true;
    return slot + 1;
}

/* Room for one more job. With --halt a job in doubt may be the one that stops the map. */
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

/* Gives it to the pool; a refused job ends at once. -1 after a message. */
static int submit(struct map *map, struct map_job *job)
{
    bool by_pool;
    if (map_begin_files(map) < 0)
        return -1;
    const int rc = map_job_submit(job, &map->options, map->pool, map->outlets, timeout_ms(map), &by_pool);
    return rc < 0 ? map_say(map, "input %llu cannot be started: %s", (unsigned long long)job->seq,
                            by_pool ? pool_message() : strerror(-rc))
                  : 0;
}

/* Takes it into the list, until finish_job(). */
static void take_in(struct map *map, struct map_job *job)
{
    TAILQ_INSERT_TAIL(&map->jobs, job, entry);
    map->held++;
    if (job->settled) {
        map->slots[job->slot - 1] = false;
        judge(map, job);
        return;
    }
    map->running++;
    map->next_start = map_now() + (double)map->options.delay_ms / 1000;
}

/* Returns whether the job has ended already. */
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

/* Sets map->next to the job of the next input that has to run; false: there is none now. */
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
