/* units.h - sizes, durations, numbers and times as people write them, and back. Pure, but for the time zone. */
#ifndef UNITS_H
#define UNITS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* "512K", "2G", "1.5G", "100": bytes; K M G T are binary, as KiB; KB MB GB TB decimal. -EINVAL: not a size; -ERANGE:
 * too large. */
int units_parse_size(const char *text, int64_t *bytes);

/* "1.5", "30s", "5m", "2h", "1d", "250ms": milliseconds; a number without a unit is seconds. -EINVAL, -ERANGE. */
int units_parse_duration(const char *text, int64_t *ms);

/* A whole number from least to most. -EINVAL, -ERANGE. */
int units_parse_number(const char *text, int64_t least, int64_t most, int64_t *number);

/* A decimal number from least to most. -EINVAL, -ERANGE. */
int units_parse_decimal(const char *text, double least, double most, double *number);

/* "17:30" (today, or tomorrow where that is over), "2026-01-31", "2026-01-31 17:30", "2026-01-31T17:30:15",
 * "@1767225600" (seconds since the epoch): seconds since the epoch, in local time. -EINVAL. */
int units_parse_time(const char *text, time_t now, double *seconds);

/* "1.5 GiB": returns text. */
const char *units_format_size(uint64_t bytes, char *text, size_t size);

/* "1.234 s", "2 min 5 s", "3 h 2 min": returns text. */
const char *units_format_duration(double seconds, char *text, size_t size);

#endif
