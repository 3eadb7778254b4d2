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

void grid_add_field(struct grid *grid, enum grid_colour colour, const msgpack_object *map, const char *name)
{
    const msgpack_object_str value = pool_field_str(map, name);
    grid_add(grid, colour, value.ptr, value.size);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A cell and the blanks around it, in no more columns than are left; the last one of a row has none behind it. */
static void print_cell(const struct grid *grid, size_t column, const struct grid_cell *cell, size_t left, FILE *file)
{
    const bool coloured = cell->colour != GRID_PLAIN && may_colour(file);
    const size_t blanks = grid->widths[column] > cell->width ? grid->widths[column] - cell->width : 0;
    const size_t before = grid->right[column] ? least(blanks, left) : 0;
    struct text shown = {0};
    const size_t width = plain_put(&shown, cell->text.data, cell->text.size, left - before);
    fprintf(file, "%*s%s%s%s", (int)before, "", coloured ? starts[cell->colour] : "", shown.size > 0 ? shown.data : "",
            coloured ? "\033[m" : "");
    left -= before + width;
    if (column + 1 < grid->columns)
        fprintf(file, "%*s", (int)least(blanks - before + 2, left), "");
    text_deinit(&shown);
}

int grid_print(struct grid *grid, FILE *file)
{
    const size_t width = terminal_width(file);
    for (size_t i = 0; !grid->failed && i < grid->count; i++) {
        const size_t column = i % grid->columns;
        size_t used = 0;
        for (size_t k = 0; k < column; k++)
            used += grid->widths[k] + 2;
        print_cell(grid, column, &grid->cells[i], width > used ? width - used : 0, file);
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
