/* room.h - admission in the loop: what the machine has left, who may start, who makes room below the floor. What
 * decides is in admission.c. */
#ifndef ROOM_H
#define ROOM_H

#include "admission.h"
#include "machine.h"
#include "pressure.h"

#include <reclaim/pool.h>
#include <stdatomic.h>

struct job_record;
struct loop;

struct room {
    struct admission admission; /* its rules do not change: any thread may read them */
    struct machine machine;     /* the same */
    struct pressure pressure;
    int64_t listen_at;         /* when the trigger is to be made: room_watch */
    int64_t seen_at;           /* when the machine was looked at; 0: never */
    int64_t look_at;           /* jobs wait that may not start: when that may change */
    int64_t watch_at;          /* when the floor is to be looked at */
    bool told;                 /* that nothing starts */
    bool is_asked;             /* for a job that is not in the pool, while nothing starts */
    _Atomic uint64_t reserved; /* what jobs hold, for other threads */
};

/* On the pool's thread, before the pool is open: finds budget and floor. And when nothing will start any more. */
void room_open(struct loop *loop);
void room_close(struct loop *loop);

/* Frees it, when no thread uses it; one that never opened, too. */
void room_deinit(struct room *room);

/* Looks at the machine, if it was not looked at just now. */
void room_look(struct loop *loop, int64_t now);

/* Whether this job, the next in a scan's turn, may start: admission_try. It has a record. The caller holds the lock. */
enum admission_answer room_try(struct room *room, struct admission_scan *scan, pool_job_t *job);

/* The same for one that is not in the pool: by its ticket. */
enum admission_answer room_try_ticket(struct room *room, struct admission_scan *scan, struct admission_ticket *ticket);

/* What was reserved for it before it came starts now: admission_begin. */
void room_begin(struct room *room, pool_job_t *job, int64_t now);

/* It did not start after all: admission_give_back. */
void room_give_back(struct room *room, struct job_record *record);

/* Evicts a job if it has to be, and listens for pressure once the pool is a second old. */
void room_watch(struct loop *loop, int64_t now);

/* Says what there is to say, and when there is something to do again. */
int64_t room_next(struct loop *loop);

#endif
