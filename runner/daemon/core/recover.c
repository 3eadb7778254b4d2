#include "recover.h"

#include "clock.h"
#include "ends.h"
#include "live.h"

#include <errno.h>
#include <stdlib.h>

static void measure_output(struct daemon *daemon, struct record *record)
{
    size_t none = 0;
    outputs_read(&daemon->outputs, record->id, OUTPUT_STDOUT, 0, NULL, &none, &record->end.stdout_size);
    outputs_read(&daemon->outputs, record->id, OUTPUT_STDERR, 0, NULL, &none, &record->end.stderr_size);
}

static int recover_job(struct daemon *daemon, struct job *job)
{
    struct record record;
    int error = store_job_read(daemon->store, job->schedule.id, &record);
    if (error < 0)
        return error;
    record.interruptions++;
    if (record.requeue && !record.cancelling) {
        record.state = RECORD_WAITING;
        error = store_job_update(daemon->store, &record);
        if (error < 0)
            return error;
        schedule_remove(&daemon->schedule, &job->schedule);
        schedule_add(&daemon->schedule, &job->schedule, clock_now());
        return 0;
    }
    measure_output(daemon, &record);
    ends_say(&record.end, record.cancelling ? POOL_CAUSE_CANCELLED : RECORD_INTERRUPTED,
             record.cancelling ? "cancelled; the daemon died before it had ended" : "the daemon died while it ran");
    return ends_finish(daemon, job, &record) < 0 ? daemon->turn_error : 0;
}

int recover_jobs(struct daemon *daemon)
{
    struct job *job, *next;
    size_t count = 0, capacity = HASH_COUNT(daemon->jobs);
    uint64_t *ids = calloc(capacity + 1, sizeof *ids); /* ends drop jobs, also others: so ids */
    int error = ids == NULL ? -ENOMEM : 0;
    HASH_ITER(hh, daemon->jobs, job, next)
        if (ids != NULL && job->schedule.state == SCHEDULE_RUNNING)
            ids[count++] = job->schedule.id;
    for (size_t i = 0; i < count && error == 0; i++) {
        job = live_find(daemon, ids[i]);
        if (job == NULL)
            continue;
        log_event(daemon->log, LOG_LEVEL_WARNING, "interrupted", log_number("job", (int64_t)ids[i]));
        error = recover_job(daemon, job);
    }
    free(ids);
    return error;
}
