#include "live.h"

#include "clock.h"
#include "daemon_client.h"

#include <errno.h>
#include <stdlib.h>

#define CLOCK_STEP 1.0 /* seconds; less is the clock being kept right */

struct job *live_find(const struct daemon *daemon, uint64_t id)
{
    struct job *job;
    HASH_FIND(hh, daemon->jobs, &id, sizeof id, job);
    return job;
}

int live_spec(const struct daemon *daemon, uint64_t id, struct spec_kept *kept)
{
    void *bytes;
    size_t size;
    const int error = store_spec_read(daemon->store, id, &bytes, &size);
    return error < 0 ? error : spec_decode(bytes, size, daemon->memory, kept);
}

struct job *live_new(struct daemon *daemon, const struct record *record, uint64_t client)
{
    struct schedule_group *group = schedule_group(&daemon->schedule, record->group.data, record->group.size);
    struct job *job = calloc(1, sizeof *job);
    if (group == NULL || job == NULL) {
        free(job);
        return NULL;
    }
    schedule_job_init(&job->schedule);
    job->schedule.id = record->id;
    job->schedule.priority = record->priority;
    job->schedule.start_at = record->start_at;
    job->schedule.group = group;
    job->client = client;
    job->after_any = record->after_any;
    job->retrying = job->relative = record->failures + record->oom_retries > 0;
    HASH_ADD(hh, daemon->jobs, schedule.id, sizeof job->schedule.id, job);
    struct client *submitter = client_find(daemon, client);
    if (submitter != NULL)
        submitter->jobs++;
    return job;
}

void live_add(struct daemon *daemon, struct job *job)
{
    schedule_add(&daemon->schedule, &job->schedule, clock_now());
}

int live_need(struct daemon *daemon, struct job *job, uint64_t needed)
{
    struct job *other = live_find(daemon, needed);
    return other == NULL ? 0 : schedule_need(&job->schedule, &other->schedule);
}

/* Out of everything but daemon->jobs. */
static void detach(struct daemon *daemon, struct job *job)
{
    struct client *client = client_find(daemon, job->client);
    if (client != NULL)
        client->jobs--;
    schedule_remove(&daemon->schedule, &job->schedule);
    pool_reservation_free(job->reservation);
}

void live_drop(struct daemon *daemon, struct job *job)
{
    detach(daemon, job);
    HASH_DEL(daemon->jobs, job);
    free(job);
}

/* Returns the jobs that were in memory, for load_job to look at, and for forget. */
static struct job *set_aside(struct daemon *daemon)
{
    struct job *job, *next, *known = daemon->jobs;
    HASH_ITER(hh, known, job, next) {
        while (schedule_release(&daemon->schedule, &job->schedule, 0) != NULL)
            ;
        detach(daemon, job);
    }
    daemon->jobs = NULL;
    return known;
}

static void forget(struct job *known)
{
    struct job *job = known, *next;
    HASH_CLEAR(hh, known); /* frees the table; the jobs are still chained */
    for (; job != NULL; job = next) {
        next = job->hh.next;
        free(job);
    }
}

void live_clear(struct daemon *daemon)
{
    forget(set_aside(daemon));
}

static int load_group(void *user, const struct store_group *stored)
{
    struct daemon *daemon = user;
    struct schedule_group *group = schedule_group(&daemon->schedule, stored->name.data, stored->name.size);
    if (group == NULL)
        return -ENOMEM;
    group->limit = stored->limit;
    group->paused = stored->paused;
    return 0;
}

struct loading {
    struct daemon *daemon;
    struct job *known; /* the jobs that were in memory before: for what the store does not hold */
};

static int load_job(void *user, const struct record *record)
{
    struct loading *loading = user;
    struct job *before;
    HASH_FIND(hh, loading->known, &record->id, sizeof record->id, before);
    struct job *job = live_new(loading->daemon, record, before != NULL ? before->client : 0);
    if (job == NULL)
        return -ENOMEM;
    job->started = before != NULL && before->started;
    job->relative |= before != NULL && before->relative;
    if (record->state == RECORD_RUNNING)
        job->schedule.state = SCHEDULE_RUNNING; /* for add_loaded */
    return 0;
}

static int load_need(void *user, uint64_t id, uint64_t needs)
{
    struct job *job = live_find(user, id);
    return job == NULL ? 0 : live_need(user, job, needs);
}

static void add_loaded(struct daemon *daemon)
{
    struct job *job, *next;
    HASH_ITER(hh, daemon->jobs, job, next) {
        const bool runs = job->schedule.state == SCHEDULE_RUNNING;
        job->schedule.state = SCHEDULE_OUT;
        if (runs)
            job->schedule.start_at = 0; /* READY, so that it can run */
        live_add(daemon, job);
        if (runs)
            schedule_run(&daemon->schedule, &job->schedule);
    }
}

int live_load(struct daemon *daemon)
{
    struct loading loading = {.daemon = daemon, .known = set_aside(daemon)};
    struct schedule_group *group;
    int64_t paused = 0;
    TAILQ_FOREACH(group, &daemon->schedule.groups, entry) {
        group->limit = 0;
        group->paused = false;
    }
    int error = store_group_each(daemon->store, load_group, daemon);
    if (error == 0)
        error = store_live_each(daemon->store, load_job, &loading);
    if (error == 0)
        error = store_after_each(daemon->store, load_need, daemon);
    if (error == 0)
        error = store_fact_read(daemon->store, "paused", &paused);
    daemon->schedule.paused = error == 0 && paused != 0;
    forget(loading.known);
    if (error == 0 || error == -ENOENT) {
        add_loaded(daemon);
        return 0;
    }
    live_clear(daemon);
    return error;
}

void live_follow_clock(struct daemon *daemon)
{
    struct job *job, *next;
    struct timespec boot; /* it goes on while the machine sleeps, as the wall clock does */
    clock_gettime(CLOCK_BOOTTIME, &boot);
    const double now = clock_now(), offset = now - (double)boot.tv_sec - (double)boot.tv_nsec / 1e9;
    const double step = offset - daemon->clock_offset;
    if (daemon->clock_offset != 0 && step > -CLOCK_STEP && step < CLOCK_STEP)
        return;
    if (daemon->clock_offset != 0)
        HASH_ITER(hh, daemon->jobs, job, next)
            if (job->relative && job->schedule.state == SCHEDULE_LATER)
                schedule_change(&daemon->schedule, &job->schedule, job->schedule.priority, job->schedule.group,
                                job->schedule.start_at + step, now);
    daemon->clock_offset = offset;
}
