/* jobview.h - a job in reclaimd's answers, for people: a row of a table, all of it, a line about it. */
#ifndef JOBVIEW_H
#define JOBVIEW_H

#include "grid.h"

#include <reclaim/map.h>

/* The titles of the rows; ended by NULL. */
extern const char *const jobview_titles[];

void jobview_add(struct grid *grid, const msgpack_object *job);

/* Prints all fields, a line each. */
void jobview_print(FILE *file, const msgpack_object *job);

/* Prints "job 7 (NAME): MESSAGE" on standard error, for a job that did not succeed. */
void jobview_complain(const char *verb, const msgpack_object *job);

/* An event: time, what happened, and to which job. */
void jobview_print_event(FILE *file, const msgpack_object *event);

#endif
