/* closed.h - standard streams that reclaim was started without. */
#ifndef CLOSED_H
#define CLOSED_H

#include <stdbool.h>

/* Notes which of 0, 1 and 2 are closed, and puts /dev/null there, so that no file of ours gets such a number: to be
 * called before anything is opened. Negative errno. */
int closed_fill(bool closed[3]);

#endif
