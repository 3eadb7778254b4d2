#include "median.h"

#include <stdlib.h>
#include <string.h>

void median_add(struct median *median, double value)
{
    median->values[median->count++ % MEDIAN_MOST] = value;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(const struct median *median)
{
    double sorted[MEDIAN_MOST];
    const size_t count = median->count < MEDIAN_MOST ? median->count : MEDIAN_MOST;
    if (count < MEDIAN_LEAST)
        return 0;
    memcpy(sorted, median->values, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare);
    return count % 2 != 0 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}
