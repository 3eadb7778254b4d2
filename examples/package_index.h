/* SPDX-License-Identifier: MIT
 *
 * package_index.h - part of the closure example: a Debian package index (the text that `apt-cache dumpavail` prints)
 * and its graph of dependencies. It reads text, fills arrays, and knows nothing of pools. It frees nothing, because it
 * runs in a process that ends with its job.
 */
#ifndef PACKAGE_INDEX_H
#define PACKAGE_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* The closure takes one bit for each pair of packages: 5 GB for this many. Debian 12 has 64,000. */
#define PACKAGES_MAX 200000
#define PACKAGE_NONE UINT32_MAX

/* A piece of the index, without a NUL. */
struct text {
    const char *data;
    size_t size;
};

struct package {
    struct text name;
    struct text depends, pre_depends; /* the fields, unparsed; size 0: none */
    size_t line;                      /* where the record begins, from 1 */
};

/* Sorted by name as strcmp(3) does; each name once. A package's number is its index in packages. */
struct package_index {
    struct package *packages;
    uint32_t count;
};

/* The packages that name package p in Depends or Pre-Depends: targets[first[p]] up to targets[first[p + 1]]. */
struct package_graph {
    uint32_t count;
    size_t *first;
    uint32_t *targets;
};

/* What is wrong with an index, and where. */
struct index_error {
    size_t line;
    const char *what;
};

/* Both return 0 or a negative errno. The text is *borrowed* as long as the index is used.
 * -EINVAL: error says which line is wrong, and why. */
int package_index_parse(const char *text, size_t size, struct package_index *index, struct index_error *error);
int package_graph_build(const struct package_index *index, struct package_graph *dependents);

/* The number of the package of that name, or PACKAGE_NONE. */
uint32_t package_index_find(const struct package_index *index, struct text name);

#endif
