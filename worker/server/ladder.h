/* ladder.h - when a job's processes get which signal: SIGTERM, a grace, SIGKILL. Pure: time goes in, an action comes
 * out.
 *
 * Times are milliseconds of one monotonic clock. The first reason stays: who asks later can only make it sooner. */
#ifndef LADDER_H
#define LADDER_H

#include <stdint.h>

enum ladder_action { LADDER_WAIT = 0, LADDER_TERM, LADDER_KILL };

enum ladder_state { LADDER_RUNNING = 0, LADDER_ASKED, LADDER_TERMINATED, LADDER_KILLED };

struct ladder {
    enum ladder_state state;
    uint64_t reason;
    int64_t deadline; /* when the job is over time; INT64_MAX: never */
    int64_t grace;    /* after a deadline */
    int64_t kill_at;  /* once asked to end */
    uint64_t deadline_reason;
};

#define LADDER_NEVER INT64_MAX

/* A job without limits. */
void ladder_init(struct ladder *ladder);

/* Sets the deadline: at it, for that reason, with that grace. */
void ladder_limit(struct ladder *ladder, int64_t deadline, uint64_t reason, int64_t grace);

/* Asks for the end now. grace 0: SIGKILL at once. */
void ladder_ask(struct ladder *ladder, uint64_t reason, int64_t grace, int64_t now);

/* What to do now. paused: milliseconds for which the job was stopped and its deadline did not run. Each TERM and KILL
 * is told once. */
enum ladder_action ladder_step(struct ladder *ladder, int64_t now, int64_t paused);

/* When ladder_step has to be asked again; LADDER_NEVER. */
int64_t ladder_next(const struct ladder *ladder, int64_t paused);

#endif
