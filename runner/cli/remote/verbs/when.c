#include "when.h"

#include "units.h"

#include <errno.h>
#include <string.h>

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

int when_parse(const char *text, time_t now, double *seconds)
{
    time_t whole;
    if (text[0] == '@')
        return units_parse_decimal(text + 1, 1, 1e11, seconds) < 0 ? -EINVAL : 0;
    if (parse_date(text, &whole) < 0 && parse_hour(text, now, &whole) < 0)
        return -EINVAL;
    *seconds = (double)whole;
    return 0;
}
