/* results.h - --results DIR as GNU parallel lays it out: DIR/1/INPUT/stdout, stderr and seq; with two sources
 * DIR/1/INPUT/2/INPUT/stdout. */
#ifndef RESULTS_H
#define RESULTS_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* NULL: directory may be DIR. Else a sentence why not: GNU parallel takes it for a table (x.csv) or a pattern of names
 * (x-{}). A name that ends in a slash is a directory to both. Pure. */
const char *results_refuse(const char *directory);

/* The directory of one job. In an input / becomes \_, a TAB \t, a backslash two; "", "." and ".." become \0, \. and
 * \.., since they are no names; one too long for a name is cut, and a number made of all of it follows. Pure. */
void results_path(struct text *path, const char *directory, const char *const *values, size_t count);

/* Makes DIR, and tries whether jobs' directories can be made in it. Negative errno. */
int results_prepare(const char *directory);

/* Makes a job's directory and its files; fds[0] and fds[1] are open for writing then, for its stdout and stderr. What
 * was there is emptied. Negative errno, and both are -1. */
int results_open(const char *path, uint64_t seq, int fds[2]);

#endif
