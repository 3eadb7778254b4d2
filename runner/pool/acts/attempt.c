#include "attempt.h"

#include "payload.h"
#include "process.h"
#include "settle.h"
#include "spawn.h"
#include "state.h"
#include "task.h"
#include "verdict.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#define UNBEGUN_RESTARTS_MAX 5 /* workers that died before they took the same job */

/* ---- it begins --------------------------------------------------------------------------------------------------- */

/* Has the fork server enforce the limits of the job, and look at its memory. */
static int send_watch(struct peer *peer)
{
    const pool_job_options_t *o = job_options(peer->job);
    const struct job_payload *payload = &peer->job->payload;
    const struct message_watch watch = {.serial = peer->serial,
                                        .timeout_ms = peer->timeout_ms,
                                        .kill_after_ms = o->kill_after_ms,
                                        .cpu_ms = o->cpu_ms,
                                        .pids = o->pids,
                                        .pausable = peer->job->kind->is_command,
                                        .memory_limit = peer->job->record->memory_limit,
                                        .every_ms = o->memory_every_ms,
                                        .argument = payload->kind == PAYLOAD_MEMFD ? payload->size : 0};
    const int rc = link_send(peer->link, MESSAGE_WATCH, &watch);
    peer->watch_sent = rc == 0;
    return rc;
}

/* Whether the fork server has to watch it from the first moment. */
static bool is_limited(const struct peer *peer)
{
    const pool_job_options_t *o = job_options(peer->job);
    return peer->timeout_ms >= 0 || o->pids >= 0 || o->cpu_ms >= 0 || peer->job->record->memory_limit >= 0 ||
           o->memory_every_ms > 0;
}

/* The sooner of the attempt's timeout and what the job's deadline leaves. */
static void choose_timeout(struct peer *peer)
{
    const pool_job_t *job = peer->job;
    peer->timeout_ms = job_options(job)->timeout_ms;
    peer->timeout_is_deadline = false;
    if (job->deadline_at == MOMENT_NEVER)
        return;
    const int64_t left = moment_later(job->deadline_at - process_now_ms(), 0);
    if (peer->timeout_ms < 0 || left < peer->timeout_ms) {
        peer->timeout_ms = left;
        peer->timeout_is_deadline = true;
    }
}

static void on_readable(void *peer);

/* Listens at once where the caller waits for more than the end; else when it turns out to be no short job. */
static void listen_in_time(struct peer *peer)
{
    const pool_job_options_t *o = job_options(peer->job);
    if (o->early || o->on_event != NULL)
        peer_listen(peer, on_readable);
    if (peer->readable.fd < 0 || !peer->watch_sent)
        crew_add_recent(&peer->pool->crew, peer, process_now_ms());
}

int attempt_begin(struct peer *peer, pool_job_t *job)
{
    crew_leave_idle(&peer->pool->crew, peer);
    peer->job = job;
    atomic_store(&job->state, POOL_STATE_RUNNING); /* before the task: all that the job does comes while it runs */
    choose_timeout(peer);
    peer->started = moment_realtime(); /* before its timeout begins */
    peer->started_ns = uv_hrtime();
    int rc = is_limited(peer) ? send_watch(peer) : 0; /* first: the worker waits until the fork server watches */
    if (rc == 0)
        rc = task_send(peer);
    if (rc < 0) { /* it may have half a task: no other job for this one */
        peer->job = NULL;
        peer->birth_counted = true;
        peer_kill(peer, KILL_BIRTH, 0);
        return rc;
    }
    spawn_learn(peer->pool, job_needs_full(job));
    job->peer = peer;
    job->record->attempt++;
    listen_in_time(peer);
    pool_event_t event = {.kind = POOL_EVENT_STARTED};
    job_event(job, &event);
    return 0;
}

void attempt_step(pool_t *pool, int64_t now)
{
    for (struct peer *peer; (peer = crew_grown(&pool->crew, now)) != NULL;) {
        crew_leave_recent(&pool->crew, peer);
        if (peer->readable.fd < 0 && peer->pipe >= 0)
            peer_listen(peer, on_readable);
        if (!peer->watch_sent)
            send_watch(peer);
    }
}

/* ---- how it ended ------------------------------------------------------------------------------------------------ */

/* Fills in all that the verdict depends on. gone NULL: the fork server died, and nothing is known of the end. */
static void describe(const struct peer *peer, const struct message_gone *gone, struct verdict_ending *ending)
{
    const pool_job_options_t *o = job_options(peer->job);
    const struct job_record *record = peer->job->record;
    *ending = (struct verdict_ending){
        .has_result = peer->has_result,
        .protocol_error = peer->protocol_error,
        .value_bad = peer->value_bad,
        .host_error = peer->host_error,
        .unkept = peer->unkept,
        .value_size = peer->result.size,
        .result_limit = o->result_limit,
        .lost = gone == NULL,
        .unkillable = gone != NULL && gone->unkillable != 0,
        .status = gone == NULL ? 0 : (int)gone->status,
        .reason = gone == NULL ? KILL_NONE : gone->reason,
        .is_command = peer->job->kind->is_command,
        .code = peer->result.code,
        .start = peer->result.start,
        .signal = peer->result.signal,
        .text = peer->text,
        .timeout_ms = peer->timeout_ms,
        .cpu_ms = o->cpu_ms,
        .cpu_used_ms = gone == NULL ? 0 : (int64_t)((gone->user_us + gone->system_us) / 1000),
        .memory_limit = record->memory_limit,
        .peak = record->result.usage.peak_memory,
        .method = pool_memory_method_name(record->result.usage.memory_method),
        .oom = gone == NULL ? OOM_NONE : gone->oom,
        .output_limit = o->output_limit,
        .output_unkept = peer->streams[0].capture.no_memory || peer->streams[1].capture.no_memory,
        .pids = o->pids,
        .deadline = peer->timeout_is_deadline,
    };
}

static void fill_times(const struct peer *peer, pool_usage_t *usage)
{
    usage->started = peer->started;
    usage->ended = moment_realtime();
    usage->wall_seconds = (double)(uv_hrtime() - peer->started_ns) / 1e9;
}

/* The processes that the fork server saw, or whose ends it saw, whichever are more; not the worker of a command. */
static uint32_t count_processes(const struct peer *peer, const struct message_gone *gone)
{
    const uint64_t worker = peer->job->kind->is_command ? 1 : 0;
    const uint64_t ended = gone->processes + peer->result.processes + 1 - worker;
    const uint64_t seen = gone->seen > worker ? gone->seen - worker : 0;
    return (uint32_t)(seen > ended ? seen : ended);
}

static void fill_usage(const struct peer *peer, const struct message_gone *gone, pool_usage_t *usage)
{
    const struct job_record *record = peer->job->record;
    const int64_t limit = record->memory_limit;
    *usage = (pool_usage_t){.complete = true};
    fill_times(peer, usage);
    usage->memory_limit = limit >= 0 ? (uint64_t)limit : 0;
    usage->memory_first_limit = record->first_limit;
    usage->oom_retries = record->oom_retries;
    if (gone == NULL)
        return;
    usage->user_seconds = (double)gone->user_us / 1e6;
    usage->system_seconds = (double)gone->system_us / 1e6;
    usage->minor_faults = gone->minor_faults;
    usage->major_faults = gone->major_faults;
    usage->processes = count_processes(peer, gone);
    usage->processes_killed = (uint32_t)gone->killed;
    usage->unkillable = gone->unkillable != 0;
    usage->memory_method = (pool_memory_method_t)gone->method;
    if (usage->memory_method == POOL_MEMORY_UNMEASURED)
        return;
    usage->peak_memory = gone->peak;
    usage->peak_bound = gone->bound;
    if (usage->memory_method == POOL_MEMORY_RUSAGE && peer->job->kind->is_command && gone->peak == 0 &&
        peer->result.peak > 0) {
        /* Smaller than what it inherited at exec: then the worker saw the peak while the command ran. */
        usage->peak_memory = peer->result.peak;
        usage->peak_bound = gone->bound > peer->result.peak ? gone->bound - peer->result.peak : 0;
    }
    if (limit >= 0 && usage->peak_memory > (uint64_t)limit)
        usage->overshoot = usage->peak_memory - (uint64_t)limit;
}

/* ---- while it runs ----------------------------------------------------------------------------------------------- */

void attempt_used(struct peer *peer, const struct message_memory *memory)
{
    pool_event_t event = {.kind = POOL_EVENT_MEMORY, .memory = memory->bytes};
    if (peer == NULL || peer->job == NULL)
        return;
    room_used(&peer->pool->room, &peer->job->record->ticket, memory->most);
    if (job_options(peer->job)->memory_every_ms > 0 && !peer->settled_early)
        job_event(peer->job, &event);
}

bool attempt_can_be_ended(const pool_job_t *job)
{
    return job->peer != NULL && !job->peer->settled_early && !job->peer->has_result && !job->cancel_asked;
}

/* Moves the value to the job, or notes why that cannot be. */
static void take_value(struct peer *peer)
{
    const int rc = peer->has_result && !peer->protocol_error ? peer_give_value(peer) : 0;
    if (rc == -EBADMSG)
        peer->value_bad = true;
    else if (rc < 0)
        peer->unkept = -rc;
}

/* Settles an `early` job on its result, if its value is whole and cannot change. Otherwise the job waits for the
 * worker's end: only that says whether a job that failed runs again, and why a command died. */
static void settle_early(struct peer *peer)
{
    pool_job_t *job = peer->job;
    const struct message_gone left_well = {.reason = KILL_NONE};
    struct verdict_ending ending;
    struct verdict verdict;
    if (peer->result.code != 0 || peer->result.signal != 0 || peer->result.start != START_OK)
        return;
    if (peer->value_fd >= 0 &&
        (peer->result.sealed == 0 || payload_check(peer->value_fd, (size_t)peer->result.size, true) < 0))
        return;
    take_value(peer);
    if (peer->value_bad || peer->unkept != 0)
        return;
    describe(peer, &left_well, &ending);
    verdict_decide(&ending, &verdict);
    peer_give_output(peer);
    fill_times(peer, &job->record->result.usage);
    peer->settled_early = true;
    settle_job(job, &verdict);
}

static bool has_early_result(const struct peer *peer)
{
    return peer->has_result && job_options(peer->job)->early;
}

static void on_readable(void *user)
{
    struct peer *peer = user;
    const bool had_result = peer->has_result;
    const enum peer_heard heard = peer_read(peer);
    if (!had_result && has_early_result(peer))
        settle_early(peer);
    if (heard == PEER_HEARD_BAD)
        peer_distrust(peer);
    else if (heard == PEER_HEARD_END) /* when it is gone, the rest is read */
        readable_remove(&peer->pool->readables, &peer->readable);
}

/* ---- it is over -------------------------------------------------------------------------------------------------- */

/* Queues the job once more, with the limit and the delay of its next attempt. */
static void run_again(struct peer *peer, enum verdict_next next, const struct verdict_retry *retry)
{
    pool_t *pool = peer->pool;
    pool_job_t *job = peer->job;
    struct job_record *record = job->record;
    const int64_t delay_ms = next == VERDICT_RETRY ? job_options(job)->retry_delay_ms : 0;
    pool_event_t event = {.kind = POOL_EVENT_RETRIED, .outcome = retry->outcome};
    if (next == VERDICT_LARGER) {
        if (record->oom_retries++ == 0)
            record->first_limit = (uint64_t)record->memory_limit;
        record->memory_limit = verdict_larger_limit(retry);
        record->expected_floor = (uint64_t)record->memory_limit;
        event.memory = record->expected_floor;
    }
    job_event(job, &event);
    job_drop_value(job);
    record->evictions += next == VERDICT_RERUN;
    state_count(pool, &pool->stats.retried);
    pthread_mutex_lock(&pool->lock);
    if (delay_ms == 0)
        backlog_return(job);
    else
        backlog_delay(job, process_now_ms() + delay_ms);
    pthread_mutex_unlock(&pool->lock);
}

/* The job has not begun, and is quietly given to another worker. */
static void restart(pool_job_t *job)
{
    job->record->result.usage = (pool_usage_t){0};
    job->record->attempt--;
    if (++job->record->restarts > UNBEGUN_RESTARTS_MAX) {
        settle_unstarted(job, POOL_LOST, "its workers died before they could take it, several times in a row");
        return;
    }
    pthread_mutex_lock(&job->pool->lock);
    backlog_return(job);
    pthread_mutex_unlock(&job->pool->lock);
}

static void settle(struct peer *peer, const struct message_gone *gone, const struct verdict *verdict)
{
    pool_job_t *job = peer->job;
    if (!verdict->keeps_value)
        job_drop_value(job);
    peer_give_output(peer);
    if (gone != NULL && gone->crash.size > 0)
        job->record->crash = strndup(gone->crash.data, gone->crash.size);
    settle_job(job, verdict);
    settle_release(job);
}

/* The peak of a job says what such jobs need, if it ended by itself or at its memory limit. */
static bool is_lesson(const struct verdict *verdict)
{
    return verdict->outcome == POOL_DONE || verdict->cause == POOL_CAUSE_MEMORY_LIMIT ||
           (verdict->outcome == POOL_FAILED &&
            (verdict->cause == POOL_CAUSE_EXITED || verdict->cause == POOL_CAUSE_UNKILLABLE));
}

/* Whether the worker took the job: a kill that it died of before was not the job's, and an unread task is whole. */
static bool has_begun(const struct peer *peer, const struct message_gone *gone)
{
    if (peer->has_result || peer->protocol_error)
        return true;
    if (gone == NULL)
        return peer_has_begun(peer);
    return gone->begun != 0 || (gone->reason != KILL_NONE && gone->reason != KILL_BIRTH);
}

static void describe_retry(const struct peer *peer, const struct message_gone *gone, const struct verdict *verdict,
                           struct verdict_retry *retry)
{
    const pool_job_t *job = peer->job;
    const pool_job_options_t *o = job_options(job);
    *retry = (struct verdict_retry){
        .outcome = verdict->outcome,
        .unbegun = !has_begun(peer, gone),
        .cancelled = job->cancel_asked,
        .out_of_time = verdict->cause == POOL_CAUSE_TIMEOUT && peer->timeout_is_deadline,
        .rerunnable = o->rerunnable && peer->host_error == 0, /* that would come again at once */
        .evicted = gone != NULL && gone->reason == KILL_EVICTED,
        .attempt = job_attempt(job) - job->record->oom_retries,
        .retries = o->retries,
        .retry_on = o->retry_on,
        .over_memory = verdict->cause == POOL_CAUSE_MEMORY_LIMIT,
        .retry_oom = o->retry_oom,
        .memory_limit = job->record->memory_limit,
        .memory_most = admission_cap(&peer->pool->room.admission),
    };
}

/* The attempt is over: settles the job, or queues it once more. */
static void conclude(struct peer *peer, const struct message_gone *gone)
{
    pool_job_t *job = peer->job;
    pool_usage_t *usage = &job->record->result.usage;
    struct verdict_ending ending;
    struct verdict verdict;
    struct verdict_retry retry;
    take_value(peer);
    fill_usage(peer, gone, usage); /* the next attempt may never start */
    describe(peer, gone, &ending);
    verdict_decide(&ending, &verdict);
    if (gone == NULL && job->cancelled_by_close)
        verdict.outcome = POOL_CANCELLED, verdict.cause = POOL_CAUSE_CANCELLED;
    describe_retry(peer, gone, &verdict, &retry);
    const enum verdict_next next = verdict_next(&retry);
    room_ended(&peer->pool->room, &job->record->ticket, usage->peak_memory,
               gone != NULL && next != VERDICT_RESTART && is_lesson(&verdict));
    if (next == VERDICT_SETTLE)
        settle(peer, gone, &verdict);
    else if (next == VERDICT_RESTART)
        restart(job);
    else
        run_again(peer, next, &retry);
}

/* Counts failed births in a row. An idle worker that was killed by another process is no failure. */
static void count_birth(struct peer *peer, const struct message_gone *gone)
{
    struct births_failures *failures = &peer->pool->spawn.failures;
    if (gone->begun != 0 || peer->has_result)
        births_succeeded(failures);
    else if (gone->ready != 0 && WIFSIGNALED((int)gone->status))
        births_died_idle(failures, process_now_ms());
    else if (!peer->pool->supervision.end_asked && !peer->birth_counted)
        spawn_failed(peer->pool, "a worker died before it took a job");
}

void attempt_end(struct peer *peer, const struct message_gone *gone)
{
    pool_job_t *job = peer->job;
    const bool had_result = peer->has_result;
    peer_read_rest(peer, gone);
    if (job != NULL && !had_result && has_early_result(peer))
        settle_early(peer);
    if (gone != NULL)
        count_birth(peer, gone);
    peer->pool->spawn.leaving -= peer->is_leaving;
    if (job != NULL) {
        job->peer = NULL;
        pthread_mutex_lock(&peer->pool->lock);
        state_leave_place(peer->pool);
        pthread_mutex_unlock(&peer->pool->lock);
        if (peer->settled_early) {
            room_ended(&peer->pool->room, &job->record->ticket, gone == NULL ? 0 : gone->peak, gone != NULL);
            settle_release(job);
        } else {
            conclude(peer, gone);
        }
        peer->job = NULL;
    }
    peer_free(peer);
}

void attempt_lose_all(pool_t *pool)
{
    struct peer *peer, *next;
    HASH_ITER(hh, pool->crew.peers, peer, next) {
        attempt_end(peer, NULL);
    }
    pool->spawn.asked = 0;
}
