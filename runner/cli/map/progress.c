#include "progress.h"

#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1
#define LINE_SECONDS   1.0

void progress_format(const struct progress *progress, unsigned columns, struct text *line)
{
    char memory[32], budget[32], left[32];
    const size_t start = line->size;
    if (progress->total > 0)
        text_printf(line, "%llu/%llu done", (unsigned long long)progress->done, (unsigned long long)progress->total);
    else
        text_printf(line, "%llu done", (unsigned long long)progress->done);
    text_printf(line, ", %llu failed, %llu running, %s", (unsigned long long)progress->failed,
                (unsigned long long)progress->running, units_format_size(progress->memory, memory, sizeof memory));
    if (progress->budget > 0)
        text_printf(line, " of %s", units_format_size(progress->budget, budget, sizeof budget));
    if (progress->done > 0 && progress->seconds > 0) {
        const double rate = (double)progress->done / progress->seconds;
        text_printf(line, rate >= 10 ? ", %.0f/s" : ", %.2g/s", rate);
        if (progress->total > progress->done) {
            const double seconds = (double)(progress->total - progress->done) / rate;
            if (seconds < 60)
                text_printf(line, ", %.0f s left", seconds);
            else
                text_printf(line, ", %s left", units_format_duration(seconds, left, sizeof left));
        }
    }
    if (columns > 0 && line->size - start > columns) {
        line->size = start + columns;
        line->data[line->size] = '\0';
    }
}

void progress_view_init(struct progress_view *view, bool forced)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    const bool terminal = isatty(STDERR_FILENO) != 0,
               dumb = term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
    *view = (struct progress_view){.style = PROGRESS_NONE};
    if (terminal && !dumb)
        view->style = PROGRESS_REDRAWN;
    else if (forced || terminal)
        view->style = PROGRESS_LINES;
    view->escapes = no_color == NULL || no_color[0] == '\0';
}

int progress_view_due(const struct progress_view *view, double now)
{
    if (view->style == PROGRESS_NONE)
        return -1;
    return now >= view->next ? 0 : (int)((view->next - now) * 1000) + 1;
}

static unsigned columns_of_terminal(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : 79;
}

void progress_view_draw(struct progress_view *view, const struct progress *progress, double now)
{
    struct text line = {0};
    if (view->style == PROGRESS_NONE)
        return;
    if (view->style == PROGRESS_LINES) {
        progress_format(progress, 0, &line);
        text_puts(&line, "\n");
        view->next = now + LINE_SECONDS;
    } else {
        text_puts(&line, "\r");
        progress_format(progress, columns_of_terminal(), &line);
        const size_t width = line.size > 0 ? line.size - 1 : 0;
        if (view->escapes)
            text_puts(&line, "\033[K");
        else if (width < view->width)
            text_printf(&line, "%*s", (int)(view->width - width), "");
        view->width = width;
        view->shown = true;
        view->next = now + REDRAW_SECONDS;
    }
    const ssize_t wrote = line.failed ? 0 : write(STDERR_FILENO, line.data, line.size);
    (void)wrote; /* who cannot read it does without */
    text_deinit(&line);
}

void progress_view_clear(struct progress_view *view)
{
    if (!view->shown)
        return;
    if (view->escapes)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\r%*s\r", (int)view->width, "");
    fflush(stderr);
    view->shown = false;
}
