#include "grid.h"

#include "plain.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const starts[] = {"", "\033[31m", "\033[32m", "\033[33m", "\033[36m", "\033[2m"};

static bool may_colour(FILE *file)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return (none == NULL || none[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0 && isatty(fileno(file));
}

static size_t terminal_width(FILE *file)
{
    struct winsize size;
    if (!isatty(fileno(file)) || ioctl(fileno(file), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return SIZE_MAX;
    return size.ws_col;
}

void grid_begin(struct grid *grid, const char *const *titles)
{
    *grid = (struct grid){0};
    while (titles[grid->columns] != NULL)
        grid->columns++;
    for (size_t i = 0; i < grid->columns; i++) {
        grid->right[i] = titles[i][0] == '>';
        grid_adds(grid, titles[i] + grid->right[i]);
    }
}

void grid_add(struct grid *grid, enum grid_colour colour, const char *data, size_t size)
{
    if (grid->count == grid->capacity) {
        const size_t capacity = grid->capacity == 0 ? 64 : 2 * grid->capacity;
        struct grid_cell *cells = realloc(grid->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            grid->failed = true;
            return;
        }
        grid->cells = cells;
        grid->capacity = capacity;
    }
    struct grid_cell *cell = &grid->cells[grid->count];
    const size_t column = grid->count++ % grid->columns;
    const bool last = column + 1 == grid->columns;
    *cell = (struct grid_cell){.colour = colour};
    cell->width = plain_put(&cell->text, data, size, last ? SIZE_MAX : GRID_CELL_MOST);
    grid->failed |= cell->text.failed;
    if (!last && cell->width > grid->widths[column])
        grid->widths[column] = cell->width;
}

void grid_adds(struct grid *grid, const char *text)
{
    grid_add(grid, GRID_PLAIN, text, strlen(text));
}

/* A cell with its blanks; the last one of a row has none behind it, and no more columns than are left. */
static void print_cell(const struct grid *grid, size_t column, const struct grid_cell *cell, size_t left, FILE *file)
{
    const bool coloured = cell->colour != GRID_PLAIN && may_colour(file);
    const size_t blanks = grid->widths[column] > cell->width ? grid->widths[column] - cell->width : 0;
    struct text cut = {0};
    if (cell->width > left)
        plain_put(&cut, cell->text.data, cell->text.size, left);
    const char *shown = cell->width > left ? cut.data : cell->text.data;
    if (grid->right[column])
        fprintf(file, "%*s", (int)blanks, "");
    fprintf(file, "%s%s%s", coloured ? starts[cell->colour] : "", shown != NULL ? shown : "", coloured ? "\033[m" : "");
    if (column + 1 < grid->columns)
        fprintf(file, "%*s", (grid->right[column] ? 0 : (int)blanks) + 2, "");
    text_deinit(&cut);
}

int grid_print(struct grid *grid, FILE *file)
{
    const size_t width = terminal_width(file);
    for (size_t i = 0; !grid->failed && i < grid->count; i++) {
        const size_t column = i % grid->columns;
        size_t used = 0;
        for (size_t k = 0; k < column; k++)
            used += grid->widths[k] + 2;
        print_cell(grid, column, &grid->cells[i],
                   column + 1 < grid->columns ? SIZE_MAX
                   : width > used             ? width - used
                                              : 0,
                   file);
        if (column + 1 == grid->columns)
            putc('\n', file);
    }
    for (size_t i = 0; i < grid->count; i++)
        text_deinit(&grid->cells[i].text);
    grid->count = 0;
    return grid->failed ? -ENOMEM : 0;
}

void grid_deinit(struct grid *grid)
{
    for (size_t i = 0; i < grid->count; i++)
        text_deinit(&grid->cells[i].text);
    free(grid->cells);
    *grid = (struct grid){0};
}
