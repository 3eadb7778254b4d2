/* report.h - one job's report: a JSON object for programs, lines for people. */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>
#include <reclaim/pool.h>
#include <stdio.h>

/* Bytes as a string of JSON, which is Unicode: if they are not UTF-8, the bytes above 0x7f become \xNN. NULL: no
 * memory. */
json_t *report_text(const char *bytes, size_t size);

/* The object on one line, and a newline. argv ends in NULL. 0, or a negative errno. */
int report_write_json(FILE *file, const char *const *argv, const pool_result_t *result);

/* For a person: the resources that the job used, the method of measuring, the outcome. */
void report_print(FILE *file, const char *const *argv, const pool_result_t *result);

#endif
