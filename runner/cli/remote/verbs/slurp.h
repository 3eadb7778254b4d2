/* slurp.h - a whole file. */
#ifndef SLURP_H
#define SLURP_H

#include "text.h"

/* Adds what is in it to text; "-" is standard input. -EFBIG: it has more than `most` bytes; else negative errno. */
int slurp_file(const char *path, size_t most, struct text *text);

#endif
