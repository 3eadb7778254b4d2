/* ends.h - a run has ended: its job runs again, or has ended, and then perhaps others with it. */
#ifndef ENDS_H
#define ENDS_H

#include "daemon.h"

struct job;

/* A new ending of this job, for the next turn that can be written; the caller fills it in. */
struct ending *ends_add(struct daemon *daemon, uint64_t id);

/* When it may be applied (uv_now); 0: at once. A job that died of a signal that ends daemons, too, is held back for a
 * moment, to see whether this daemon gets it. */
int64_t ends_held_until(const struct daemon *daemon, const struct ending *ending);
/* In how many milliseconds an ending can be applied, without another event; -1: there is none. */
int64_t ends_due(const struct daemon *daemon);

int ends_apply(struct daemon *daemon, const struct ending *ending); /* writes it; -1 after turn_check */
/* Ends a job that does not run (any more), and the jobs that need its success. record is updated and written. */
int ends_finish(struct daemon *daemon, struct job *job, struct record *record);
/* Ends a waiting job, since a job that it needs has failed. */
int ends_fail_dependent(struct daemon *daemon, struct job *job);
/* Removes an ended job: its row, its files. -1 after turn_check. */
int ends_forget(struct daemon *daemon, uint64_t id);

/* In the first turn that can be written: each job that ran when a daemon died is interrupted, cancelled if that was
 * asked, or waits again (on_crash: requeue). */
void ends_recover(struct daemon *daemon);

/* Fills in an end that is the daemon's own word, not a run's. */
void ends_say(struct record_end *end, int32_t cause, const char *message);

#endif
