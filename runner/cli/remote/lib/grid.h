/* grid.h - a table for people: columns aligned, the last one cut to the terminal's width. */
#ifndef GRID_H
#define GRID_H

#include "text.h"

#include <reclaim/map.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GRID_COLUMNS_MOST 10
#define GRID_CELL_MOST    24 /* columns of a cell; the last cell of a row may be wider */

enum grid_colour { GRID_PLAIN, GRID_RED, GRID_GREEN, GRID_YELLOW, GRID_CYAN, GRID_DIM };

struct grid_cell {
    struct text text; /* as it is printed, see plain.h */
    size_t width;
    enum grid_colour colour;
};

struct grid {
    size_t columns;
    bool right[GRID_COLUMNS_MOST]; /* numbers */
    size_t widths[GRID_COLUMNS_MOST];
    struct grid_cell *cells; /* a row after another */
    size_t count, capacity;
    bool failed; /* out of memory: cells are missing */
};

/* titles: one for each column, ended by NULL. A '>' in front marks a column of numbers. */
void grid_begin(struct grid *grid, const char *const *titles);

/* Adds the next cell, from untrusted bytes. */
void grid_add(struct grid *grid, enum grid_colour colour, const char *data, size_t size);
void grid_adds(struct grid *grid, const char *text);
void grid_add_field(struct grid *grid, enum grid_colour colour, const msgpack_object *map, const char *name);

/* Prints the rows and drops them; keeps the widths, so that the next rows line up below. -ENOMEM. */
int grid_print(struct grid *grid, FILE *file);
void grid_deinit(struct grid *grid);

#endif
