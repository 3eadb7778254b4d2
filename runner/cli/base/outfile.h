/* outfile.h - a file that an option names for output: opened before anything runs, emptied only when there is something
 * to write. */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

/* path "-" is standard error; NULL gives *file NULL. 0, or -1 after values_fail. */
int outfile_open(const char *option, const char *path, FILE **file);

/* A file of that path; standard error stays as it is. Negative errno. */
int outfile_empty(const char *path, FILE *file);

/* Whether two descriptors (-1: none) are of one regular file. */
bool outfile_same(int a, int b);

/* Closes it (*takes*; NULL is fine). rc is what came of writing: where that or the closing failed, what is half written
 * is taken back. 0, or -1 after values_fail. */
int outfile_close(const char *option, const char *path, FILE *file, int rc);

#endif
