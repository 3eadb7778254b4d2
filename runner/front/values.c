#include "values.h"

#include "table.h"
#include "units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NO_DURATION "not a duration: give seconds, or 30s, 5m, 2h, 1d"

static const char *explain(int rc, const char *what, const char *range)
{
    return rc == -ERANGE ? range : what;
}

int values_size(const char *option, const char *text, int64_t *bytes)
{
    const int rc = units_parse_size(text, bytes);
    return rc < 0 ? table_fail(option, text, explain(rc, "not a size: give bytes, or 512K, 2G, 1.5G", "too large")) : 0;
}

int values_delay(const char *option, const char *text, int64_t *ms)
{
    const int rc = units_parse_duration(text, ms);
    return rc < 0 ? table_fail(option, text, explain(rc, NO_DURATION, "too long")) : 0;
}

int values_duration(const char *option, const char *text, int64_t *ms)
{
    if (values_delay(option, text, ms) < 0)
        return -1;
    return *ms > 0 ? 0 : table_fail(option, text, "must be more than nothing");
}

int values_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *value, const char *range)
{
    const int rc = units_parse_number(text, least, most, value);
    return rc < 0 ? table_fail(option, text, explain(rc, "not a whole number", range)) : 0;
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

int values_memory_budget(const char *option, const char *text, int64_t *bytes)
{
    double percent;
    if (!values_is_percent(text)) {
        if (values_size(option, text, bytes) < 0)
            return -1;
    } else {
        if (values_parse_percent(text, 100, &percent) < 0)
            return table_fail(option, text, "not a percentage of the machine's memory: give 80%");
        *bytes = (int64_t)(values_physical_memory() * percent / 100);
    }
    return *bytes >= 1 << 20 ? 0 : table_fail(option, text, "give at least 1M");
}
