/* when.h - a point in time as people write it. Pure, but for the time zone. */
#ifndef WHEN_H
#define WHEN_H

#include <time.h>

/* "17:30" (today, or tomorrow where that is over), "2026-01-31", "2026-01-31 17:30", "2026-01-31T17:30:15",
 * "@1767225600" (seconds since the epoch): seconds since the epoch, in local time. -EINVAL. */
int when_parse(const char *text, time_t now, double *seconds);

#endif
