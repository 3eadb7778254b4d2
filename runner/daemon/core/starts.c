#include "starts.h"

#include "clock.h"
#include "ends.h"
#include "live.h"
#include "retry.h"
#include "stop.h"
#include "turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AHEAD 64   /* jobs that may be passed by others, as in the pool's own queue */
#define LATER_MS   1000 /* when the pool does not say when to look again */

/* Reads the row of a job and its specification, for spec_free. */
static int read_job(const struct daemon *daemon, uint64_t id, struct record *record, struct spec_kept *kept)
{
    const int error = store_job_read(daemon->store, id, record);
    return error < 0 ? error : live_spec(daemon, id, kept);
}

/* Before a job runs: the tag by which the next daemon would know its processes. */
static int note_tag(struct daemon *daemon)
{
    pool_stats_t stats = {0};
    pool_stats(runs_pool(daemon->runs), &stats);
    if (stats.tag == 0 || stats.tag == daemon->tag)
        return 0;
    const int error = statedir_tag_add(&daemon->statedir, stats.tag);
    if (error < 0)
        log_event(daemon->log, LOG_LEVEL_ERROR, "tag", log_text("message", strerror(-error)));
    else
        daemon->tag = stats.tag;
    return error;
}

/* A pool whose keeper was killed starts nothing any more. The next daemon has a new one, and all jobs. */
static void stop_without_pool(struct daemon *daemon)
{
    pool_stats_t stats = {0};
    pool_stats(runs_pool(daemon->runs), &stats);
    if (stats.keeper_pid >= 0 || daemon->phase != DAEMON_SERVING)
        return;
    log_event(daemon->log, LOG_LEVEL_ERROR, "pool",
              log_text("message", "its keeper process was killed: the daemon ends, start it again"));
    stop_failed(daemon);
}

/* ---- which jobs may start ---------------------------------------------------------------------------------------- */

static int make_reservation(struct daemon *daemon, struct job *job)
{
    struct record record;
    struct spec_kept kept;
    if (job->reservation != NULL)
        return 0;
    int error = read_job(daemon, job->schedule.id, &record, &kept);
    if (error < 0)
        return error;
    const uint64_t memory = retry_memory(&kept.spec, record.oom_retries, daemon->budget);
    error = runs_reservation_new(daemon->runs, &kept.spec, memory, &job->reservation);
    spec_free(&kept);
    return error;
}

/* Which of the next jobs may start; NULL: none, and look_at says when to look again. Its memory is then reserved,
 * unless the pool will refuse the job: the pool says so when the job is handed over. */
static struct job *look(struct daemon *daemon, struct schedule_job *const *jobs, size_t count)
{
    pool_reservation_t *reservations[LOOK_AHEAD];
    size_t which;
    int64_t again_ms = -1;
    for (size_t i = 0; i < count; i++) {
        struct job *job = (struct job *)jobs[i]; /* its first member */
        if (make_reservation(daemon, job) < 0)
            return job;
        reservations[i] = job->reservation;
    }
    const int error = pool_reserve(runs_pool(daemon->runs), reservations, count, &which, &again_ms);
    if (error == 0)
        return (struct job *)jobs[which];
    if (error != -EAGAIN)
        log_event(daemon->log, LOG_LEVEL_WARNING, "pool", log_text("message", pool_message()));
    if (error != -EAGAIN)
        stop_without_pool(daemon);
    daemon->look_at = (int64_t)uv_now(daemon->loop) + (again_ms >= 0 ? again_ms : LATER_MS);
    return NULL;
}

/* The next job to start. Most often that is the first one, and the others need no look. */
static struct job *find_next(struct daemon *daemon)
{
    struct schedule_job *jobs[LOOK_AHEAD];
    struct job *next = NULL;
    daemon->look_at = 0;
    if (schedule_look(&daemon->schedule, clock_now(), jobs, 1) == 1)
        next = look(daemon, jobs, 1);
    if (next != NULL || daemon->look_at == 0)
        return next;
    const size_t count = schedule_look(&daemon->schedule, clock_now(), jobs, LOOK_AHEAD);
    return count > 1 ? look(daemon, jobs, count) : NULL;
}

/* Jobs wait for memory, and nothing has happened since that could let one start. */
static bool is_waiting(const struct daemon *daemon)
{
    const double wake_at = schedule_wake_at(&daemon->schedule);
    return daemon->look_at > (int64_t)uv_now(daemon->loop) && !store_is_dirty(daemon->store) &&
           (wake_at == 0 || wake_at > clock_now());
}

/* ---- starting -------------------------------------------------------------------------------------------------- */

/* Writes it down as running. */
static int pick(struct daemon *daemon, struct job *job)
{
    struct record record;
    if (turn_check(daemon, store_job_read(daemon->store, job->schedule.id, &record), NULL) < 0)
        return -1;
    record.state = RECORD_RUNNING;
    record.attempt++;
    record.start_at = 0;
    record.end = (struct record_end){.started_at = clock_now()};
    if (turn_check(daemon, store_job_update(daemon->store, &record), NULL) < 0)
        return -1;
    schedule_run(&daemon->schedule, &job->schedule);
    job->started = true; /* for the event, which is sent when a worker is about to have it */
    turn_event(daemon, "started", &record);
    job->started = false;
    turn_effect(daemon, EFFECT_START, record.id);
    return 0;
}

void starts_look_again(struct daemon *daemon)
{
    daemon->look_at = 0;
}

void starts_pick(struct daemon *daemon)
{
    struct job *next;
    if (daemon->phase != DAEMON_SERVING || is_waiting(daemon))
        return;
    size_t running = runs_count(daemon->runs);
    daemon->look_at = 0;
    if (running < daemon->workers && note_tag(daemon) < 0)
        return;
    for (; running < daemon->workers && (next = find_next(daemon)) != NULL; running++)
        if (pick(daemon, next) < 0)
            return;
}

/* A job that could not be started counts as ended, for the next turn. */
static void give_back(struct daemon *daemon, uint64_t id, int error, const char *message)
{
    struct ending *ending = ends_add(daemon, id);
    /* Want of descriptors or memory passes; what the pool refuses of a job it will refuse again. */
    ending->unstarted = error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EAGAIN || error == -EIO ||
                        error == -ENOSPC || error == -EROFS;
    ends_say(&ending->end, POOL_CAUSE_LOST, message);
    stop_without_pool(daemon);
    log_event(daemon->log, LOG_LEVEL_WARNING, "unstarted", log_number("job", (int64_t)id),
              log_text("message", message));
}

void starts_hand_over(struct daemon *daemon, uint64_t id)
{
    struct record record;
    struct spec_kept kept;
    char message[512] = "its specification cannot be read";
    struct job *job = live_find(daemon, id);
    pool_reservation_t *reservation = job == NULL ? NULL : job->reservation;
    if (job != NULL)
        job->reservation = NULL;
    int error = read_job(daemon, id, &record, &kept);
    if (error == 0) {
        const uint64_t memory = retry_memory(&kept.spec, record.oom_retries, daemon->budget);
        error = runs_start(daemon->runs, id, record.attempt, &kept.spec, memory, reservation, message);
        spec_free(&kept);
    } else {
        pool_reservation_free(reservation);
    }
    if (error < 0)
        give_back(daemon, id, error, message);
}
