/* progress.h - the progress of a map, in one line. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    uint64_t done, total; /* of this session; total 0: not known */
    uint64_t failed, running;
    uint64_t memory, budget; /* bytes; budget 0: none */
    double seconds;          /* since the start */
};

/* "12/100 done, 1 failed, 4 running, 1.2 GiB of 8.0 GiB, 3.4/s, 26 s left", no longer than `columns` (0: as it is).
 * Pure. */
void progress_format(const struct progress *progress, unsigned columns, struct text *line);

/* How it is shown. */
struct progress_view {
    enum { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_REDRAWN } style;
    bool escapes; /* the terminal can erase a line; else it is painted over with spaces */
    bool shown;   /* a line without its end stands on the terminal */
    double next;  /* seconds: not before */
    size_t width; /* of what is shown */
};

/* Decides by the terminal on standard error, TERM and NO_COLOR; forced: --bar. */
void progress_view_init(struct progress_view *view, bool forced);

/* Milliseconds until the next drawing is due; -1: none is. now: seconds on any clock. */
int progress_view_due(const struct progress_view *view, double now);

void progress_view_draw(struct progress_view *view, const struct progress *progress, double now);

/* Takes the line away, so that other output can go there. */
void progress_view_clear(struct progress_view *view);

#endif
