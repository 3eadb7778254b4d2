/* What the benchmark programs share. Each runs one round of one measurement and prints lines of `name value`;
 * repeating, medians and ratios are the driver's (bench.py). Times are seconds, rates a second, sizes bytes. */
#ifndef ROUND_H
#define ROUND_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB ((size_t)1 << 20)

/* How many are under way at once where throughput is measured, floors and pool alike. */
#define OUTSTANDING 4

static inline double round_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void round_tell(const char *name, double value)
{
    printf("%s %.9g\n", name, value);
}

static inline _Noreturn void round_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* The program's argument i as a number, or what is usual. Ends the program where it is none. */
static inline size_t round_number(int argc, char **argv, int i, size_t usual)
{
    if (i >= argc)
        return usual;
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(argv[i], &end, 10);
    if (errno != 0 || end == argv[i] || *end != '\0' || argv[i][0] == '-') {
        fprintf(stderr, "%s: argument %d, \"%s\", is not a whole number\n", argv[0], i, argv[i]);
        exit(2);
    }
    return (size_t)number;
}

/* An array for as many times. Never NULL. */
static inline double *round_times(size_t count)
{
    double *times = count > 0 ? calloc(count, sizeof *times) : NULL;
    if (times == NULL) {
        fprintf(stderr, "bench: no memory for %zu times (at least 1 is needed)\n", count);
        exit(1);
    }
    return times;
}

static inline int round_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Tells NAME_p50 and NAME_p99 of the times (*takes*: they are freed). */
static inline void round_tell_latency(const char *name, double *times, size_t count)
{
    char line[64];
    qsort(times, count, sizeof *times, round_compare);
    snprintf(line, sizeof line, "%s_p50", name);
    round_tell(line, times[count / 2]);
    snprintf(line, sizeof line, "%s_p99", name);
    round_tell(line, times[count * 99 / 100]);
    free(times);
}

/* Between two measurements of a latency: so that what is warm has come to rest. */
static inline void round_rest(void)
{
    poll(NULL, 0, 2);
}

#endif
