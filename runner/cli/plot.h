/* plot.h - drawing a job's memory over time. Drawing needs cairo, which brings twenty other libraries: a module of its
 * own, reclaim-plot.so, which is loaded when somebody asks for a picture, so that no other command waits for them. */
#ifndef PLOT_H
#define PLOT_H

#include "curve.h"

#define PLOT_MODULE "reclaim-plot.so"
#define PLOT_SYMBOL "plot_draw"

enum plot_format { PLOT_UNKNOWN = 0, PLOT_SVG, PLOT_PNG };

/* By how a file's name ends. */
enum plot_format plot_format(const char *path);

/* A picture; limit 0: none. Negative errno. */
typedef int plot_draw_fn(const struct curve *curve, FILE *file, enum plot_format format, const char *const *argv,
                         uint64_t limit);

/* In the module alone. */
__attribute__((visibility("default"))) plot_draw_fn plot_draw;

/* The module's plot_draw. NULL: it cannot be loaded; *why says why, until the next call. */
plot_draw_fn *plot_load(const char **why);

#endif
