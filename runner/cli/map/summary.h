/* summary.h - figures about all jobs of a map. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <reclaim/pool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SUMMARY_HUNGRIEST 5

struct summary {
    uint64_t jobs, succeeded, skipped, again; /* again: further runs */
    uint64_t causes[POOL_CAUSE_COUNT_];       /* of those that failed */
    double seconds, cpu_seconds;              /* of all jobs together */
    struct summary_peak {
        uint64_t bytes;
        char inputs[64]; /* their start */
    } hungriest[SUMMARY_HUNGRIEST];
};

void summary_add(struct summary *summary, const char *inputs, const pool_result_t *result);

/* For a person; seconds: how long it all took. */
void summary_print(const struct summary *summary, double seconds, FILE *file);

/* The median of the latest durations: for --timeout 200%. Pure. */
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
