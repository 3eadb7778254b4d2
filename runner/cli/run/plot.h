/* plot.h - drawing a job's memory over time. Drawing needs cairo, which brings twenty other libraries: a program of its
 * own, started when somebody has asked for a picture, so that no other command waits for them to be loaded.
 *
 *     reclaim-plot svg|png LIMIT WORD...
 *
 * reads points from its standard input, as they are in memory, and writes the picture to its standard output. LIMIT is
 * bytes (0: none), the words are the command's. It exits with 0, or with an errno that says why there is no picture. */
#ifndef PLOT_H
#define PLOT_H

#include "curve.h"

#include <limits.h>

#define PLOT_PROGRAM "reclaim-plot"

enum plot_format { PLOT_UNKNOWN = 0, PLOT_SVG, PLOT_PNG };

/* By how a file's name ends. */
enum plot_format plot_format(const char *path);

/* The program's path. 0, or a negative errno: it is not at path, where it should be. */
int plot_find(char path[PATH_MAX]);

/* Starts it and waits for it. limit 0: none. Negative errno. */
int plot_draw(const char *program, const struct curve *curve, FILE *file, enum plot_format format,
              const char *const *argv, uint64_t limit);

#endif
