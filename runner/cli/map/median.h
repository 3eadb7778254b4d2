/* median.h - the median of the latest durations: for --timeout 200%. Pure. */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <stddef.h>

#define MEDIAN_LEAST 3   /* values for a median */
#define MEDIAN_MOST  499 /* values that are kept, the latest */

struct median {
    double values[MEDIAN_MOST];
    size_t count; /* ever added */
};

void median_add(struct median *median, double value);

/* 0 while there are fewer than MEDIAN_LEAST. */
double median_of(const struct median *median);

#endif
