/* schedule_heap.h - a leftist heap of jobs: whatever comes before all others is on top.
 *
 * Intrusive, so nothing can fail; every call costs O(log jobs), also the removal of any of them.
 * https://en.wikipedia.org/wiki/Leftist_tree */
#ifndef SCHEDULE_HEAP_H
#define SCHEDULE_HEAP_H

#include "schedule.h"

/* Whether a comes before b; a total order. */
typedef bool (*schedule_before_fn)(const struct schedule_job *a, const struct schedule_job *b);

/* *top: NULL is the empty heap. */
void schedule_heap_add(struct schedule_job **top, struct schedule_job *job, schedule_before_fn before);
void schedule_heap_remove(struct schedule_job **top, struct schedule_job *job, schedule_before_fn before);

#endif
