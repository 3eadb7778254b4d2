#include "values.h"

#include "say.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_LEAST (INT64_C(1) << 20)

const char *values_verb;

int values_fail(const char *option, const char *value, const char *what)
{
    return say(values_verb, "--%s %s: %s", option, value, what);
}

static const char *explain(int rc, const char *what, const char *range)
{
    return rc == -ERANGE ? range : what;
}

/* Of a number out of its range, which has words of its own, or NULL. */
static int fail_range(const char *option, const char *text, int64_t least, int64_t most, const char *range)
{
    char limits[64];
    if (most >= INT32_MAX)
        snprintf(limits, sizeof limits, "must be at least %" PRId64, least);
    else
        snprintf(limits, sizeof limits, "must lie between %" PRId64 " and %" PRId64, least, most);
    return values_fail(option, text, range != NULL ? range : limits);
}

int values_size(const char *option, const char *text, int64_t least, int64_t most, const char *range, int64_t *bytes)
{
    const int rc = units_parse_size(text, bytes);
    if (rc < 0)
        return values_fail(option, text, explain(rc, "not a size: give bytes, or 512K, 2G, 1.5G", "too large"));
    return *bytes >= least && *bytes <= most ? 0 : fail_range(option, text, least, most, range);
}

int values_time(const char *option, const char *text, int64_t least, int64_t *ms)
{
    const int rc = units_parse_duration(text, ms);
    if (rc < 0)
        return values_fail(option, text, explain(rc, "not a duration: give seconds, or 30s, 5m, 2h, 1d", "too long"));
    return *ms >= least ? 0 : values_fail(option, text, "must be greater than zero");
}

int values_number(const char *option, const char *text, int64_t least, int64_t most, const char *range, int64_t *value)
{
    const int rc = units_parse_number(text, least, most, value);
    if (rc == -ERANGE)
        return fail_range(option, text, least, most, range);
    return rc < 0 ? values_fail(option, text, "not a whole number") : 0;
}

int values_path(const char *option, const char *text, char path[PATH_MAX])
{
    char directory[PATH_MAX] = "";
    if (text[0] == '\0')
        return values_fail(option, text, "is empty: give a path");
    if (text[0] != '/' && getcwd(directory, sizeof directory) == NULL)
        return values_fail(option, text, "the working directory is gone: give an absolute path");
    const int size = snprintf(path, PATH_MAX, "%s%s%s", directory, text[0] == '/' ? "" : "/", text);
    return size < PATH_MAX ? 0 : values_fail(option, text, "too long for a path");
}

bool values_is_percent(const char *text)
{
    return text[0] != '\0' && text[strlen(text) - 1] == '%';
}

int values_parse_percent(const char *text, double most, double *percent)
{
    char digits[32];
    const size_t size = strlen(text);
    if (size < 2 || size >= sizeof digits || text[size - 1] != '%')
        return -EINVAL;
    memcpy(digits, text, size - 1);
    digits[size - 1] = '\0';
    return units_parse_decimal(digits, 0.001, most, percent);
}

double values_physical_memory(void)
{
    return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

int values_memory(const char *option, const char *text, const char *few, int64_t *bytes, double *share)
{
    double percent;
    *bytes = 0;
    *share = 0;
    if (!values_is_percent(text))
        return values_size(option, text, MEMORY_LEAST, INT64_MAX, few, bytes);
    if (values_parse_percent(text, 100, &percent) < 0)
        return values_fail(option, text, "not a percentage of the machine's memory: give 80%");
    *share = percent / 100;
    return 0;
}

int values_memory_budget(const char *option, const char *text, int64_t *bytes)
{
    static const char few[] = "give at least 1M";
    double share;
    if (values_memory(option, text, few, bytes, &share) < 0)
        return -1;
    if (share > 0)
        *bytes = (int64_t)(values_physical_memory() * share);
    return *bytes >= MEMORY_LEAST ? 0 : values_fail(option, text, few);
}
