/* births.h - how many workers to ask for, and when not to: pure. */
#ifndef BIRTHS_H
#define BIRTHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIRTHS_UNACKNOWLEDGED_MAX 32 /* a SEQPACKET holds 278 small messages, a user 1,024 descriptors in flight */
#define BIRTHS_FAILURES_MAX       12 /* in a row, over some seven seconds; then the waiting jobs are LOST */

struct births_view {
    size_t queued;    /* jobs that could start now */
    size_t running;   /* jobs that hold a worker */
    size_t idle;      /* workers that wait for a job */
    size_t asked;     /* workers requested and not born yet */
    size_t processes; /* workers not gone yet, requested ones included */
    size_t workers;   /* jobs that may run at once */
    size_t warm;      /* idle workers to keep */
};

/* How many workers to ask for now: there are never more than workers + warm. */
size_t births_wanted(const struct births_view *view);

/* Whether a worker that is born now is one too many. One more than is kept warm is not: under load the fork server
 * makes one unasked, before the host knows that it needs it; but that one and requested ones may come together. */
bool births_surplus(const struct births_view *view);

/* Failures in a row: a worker that could not be forked, or died before it took its job. */
struct births_failures {
    unsigned count;
    int64_t not_before; /* ms; no birth before */
};

/* An idle worker was killed by another process, as by a signal to the whole tree. That is no failure, but the next
 * birth comes a moment later. */
void births_died_idle(struct births_failures *failures, int64_t now);

/* A birth has failed. True: so many in a row that the waiting jobs are to be settled. */
bool births_failed(struct births_failures *failures, int64_t now);
void births_succeeded(struct births_failures *failures);

#endif
