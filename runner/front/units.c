#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LARGEST 4e18 /* leaves room in an int64_t for sums */

struct unit {
    const char *name;
    double factor;
};

static const struct unit sizes[] = {
    {"", 1},
    {"b", 1},
    {"k", 1024.0},
    {"m", 1048576.0},
    {"g", 1073741824.0},
    {"t", 0x1p40},
    {"ki", 1024.0},
    {"mi", 1048576.0},
    {"gi", 1073741824.0},
    {"ti", 0x1p40},
    {"kib", 1024.0},
    {"mib", 1048576.0},
    {"gib", 1073741824.0},
    {"tib", 0x1p40},
    {"kb", 1e3},
    {"mb", 1e6},
    {"gb", 1e9},
    {"tb", 1e12},
    {NULL, 0},
};

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
