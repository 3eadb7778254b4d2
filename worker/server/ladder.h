/* ladder.h - when a job's processes get which signal: SIGTERM, a grace, SIGKILL. Pure: time goes in, an action comes
 * out. Times are milliseconds of one monotonic clock. The first reason is kept. A later one can only bring the SIGKILL
 * forward. */
#ifndef LADDER_H
#define LADDER_H

#include <stdint.h>

enum ladder_action { LADDER_WAIT = 0, LADDER_TERM, LADDER_KILL };

enum ladder_state { LADDER_RUNNING = 0, LADDER_ASKED, LADDER_TERMINATED, LADDER_KILLED };

struct ladder {
    enum ladder_state state;
    uint64_t reason;
    int64_t deadline; /* LADDER_NEVER: none */
    int64_t grace;    /* after the deadline */
    int64_t kill_at;  /* when the job gets SIGKILL, once it is asked to end */
    uint64_t deadline_reason;
};

#define LADDER_NEVER INT64_MAX

/* A job without limits. */
void ladder_init(struct ladder *ladder);

/* From the deadline on the job is asked to end. */
void ladder_limit(struct ladder *ladder, int64_t deadline, uint64_t reason, int64_t grace);

/* Asks the job to end now. grace 0: SIGKILL at once. */
void ladder_ask(struct ladder *ladder, uint64_t reason, int64_t grace, int64_t now);

/* What to do now; TERM and KILL come once. paused: milliseconds that the job was stopped, which move its deadline. */
enum ladder_action ladder_step(struct ladder *ladder, int64_t now, int64_t paused);

/* When ladder_step has to be called again; LADDER_NEVER. */
int64_t ladder_next(const struct ladder *ladder, int64_t paused);

#endif
