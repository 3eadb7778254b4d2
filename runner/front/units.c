#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LARGEST 4e18 /* leaves room in an int64_t for sums */

struct unit {
    const char *name;
    double factor;
};

static const struct unit sizes[] = {{"", 1},       {"b", 1},        {"k", 1024},     {"m", 0x1p20},   {"g", 0x1p30},
                                    {"t", 0x1p40}, {"ki", 1024},    {"mi", 0x1p20},  {"gi", 0x1p30},  {"ti", 0x1p40},
                                    {"kib", 1024}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40}, {"kb", 1e3},
                                    {"mb", 1e6},   {"gb", 1e9},     {"tb", 1e12},    {NULL, 0}};

static const struct unit durations[] = {{"", 1000},     {"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* A plain decimal number at the start of text: no sign, not hexadecimal, finite. */
static int parse_digits(const char *text, double *number, const char **end)
{
    char *after;
    if (!isdigit((unsigned char)text[0]) && !(text[0] == '.' && isdigit((unsigned char)text[1])))
        return -EINVAL;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return -EINVAL;
    *number = strtod(text, &after);
    *end = after;
    return isfinite(*number) ? 0 : -ERANGE;
}

static int parse_with_unit(const char *text, const struct unit *units, int64_t *value)
{
    double number;
    const char *end;
    const int rc = parse_digits(text, &number, &end);
    if (rc < 0)
        return rc;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcasecmp(end, unit->name) != 0)
            continue;
        number *= unit->factor;
        if (number > LARGEST)
            return -ERANGE;
        *value = (int64_t)number;
        return 0;
    }
    return -EINVAL;
}

int units_parse_size(const char *text, int64_t *bytes)
{
    return parse_with_unit(text, sizes, bytes);
}

int units_parse_duration(const char *text, int64_t *ms)
{
    return parse_with_unit(text, durations, ms);
}

int units_parse_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0]))
        return -EINVAL;
    if (errno == ERANGE || value < least || value > most)
        return -ERANGE;
    *number = value;
    return 0;
}

int units_parse_decimal(const char *text, double least, double most, double *number)
{
    const char *end;
    const int rc = parse_digits(text, number, &end);
    if (rc < 0)
        return rc;
    if (*end != '\0')
        return -EINVAL;
    return *number >= least && *number <= most ? 0 : -ERANGE;
}

/* The whole of text, by one of these; what the format does not say stays. */
static int parse_whole(const char *text, const char *format, struct tm *parts)
{
    const char *end = strptime(text, format, parts);
    return end != NULL && *end == '\0' ? 0 : -EINVAL;
}

static int parse_date(const char *text, time_t *seconds)
{
    static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                                          "%Y-%m-%dT%H:%M:%S"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm parts = {.tm_isdst = -1};
        if (parse_whole(text, formats[i], &parts) == 0) {
            const int day = parts.tm_mday;
            *seconds = mktime(&parts); /* the 30th of February becomes the 2nd of March */
            return *seconds < 0 || parts.tm_mday != day ? -EINVAL : 0;
        }
    }
    return -EINVAL;
}

static int parse_hour(const char *text, time_t now, time_t *seconds)
{
    struct tm parts;
    if (localtime_r(&now, &parts) == NULL)
        return -EINVAL;
    parts.tm_sec = 0;
    if (parse_whole(text, "%H:%M", &parts) < 0 && parse_whole(text, "%H:%M:%S", &parts) < 0)
        return -EINVAL;
    parts.tm_isdst = -1;
    *seconds = mktime(&parts);
    if (*seconds < now) {
        parts.tm_mday++;
        parts.tm_isdst = -1;
        *seconds = mktime(&parts);
    }
    return 0;
}

int units_parse_time(const char *text, time_t now, double *seconds)
{
    time_t whole;
    if (text[0] == '@')
        return units_parse_decimal(text + 1, 1, 1e11, seconds) < 0 ? -EINVAL : 0;
    if (parse_date(text, &whole) < 0 && parse_hour(text, now, &whole) < 0)
        return -EINVAL;
    *seconds = (double)whole;
    return 0;
}

const char *units_format_size(uint64_t bytes, char *text, size_t size)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof names / sizeof names[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, unit == 0 ? "%.0f %s" : value < 10 ? "%.2f %s" : "%.1f %s", value, names[unit]);
    return text;
}

const char *units_format_duration(double seconds, char *text, size_t size)
{
    const long long whole = (long long)seconds;
    if (seconds < 60)
        snprintf(text, size, "%.3f s", seconds);
    else if (whole < 3600)
        snprintf(text, size, "%lld min %lld s", whole / 60, whole % 60);
    else
        snprintf(text, size, "%lld h %lld min", whole / 3600, whole % 3600 / 60);
    return text;
}
