#include "jobcount.h"

#include "units.h"
#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

static int parse_percent(const char *text, int64_t processors, int64_t *jobs)
{
    double percent;
    const int rc = values_parse_percent(text, 1e9, &percent);
    if (rc < 0)
        return rc;
    const double count = ceil((double)processors * percent / 100);
    if (count > JOBCOUNT_MOST)
        return -ERANGE;
    *jobs = (int64_t)count;
    return 0;
}

int jobcount_parse(const char *text, int64_t processors, int64_t *jobs)
{
    const char sign = text[0];
    int64_t number;
    if (values_is_percent(text))
        return parse_percent(text, processors, jobs);
    const char *digits = sign == '+' || sign == '-' ? text + 1 : text;
    const int rc = isdigit((unsigned char)digits[0]) ? units_parse_number(digits, 0, INT32_MAX, &number) : -EINVAL;
    if (rc < 0)
        return rc;
    if (sign == '-')
        number = processors - number > 1 ? processors - number : 1;
    else if (sign == '+')
        number += processors;
    if (number > JOBCOUNT_MOST)
        return -ERANGE;
    *jobs = number;
    return 0;
}
