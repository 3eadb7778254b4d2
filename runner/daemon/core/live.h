/* live.h - the jobs that have not ended, in memory: made from rows, dropped, loaded. */
#ifndef LIVE_H
#define LIVE_H

#include "daemon.h"

#include <uthash.h>

struct job {
    struct schedule_job schedule;
    uint64_t client;                 /* the session that submitted it; 0: one of another life */
    bool after_any;                  /* it runs also when a job that it needs has failed */
    bool retrying;                   /* its time is a retry's */
    bool relative;                   /* its time is a delay: it does not follow a clock that is set */
    bool dependency_failed;          /* it is being ended, since a job that it needs has failed */
    bool started;                    /* RUNNING: a worker has it; else a worker is about to have it */
    pool_reservation_t *reservation; /* of starts.c: of a job that waits for memory, or starts in this turn */
    UT_hash_handle hh;               /* by schedule.id */
};

struct job *live_find(const struct daemon *daemon, uint64_t id);
/* A job for record, not yet in the schedule: see live_add. NULL: no memory. */
struct job *live_new(struct daemon *daemon, const struct record *record, uint64_t client);
void live_add(struct daemon *daemon, struct job *job);
/* It waits for the job of this id, unless that has ended. -ENOMEM. */
int live_need(struct daemon *daemon, struct job *job, uint64_t needed);
void live_drop(struct daemon *daemon, struct job *job); /* out of the schedule, and freed */
/* Loads everything anew from the store. Running jobs stay so. */
int live_load(struct daemon *daemon);
void live_clear(struct daemon *daemon);
/* Reads the specification of any job, for spec_free. */
int live_spec(const struct daemon *daemon, uint64_t id, struct spec_kept *kept);
/* Keeps delays as long as they were when the wall clock is set. */
void live_follow_clock(struct daemon *daemon);

#endif
