/* launch.c - starting jobs: chosen and written down as running within a turn, handed to the pool after its commit. */
#include "daemon.h"

#include "retry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int write_running(struct daemon *daemon, struct job *job)
{
    struct record record;
    int error = store_job_read(daemon->store, job->schedule.id, &record);
    if (error < 0)
        return error;
    record.state = RECORD_RUNNING;
    record.attempt++;
    record.start_at = 0;
    memset(&record.end, 0, sizeof record.end);
    record.end.started_at = daemon_now();
    job->attempt = record.attempt;
    return store_job_update(daemon->store, &record);
}

/* Before a job runs: what the next daemon would know its processes by. */
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

void launch_pick(struct daemon *daemon)
{
    struct schedule_job *next;
    if (daemon->phase != DAEMON_SERVING)
        return;
    size_t running = runs_count(daemon->runs);
    if (running < daemon->workers && note_tag(daemon) < 0)
        return;
    while (running < daemon->workers && (next = schedule_next(&daemon->schedule, daemon_now())) != NULL) {
        struct job *job = (struct job *)next; /* its first member */
        const int error = write_running(daemon, job);
        if (error < 0) {
            turn_fail(daemon, error, NULL);
            return;
        }
        schedule_run(&daemon->schedule, next);
        job->started = true; /* for the event, which comes when it is handed over */
        turn_event(daemon, "started", next->id);
        job->started = false;
        turn_start(daemon, next->id);
        running++;
    }
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
    daemon->exit_code = 1;
    daemon_stop(daemon, 0);
}

/* What could not be started is as one that has ended: for the next turn. */
static void give_back(struct daemon *daemon, uint64_t id, int error, const char *message)
{
    struct ending *ending = calloc(1, sizeof *ending);
    if (ending == NULL)
        abort(); /* it would be running for ever */
    ending->id = id;
    /* Want of descriptors or memory passes; what the pool refuses of a job it will refuse again. */
    ending->unstarted = error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EAGAIN || error == -EIO ||
                        error == -ENOSPC || error == -EROFS;
    ends_say(&ending->end, POOL_CAUSE_LOST, message);
    STAILQ_INSERT_TAIL(&daemon->endings, ending, entry);
    stop_without_pool(daemon);
    log_event(daemon->log, LOG_LEVEL_WARNING, "unstarted", log_number("job", (int64_t)id),
              log_text("message", message));
}

void launch_start(struct daemon *daemon, uint64_t id)
{
    struct record record;
    struct spec spec;
    msgpack_unpacked unpacked;
    char message[512] = "its specification cannot be read";
    msgpack_unpacked_init(&unpacked);
    int error = store_job_read(daemon->store, id, &record);
    if (error == 0)
        error = spec_decode(record.spec.data, record.spec.size, &spec, &unpacked);
    if (error == 0)
        error = runs_start(daemon->runs, id, record.attempt, &spec,
                           retry_memory(&spec, record.oom_retries, daemon->budget), message);
    msgpack_unpacked_destroy(&unpacked);
    if (error < 0)
        give_back(daemon, id, error, message);
}
