/* jobcount.h - how many jobs run at once, as GNU parallel's --jobs says it. Pure. */
#ifndef JOBCOUNT_H
#define JOBCOUNT_H

#include <stdint.h>

#define JOBCOUNT_MOST 10000

/* "4"; "+1" and "-1" are so many more and fewer than the processors, "150%" is that share of them, rounded up: at least
 * one job. "0" is 0, as many as can be. -EINVAL: none of these; -ERANGE: above JOBCOUNT_MOST. */
int jobcount_parse(const char *text, int64_t processors, int64_t *jobs);

#endif
