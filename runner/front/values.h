/* values.h - the value of an option, parsed and checked. The functions return 0, or -1 after values_fail. */
#ifndef VALUES_H
#define VALUES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

extern const char *values_verb; /* whose options are read: table_read sets it; NULL: the program's */

/* Prints "reclaim run: --memory 12Q: WHAT". Returns -1. */
int values_fail(const char *option, const char *value, const char *what);

/* `range` is the message for a number below least or above most; NULL: a sentence with both. */
int values_number(const char *option, const char *text, int64_t least, int64_t most, const char *range, int64_t *value);
int values_size(const char *option, const char *text, int64_t least, int64_t most, const char *range, int64_t *bytes);

/* Milliseconds; least: 0 or 1. */
int values_time(const char *option, const char *text, int64_t least, int64_t *ms);

/* Absolute, so that a later chdir(2) does not change the place. */
int values_path(const char *option, const char *text, char path[PATH_MAX]);

/* A size of at least 1 MiB, or a percentage of the machine's memory, as a share of 1; the other one becomes 0. `few` is
 * the message for a smaller size. */
int values_memory(const char *option, const char *text, const char *few, int64_t *bytes, double *share);

/* The same in bytes, as pool_options_t wants them. */
int values_memory_budget(const char *option, const char *text, int64_t *bytes);

/* A number with a % at its end, above 0 and at most `most`; -EINVAL, -ERANGE without a message. */
bool values_is_percent(const char *text);
int values_parse_percent(const char *text, double most, double *percent);

/* Bytes that the machine has. */
double values_physical_memory(void);

#endif
