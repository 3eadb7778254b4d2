/* draw.c - the program reclaim-plot: memory over time as a picture, the curve, its limit as a line, axes with units.
 * Who starts it and how: plot.h. */
#include "plot.h"
#include "units.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH  800.0
#define HEIGHT 400.0
#define LEFT   80.0
#define RIGHT  24.0
#define TOP    44.0
#define BOTTOM 52.0
#define TICKS  5

#define WORDS_BEFORE 3

struct plot {
    cairo_t *cairo;
    double start, seconds; /* of the x axis */
    double most;           /* bytes at the top of the y axis */
};

static double x_of(const struct plot *plot, double time)
{
    return LEFT + (time - plot->start) / plot->seconds * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct plot *plot, double bytes)
{
    return HEIGHT - BOTTOM - bytes / plot->most * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power: the distance of ticks on an axis. */
static double round_step(double least, double base)
{
    const double power = pow(base, floor(log(least) / log(base)));
    static const double steps[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1024};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (power * steps[i] >= least)
            return power * steps[i];
    return power * base;
}

static void put_text(cairo_t *cairo, double x, double y, double align, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - extents.width * align, y);
    cairo_show_text(cairo, text);
}

static void put_line(cairo_t *cairo, double x1, double y1, double x2, double y2)
{
    cairo_move_to(cairo, x1, y1);
    cairo_line_to(cairo, x2, y2);
    cairo_stroke(cairo);
}

static void draw_axes(const struct plot *plot)
{
    cairo_t *cairo = plot->cairo;
    char text[32];
    const double across = round_step(plot->seconds / TICKS, 10), up = round_step(plot->most / TICKS, 1024);
    cairo_set_line_width(cairo, 1);
    for (int i = 0; i * up <= plot->most * 1.0001; i++) {
        const double bytes = i * up;
        cairo_set_source_rgb(cairo, 0.88, 0.88, 0.88);
        put_line(cairo, LEFT, y_of(plot, bytes), WIDTH - RIGHT, y_of(plot, bytes));
        cairo_set_source_rgb(cairo, 0.2, 0.2, 0.2);
        put_text(cairo, LEFT - 8, y_of(plot, bytes) + 4, 1, units_format_size((uint64_t)bytes, text, sizeof text));
    }
    for (int i = 0; i * across <= plot->seconds * 1.0001; i++) {
        const double time = i * across;
        const double x = x_of(plot, plot->start + time);
        put_line(cairo, x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 4);
        snprintf(text, sizeof text, "%g", time);
        put_text(cairo, x, HEIGHT - BOTTOM + 18, 0.5, text);
    }
    put_line(cairo, LEFT, TOP, LEFT, HEIGHT - BOTTOM);
    put_line(cairo, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
    put_text(cairo, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, 0.5, "seconds");
    put_text(cairo, 12, TOP - 12, 0, "memory");
}

static void draw_limit(const struct plot *plot, uint64_t limit)
{
    static const double dash[] = {6, 4};
    char size[32], text[64];
    if (limit == 0)
        return;
    const double y = y_of(plot, (double)limit);
    cairo_set_source_rgb(plot->cairo, 0.8, 0.1, 0.1);
    cairo_set_dash(plot->cairo, dash, 2, 0);
    put_line(plot->cairo, LEFT, y, WIDTH - RIGHT, y);
    cairo_set_dash(plot->cairo, NULL, 0, 0);
    snprintf(text, sizeof text, "limit %s", units_format_size(limit, size, sizeof size));
    put_text(plot->cairo, WIDTH - RIGHT, y - 5, 1, text);
}

static void draw_curve(const struct plot *plot, const struct curve *curve)
{
    cairo_t *cairo = plot->cairo;
    if (curve->count == 0)
        return;
    cairo_move_to(cairo, x_of(plot, curve->points[0].time), y_of(plot, 0));
    for (size_t i = 0; i < curve->count; i++)
        cairo_line_to(cairo, x_of(plot, curve->points[i].time), y_of(plot, (double)curve->points[i].bytes));
    cairo_set_source_rgba(cairo, 0.12, 0.39, 0.71, 0.2);
    cairo_path_t *line = cairo_copy_path(cairo);
    cairo_line_to(cairo, x_of(plot, curve->points[curve->count - 1].time), y_of(plot, 0));
    cairo_close_path(cairo);
    cairo_fill(cairo);
    cairo_append_path(cairo, line);
    cairo_path_destroy(line);
    cairo_set_source_rgb(cairo, 0.12, 0.39, 0.71);
    cairo_set_line_width(cairo, 2);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cairo);
}

static void draw_title(cairo_t *cairo, const char *const *argv)
{
    char title[96] = "";
    for (; *argv != NULL && strlen(title) + 4 < sizeof title; argv++) {
        strncat(title, title[0] != '\0' ? " " : "", sizeof title - strlen(title) - 1);
        strncat(title, *argv, sizeof title - strlen(title) - 1);
    }
    for (char *at = title; *at != '\0'; at++) /* cairo wants UTF-8; a title is no place for riddles */
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    put_text(cairo, (LEFT + WIDTH - RIGHT) / 2, 20, 0.5, title);
}

static struct plot plot_of(const struct curve *curve, uint64_t limit, cairo_t *cairo)
{
    struct plot plot = {.cairo = cairo, .seconds = 1e-3, .most = 1 << 20};
    for (size_t i = 0; i < curve->count; i++)
        plot.most = fmax(plot.most, (double)curve->points[i].bytes);
    plot.most = fmax(plot.most, (double)limit) * 1.05;
    if (curve->count > 0) {
        plot.start = curve->points[0].time;
        plot.seconds = fmax(plot.seconds, curve->points[curve->count - 1].time - plot.start);
    }
    return plot;
}

/* Where cairo writes to: it says only that writing failed, and not why. */
struct sink {
    FILE *file;
    int error;
};

static cairo_status_t put_bytes(void *closure, const unsigned char *data, unsigned length)
{
    struct sink *sink = closure;
    if (fwrite(data, 1, length, sink->file) == length)
        return CAIRO_STATUS_SUCCESS;
    sink->error = errno;
    return CAIRO_STATUS_WRITE_ERROR;
}

static void draw(cairo_surface_t *surface, const struct curve *curve, const char *const *argv, uint64_t limit)
{
    cairo_t *cairo = cairo_create(surface);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, 12);
    const struct plot plot = plot_of(curve, limit, cairo);
    draw_title(cairo, argv);
    draw_axes(&plot);
    draw_curve(&plot, curve);
    cairo_set_line_width(cairo, 1.5);
    draw_limit(&plot, limit);
    cairo_destroy(cairo);
}

static int draw_to(FILE *file, enum plot_format format, const struct curve *curve, const char *const *argv,
                   uint64_t limit)
{
    struct sink sink = {.file = file};
    cairo_surface_t *surface = format == PLOT_SVG
                                   ? cairo_svg_surface_create_for_stream(put_bytes, &sink, WIDTH, HEIGHT)
                                   : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)WIDTH, (int)HEIGHT);
    draw(surface, curve, argv, limit);
    cairo_status_t status = cairo_surface_status(surface); /* an error of the context's is the surface's */
    if (status == CAIRO_STATUS_SUCCESS && format == PLOT_PNG)
        status = cairo_surface_write_to_png_stream(surface, put_bytes, &sink);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (sink.error != 0)
        return -sink.error;
    if (status != CAIRO_STATUS_SUCCESS)
        return status == CAIRO_STATUS_NO_MEMORY ? -ENOMEM : -EIO;
    return fflush(file) != 0 ? -errno : 0;
}

/* As many as there are. */
static int read_points(FILE *file, struct curve *curve)
{
    struct curve_point point;
    int rc = 0;
    while (rc == 0 && fread(&point, sizeof point, 1, file) == 1)
        rc = curve_add(curve, point.time, point.bytes);
    return rc == 0 && ferror(file) ? -EIO : rc;
}

int main(int argc, char **argv)
{
    struct curve curve = {0};
    if (argc < WORDS_BEFORE + 1) {
        fputs("reclaim-plot draws for reclaim run --plot FILE\n", stderr);
        return EINVAL;
    }
    const enum plot_format format = strcmp(argv[1], "svg") == 0 ? PLOT_SVG : PLOT_PNG;
    int rc = read_points(stdin, &curve);
    if (rc == 0)
        rc = draw_to(stdout, format, &curve, (const char *const *)(uintptr_t)(argv + WORDS_BEFORE),
                     strtoull(argv[2], NULL, 10));
    curve_deinit(&curve);
    return -rc;
}
