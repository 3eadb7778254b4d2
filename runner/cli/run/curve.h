/* curve.h - one job's memory over time: points collected, and written as mprof does. */
#ifndef CURVE_H
#define CURVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct curve_point {
    double time; /* seconds since the epoch */
    uint64_t bytes;
};

/* At most CURVE_MOST points: with more every second one is dropped, so a long job has a coarser curve. */
#define CURVE_MOST 65536

struct curve {
    struct curve_point *points;
    size_t count, capacity;
};

int curve_add(struct curve *curve, double time, uint64_t bytes);
void curve_deinit(struct curve *curve);

/* memory_profiler's format, which `mprof plot` draws: "CMDLINE ...", then "MEM <MiB> <seconds since the epoch>".
 * Negative errno. */
int curve_write_mprof(const struct curve *curve, FILE *file, const char *const *argv);

#endif
