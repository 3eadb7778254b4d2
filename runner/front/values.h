/* values.h - what stands after an option, checked: 0, or -1 after table_fail has said what is wrong with it. */
#ifndef VALUES_H
#define VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int values_size(const char *option, const char *text, int64_t *bytes);

/* A duration is more than nothing; values_delay takes 0, too. */
int values_duration(const char *option, const char *text, int64_t *ms);
int values_delay(const char *option, const char *text, int64_t *ms);

/* What a number outside of least to most is, is told in `range`. */
int values_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *value, const char *range);

/* Bytes, as a size or as a percentage of the machine's memory: at least 1 MiB, as pool_options_t wants it. */
int values_memory_budget(const char *option, const char *text, int64_t *bytes);

/* A number with a % at its end, above 0 and at most `most`; -EINVAL, -ERANGE, and nothing is said. */
bool values_is_percent(const char *text);
int values_parse_percent(const char *text, double most, double *percent);

/* Bytes that the machine has. */
double values_physical_memory(void);

#endif
