#include "curve.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 256

/* Pairs of neighbours become one: the higher, where it was. */
static void halve(struct curve *curve)
{
    size_t kept = 0;
    for (size_t i = 0; i + 1 < curve->count; i += 2)
        curve->points[kept++] =
            curve->points[i].bytes > curve->points[i + 1].bytes ? curve->points[i] : curve->points[i + 1];
    if (curve->count % 2 != 0)
        curve->points[kept++] = curve->points[curve->count - 1];
    curve->count = kept;
}

int curve_add(struct curve *curve, double time, uint64_t bytes)
{
    if (curve->count == CURVE_MOST)
        halve(curve);
    if (curve->count == curve->capacity) {
        const size_t capacity = curve->capacity == 0 ? FIRST_CAPACITY : curve->capacity * 2;
        struct curve_point *points = realloc(curve->points, capacity * sizeof *points);
        if (points == NULL)
            return -ENOMEM;
        curve->points = points;
        curve->capacity = capacity;
    }
    curve->points[curve->count++] = (struct curve_point){time, bytes};
    return 0;
}

void curve_deinit(struct curve *curve)
{
    free(curve->points);
    *curve = (struct curve){0};
}

int curve_write_mprof(const struct curve *curve, FILE *file, const char *const *argv)
{
    fputs("CMDLINE", file);
    for (; *argv != NULL; argv++) {
        fputc(' ', file);
        for (const char *at = *argv; *at != '\0'; at++) /* one line, whatever is in it */
            fputc(*at == '\n' || *at == '\r' ? ' ' : *at, file);
    }
    fputc('\n', file);
    for (size_t i = 0; i < curve->count; i++)
        if (fprintf(file, "MEM %.6f %.4f\n", (double)curve->points[i].bytes / 1048576, curve->points[i].time) < 0)
            return -errno;
    return fflush(file) != 0 ? -errno : 0;
}
