/* room.h - the machine's memory, for admission: how much is left, which ticket may start, which one makes room below
 * the floor. policy/admission.h decides; this is its state, and what it knows of the machine. It ends no job. All of it
 * belongs to the thread that owns the loop, except what any thread may read. */
#ifndef ROOM_H
#define ROOM_H

#include "admission.h"
#include "drive.h"
#include "failure.h"
#include "machine.h"

#include <reclaim/pool.h>
#include <stdatomic.h>

struct room {
    struct admission admission; /* its rules do not change: any thread may read them */
    struct machine machine;     /* the same */
    int pressure_fd;            /* has EPOLLPRI once for each event, however many poll it; -1: closed */
    _Atomic int64_t stalled_at; /* ms; the last event: tasks of the machine stalled for lack of memory */
    struct drive *drive;        /* *borrowed* */
    const struct log_hook *log; /* *borrowed* */
    int64_t listen_at;          /* when the kernel is asked to report pressure */
    int64_t seen_at;            /* when the machine was looked at */
    int64_t look_at;            /* jobs wait that may not start: when that may change */
    int64_t watch_at;           /* when the floor is to be looked at */
    bool is_reported;           /* the log says that nothing starts */
    bool is_asked;              /* for a reservation, while nothing starts */
    _Atomic uint64_t reserved;  /* what jobs hold, for other threads */
};

/* On the pool thread, before the pool is open: finds budget and floor. drive and log are *borrowed*. */
void room_open(struct room *room, const pool_options_t *options, struct drive *drive, const struct log_hook *log);

/* Nothing will start any more. */
void room_close(struct room *room);

/* Frees it, when no thread uses it; also one that never opened. */
void room_deinit(struct room *room);

/* Whether tasks of this machine stall for lack of memory. Any thread. */
bool room_is_pressed(const struct room *room, int64_t now);

/* Looks at the machine, if it was not looked at just now. */
void room_look(struct room *room, int64_t now);

/* A dispatch begins: forgets the jobs that might not start. */
void room_begin_dispatch(struct room *room, int64_t now, bool can_start);

/* Whether this ticket, the next in a scan's order, may start: admission_try. If not, it is looked at again in time. */
enum admission_answer room_try(struct room *room, struct admission_scan *scan, struct admission_ticket *ticket);

/* It did not start after all: admission_give_back. */
void room_give_back(struct room *room, struct admission_ticket *ticket);

/* The fork server says that a running job has used so many bytes at its highest. */
void room_used(struct room *room, struct admission_ticket *ticket, uint64_t most);

/* An attempt is over and its memory is back; before the job may wait again. learn: peak (bytes) is the memory that it
 * needed, or a lower bound of it. */
void room_ended(struct room *room, struct admission_ticket *ticket, uint64_t peak, bool learn);

/* Whether the floor is to be looked at now: admission_victim follows. Asks for reports of pressure, after a second. */
bool room_is_watch_due(struct room *room, int64_t now);

/* The job of a ticket is ended to make room: admission_evict, and a line in the log. */
void room_evict(struct room *room, struct admission_ticket *ticket, const char *name, int64_t now);

/* A reservation was refused while nothing starts. True: the next step, which is to come soon, logs that. */
bool room_ask(struct room *room);

/* At the end of a step: writes to the log that jobs wait, or start again. When the next step is due, in ms. */
int64_t room_next(struct room *room);

#endif
