#include "ends.h"

#include "array.h"
#include "clock.h"
#include "live.h"
#include "retry.h"
#include "turn.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_CANCELLED    (128 + 15)
#define UNSTARTED_SECONDS 1.0 /* before what could not be started is tried again */
#define HOLD_MS           100 /* between the signal for a job and the one for the daemon, where both get it */

void ends_say(struct record_end *end, int32_t cause, const char *message)
{
    end->cause = cause;
    end->exit_code = cause == POOL_CAUSE_CANCELLED ? EXIT_CANCELLED : 125;
    end->code = end->signal = 0;
    snprintf(end->message, sizeof end->message, "%s", message);
    end->ended_at = clock_now();
}

struct ending *ends_add(struct daemon *daemon, uint64_t id)
{
    struct ending *ending = calloc(1, sizeof *ending);
    if (ending == NULL) {
        log_event(daemon->log, LOG_LEVEL_ERROR, "memory", log_number("job", (int64_t)id),
                  log_text("message", "no memory for its end: the daemon stops, and the job is as after a crash"));
        abort(); /* else it would be running for ever */
    }
    ending->id = id;
    STAILQ_INSERT_TAIL(&daemon->endings, ending, entry);
    return ending;
}

static bool has_succeeded(const struct record_end *end)
{
    return (end->cause == POOL_CAUSE_EXITED || end->cause == POOL_CAUSE_UNKILLABLE) && end->exit_code == 0;
}

static enum record_state final_state(const struct record_end *end)
{
    if (has_succeeded(end))
        return RECORD_DONE;
    return end->cause == POOL_CAUSE_CANCELLED ? RECORD_CANCELLED : RECORD_FAILED;
}

static int write_end(struct daemon *daemon, struct record *record)
{
    record->state = final_state(&record->end);
    if (turn_check(daemon, store_job_update(daemon->store, record), NULL) < 0)
        return -1;
    turn_event(daemon, "ended", record);
    turn_effect(daemon, EFFECT_ENDED, record->id);
    log_event(daemon->log, LOG_LEVEL_INFO, "ended", log_number("job", (int64_t)record->id),
              log_text("outcome", record_cause_name(record->end.cause)),
              log_number("exit_code", record->end.exit_code));
    return 0;
}

/* Jobs that fail since a job that they need has failed; each may make others fail. */
struct dependents {
    struct job **jobs;
    size_t count, capacity;
};

static int add_failing(struct dependents *failing, struct job *job)
{
    if (job->dependency_failed)
        return 0;
    void *grown = array_grow(failing->jobs, failing->count, &failing->capacity, sizeof *failing->jobs);
    if (grown == NULL)
        return -ENOMEM;
    failing->jobs = grown;
    job->dependency_failed = true;
    failing->jobs[failing->count++] = job;
    return 0;
}

static int release(struct daemon *daemon, struct job *job, bool succeeded, struct dependents *failing)
{
    struct schedule_job *dependent;
    int error = 0;
    while ((dependent = schedule_release(&daemon->schedule, &job->schedule, clock_now())) != NULL) {
        struct job *other = (struct job *)dependent; /* its first member */
        if (!succeeded && !other->after_any && error == 0)
            error = add_failing(failing, other);
    }
    return error;
}

static int read_failing(struct daemon *daemon, const struct job *job, struct record *record)
{
    const int error = store_job_read(daemon->store, job->schedule.id, record);
    if (error == 0)
        ends_say(&record->end, RECORD_DEPENDENCY_FAILED, "a job that it was to run after did not succeed");
    return error;
}

static int finish_failing(struct daemon *daemon, struct dependents *failing)
{
    for (size_t i = 0; i < failing->count; i++) {
        struct job *job = failing->jobs[i];
        struct record record;
        int error = read_failing(daemon, job, &record);
        if (error == 0)
            error = write_end(daemon, &record);
        if (error == 0)
            error = release(daemon, job, false, failing);
        if (turn_check(daemon, error, NULL) < 0)
            return -1;
    }
    for (size_t i = 0; i < failing->count; i++)
        live_drop(daemon, failing->jobs[i]);
    return 0;
}

int ends_finish(struct daemon *daemon, struct job *job, struct record *record)
{
    struct dependents failing = {0};
    if (write_end(daemon, record) < 0)
        return -1;
    int result = turn_check(daemon, release(daemon, job, record->state == RECORD_DONE, &failing), NULL);
    live_drop(daemon, job);
    if (result == 0)
        result = finish_failing(daemon, &failing);
    free(failing.jobs);
    return result;
}

int ends_fail_dependent(struct daemon *daemon, struct job *job)
{
    struct record record;
    const int failed = turn_check(daemon, read_failing(daemon, job, &record), NULL);
    return failed < 0 ? -1 : ends_finish(daemon, job, &record);
}

int ends_forget(struct daemon *daemon, uint64_t id)
{
    turn_event_of(daemon, "removed", id);
    if (turn_check(daemon, store_job_delete(daemon->store, id), NULL) < 0)
        return -1;
    turn_effect(daemon, EFFECT_REMOVE_FILES, id);
    return 0;
}

/* Puts a job back into the queue, to run at start_at. */
static int run_again(struct daemon *daemon, struct job *job, struct record *record, double start_at)
{
    record->state = RECORD_WAITING;
    record->start_at = start_at;
    if (turn_check(daemon, store_job_update(daemon->store, record), NULL) < 0)
        return -1;
    schedule_remove(&daemon->schedule, &job->schedule);
    job->schedule.start_at = start_at;
    job->retrying = job->relative = start_at > 0;
    job->started = false;
    schedule_add(&daemon->schedule, &job->schedule, clock_now());
    turn_event(daemon, "requeued", record);
    log_event(daemon->log, LOG_LEVEL_INFO, "requeued", log_number("job", (int64_t)record->id),
              log_text("outcome", record_cause_name(record->end.cause)));
    return 0;
}

static int write_value(struct daemon *daemon, const struct ending *ending)
{
    const bool is_inline =
        ending->value_dropped == 0 && ending->end.result_size <= STORE_INLINE_MAX; /* else it is a file */
    return store_result_write(daemon->store, ending->id, is_inline ? ending->value : NULL,
                              is_inline ? ending->end.result_size : 0);
}

/* A value that finds no room fails its job, unless that has failed already. */
static void fail_dropped(struct daemon *daemon, const struct ending *ending, struct record_end *end)
{
    char message[RECORD_MESSAGE_MAX];
    snprintf(message, sizeof message, "its value of %llu bytes cannot be kept: %s",
             (unsigned long long)end->result_size, strerror(-ending->value_dropped));
    if (has_succeeded(end))
        ends_say(end, POOL_CAUSE_OUTPUT_LIMIT, message);
    end->ended_at = ending->end.ended_at;
    end->result_size = 0;
    log_event(daemon->log, LOG_LEVEL_WARNING, "unkept", log_number("job", (int64_t)ending->id),
              log_text("message", message));
}

static struct retry decide(const struct daemon *daemon, const struct record *record, int *error)
{
    struct spec_kept kept;
    struct retry retry = {0};
    *error = live_spec(daemon, record->id, &kept);
    if (*error == 0) {
        retry = retry_decide(&kept.spec, record, record->end.cause, has_succeeded(&record->end), daemon->budget);
        spec_free(&kept);
    }
    return retry;
}

/* Whatever the job did when it was asked to end: the client was promised that it is cancelled. */
static void make_cancelled(struct record_end *end)
{
    char message[RECORD_MESSAGE_MAX];
    if (end->cause == POOL_CAUSE_CANCELLED)
        return;
    snprintf(message, sizeof message, "cancelled: %.480s", end->message);
    memcpy(end->message, message, sizeof message);
    end->cause = POOL_CAUSE_CANCELLED;
    if (end->exit_code == 0)
        end->exit_code = EXIT_CANCELLED;
}

/* Where a container, or a control group, is stopped, daemon and jobs get the same signal, in any order. */
static bool died_of_a_stop(const struct record_end *end)
{
    return end->cause == POOL_CAUSE_SIGNALLED && (end->signal == SIGTERM || end->signal == SIGINT);
}

int64_t ends_held_until(const struct daemon *daemon, const struct ending *ending)
{
    return daemon->phase == DAEMON_SERVING && died_of_a_stop(&ending->end) ? ending->came_at + HOLD_MS : 0;
}

int64_t ends_due(const struct daemon *daemon)
{
    const struct ending *ending;
    int64_t due = -1;
    STAILQ_FOREACH(ending, &daemon->endings, entry) {
        const int64_t left = ends_held_until(daemon, ending) - (int64_t)uv_now(daemon->loop);
        if (!ending_is_in_thread(ending) && (due < 0 || left < due))
            due = left > 1 ? left : 1;
    }
    return due;
}

/* The daemon's stop ended it: by the pool, or by the signal that stops the daemon. */
static bool is_stopped(const struct daemon *daemon, const struct record_end *end)
{
    return end->cause == POOL_CAUSE_CANCELLED || (daemon->phase != DAEMON_SERVING && died_of_a_stop(end));
}

int ends_apply(struct daemon *daemon, const struct ending *ending)
{
    struct record record;
    struct job *job = live_find(daemon, ending->id);
    if (job == NULL || job->schedule.state != SCHEDULE_RUNNING)
        return 0;
    if (turn_check(daemon, store_job_read(daemon->store, ending->id, &record), NULL) < 0)
        return -1;
    if (ending->unstarted) {
        record.attempt--;
        return run_again(daemon, job, &record, clock_now() + UNSTARTED_SECONDS);
    }
    record.end = ending->end;
    record.evictions += ending->evictions;
    if (is_stopped(daemon, &ending->end) && !record.cancelling) {
        record.interruptions++;
        return run_again(daemon, job, &record, 0);
    }
    if (ending->value_dropped < 0)
        fail_dropped(daemon, ending, &record.end);
    if (record.cancelling)
        make_cancelled(&record.end);
    int error;
    const struct retry retry = decide(daemon, &record, &error);
    if (error != -EBADMSG && turn_check(daemon, error, NULL) < 0)
        return -1;
    if (error < 0)
        log_event(daemon->log, LOG_LEVEL_ERROR, "damaged", log_number("job", (int64_t)ending->id));
    else if (retry.again) {
        record.failures += retry.counts;
        record.oom_retries += retry.more_memory;
        return run_again(daemon, job, &record, retry.delay > 0 ? clock_now() + retry.delay : 0);
    }
    return turn_check(daemon, write_value(daemon, ending), NULL) < 0 ? -1 : ends_finish(daemon, job, &record);
}

/* ---- runs of a daemon that died ---------------------------------------------------------------------------------- */

static void measure_output(struct daemon *daemon, struct record *record)
{
    size_t none = 0;
    outputs_read(&daemon->outputs, record->id, OUTPUT_STDOUT, 0, NULL, &none, &record->end.stdout_size);
    outputs_read(&daemon->outputs, record->id, OUTPUT_STDERR, 0, NULL, &none, &record->end.stderr_size);
}

static void recover_job(struct daemon *daemon, struct job *job)
{
    struct record record;
    if (turn_check(daemon, store_job_read(daemon->store, job->schedule.id, &record), NULL) < 0)
        return;
    record.interruptions++;
    if (record.requeue && !record.cancelling) {
        record.state = RECORD_WAITING;
        if (turn_check(daemon, store_job_update(daemon->store, &record), NULL) < 0)
            return;
        schedule_remove(&daemon->schedule, &job->schedule);
        schedule_add(&daemon->schedule, &job->schedule, clock_now());
        return;
    }
    measure_output(daemon, &record);
    ends_say(&record.end, record.cancelling ? POOL_CAUSE_CANCELLED : RECORD_INTERRUPTED,
             record.cancelling ? "cancelled; the daemon died before it had ended" : "the daemon died while it ran");
    ends_finish(daemon, job, &record);
}

void ends_recover(struct daemon *daemon)
{
    struct job *job, *next;
    size_t count = 0, capacity = HASH_COUNT(daemon->jobs);
    uint64_t *ids = calloc(capacity + 1, sizeof *ids); /* ends drop jobs, also others: so ids */
    turn_check(daemon, ids == NULL ? -ENOMEM : 0, NULL);
    HASH_ITER(hh, daemon->jobs, job, next)
        if (ids != NULL && job->schedule.state == SCHEDULE_RUNNING)
            ids[count++] = job->schedule.id;
    for (size_t i = 0; i < count && daemon->turn_error == 0; i++) {
        job = live_find(daemon, ids[i]);
        if (job == NULL)
            continue;
        log_event(daemon->log, LOG_LEVEL_WARNING, "interrupted", log_number("job", (int64_t)ids[i]));
        recover_job(daemon, job);
    }
    free(ids);
}
