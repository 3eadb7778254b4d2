/* report.h - one job's report: a JSON object for programs, lines for people. */
#ifndef REPORT_H
#define REPORT_H

#include <reclaim/pool.h>
#include <stdio.h>

/* The object on one line, and a newline. argv ends in NULL. 0, or a negative errno. */
int report_write_json(FILE *file, const char *const *argv, const pool_result_t *result);

/* For a person: what it used, how that was measured, how it ended. */
void report_print(FILE *file, const char *const *argv, const pool_result_t *result);

#endif
