/* outfile.h - an output file of an option: opened before anything runs, emptied only just before it is written. */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

/* path "-" is standard error; NULL gives *file NULL. 0, or -1 after values_fail. */
int outfile_open(const char *option, const char *path, FILE **file);

/* Empties a regular file; leaves standard error alone. Negative errno. */
int outfile_empty(const char *path, FILE *file);

/* Whether two descriptors (-1: none) are of one regular file. */
bool outfile_same(int a, int b);

/* Closes the file (*takes*; NULL is fine). rc: the result of writing it; if that is negative, empties the file first.
 * 0, or -1 after values_fail. */
int outfile_close(const char *option, const char *path, FILE *file, int rc);

#endif
