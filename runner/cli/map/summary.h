/* summary.h - figures about all jobs of a map. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <reclaim/pool.h>
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

#endif
