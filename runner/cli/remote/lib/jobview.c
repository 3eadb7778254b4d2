#include "jobview.h"

#include "plain.h"
#include "quote.h"
#include "say.h"
#include "units.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const jobview_titles[] = {">ID", "STATE", "RESULT", ">PEAK", ">TIME", "GROUP", "COMMAND", NULL};

bool jobview_has_ended(const msgpack_object *job)
{
    return pool_field_is(job, "state", "done") || pool_field_is(job, "state", "failed") ||
           pool_field_is(job, "state", "cancelled");
}

static enum grid_colour colour_of(const msgpack_object *job)
{
    static const struct {
        const char *state;
        enum grid_colour colour;
    } colours[] = {{"done", GRID_GREEN},
                   {"failed", GRID_RED},
                   {"running", GRID_CYAN},
                   {"cancelled", GRID_YELLOW},
                   {"waiting", GRID_DIM}};
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
        if (pool_field_is(job, "state", colours[i].state))
            return colours[i].colour;
    return GRID_PLAIN;
}

/* What it runs, on one line. */
static void put_command(struct text *text, const msgpack_object *job)
{
    const msgpack_object_array words = pool_field_array(job, "command");
    const msgpack_object_str task = pool_field_str(job, "task");
    for (uint32_t i = 0; i < words.size; i++) {
        const msgpack_object *word = &words.ptr[i];
        text_puts(text, i > 0 ? " " : "");
        if (word->type == MSGPACK_OBJECT_STR)
            quote_line(text, word->via.str.ptr, word->via.str.size);
    }
    if (task.size > 0) {
        text_puts(text, "task ");
        text_put(text, task.ptr, task.size);
    }
}

/* Whether it was given a name of its own. */
static bool is_named(const msgpack_object *job)
{
    const msgpack_object_str name = pool_field_str(job, "name"), task = pool_field_str(job, "task");
    const msgpack_object_array words = pool_field_array(job, "command");
    msgpack_object_str usual = task;
    if (words.size > 0 && words.ptr[0].type == MSGPACK_OBJECT_STR) {
        usual = words.ptr[0].via.str;
        for (uint32_t i = usual.size; i > 0; i--)
            if (usual.ptr[i - 1] == '/') {
                usual = (msgpack_object_str){.ptr = usual.ptr + i, .size = usual.size - i};
                break;
            }
    }
    return name.size > 0 && (name.size != usual.size || memcmp(name.ptr, usual.ptr, name.size) != 0);
}

/* A running one's time goes on. Seconds; below 0: it never ran. */
static double wall_of(const msgpack_object *job)
{
    if (pool_field_is(job, "state", "running") && pool_field(job, "started_at") != NULL)
        return (double)time(NULL) - pool_field_double(job, "started_at");
    return pool_field(job, "wall_seconds") != NULL ? pool_field_double(job, "wall_seconds") : -1;
}

static void add_result(struct grid *grid, const msgpack_object *job)
{
    char code[16];
    if (pool_field_is(job, "outcome", "exited")) {
        snprintf(code, sizeof code, "exit %lld", (long long)pool_field_int(job, "exit_code"));
        grid_adds(grid, code);
        return;
    }
    const msgpack_object_str word = pool_field_str(job, jobview_has_ended(job) ? "outcome" : "waits");
    grid_add(grid, GRID_PLAIN, word.ptr, word.size);
}

void jobview_add(struct grid *grid, const msgpack_object *job)
{
    char cell[64];
    struct text command = {0};
    const msgpack_object_str state = pool_field_str(job, "state"), group = pool_field_str(job, "group");
    const double wall = wall_of(job);
    snprintf(cell, sizeof cell, "%llu", (unsigned long long)pool_field_uint(job, "id"));
    grid_adds(grid, cell);
    grid_add(grid, colour_of(job), state.ptr, state.size);
    add_result(grid, job);
    const bool measured = pool_field(job, "peak_memory_bytes") != NULL;
    grid_adds(grid, measured ? units_format_size(pool_field_uint(job, "peak_memory_bytes"), cell, sizeof cell) : "-");
    grid_adds(grid, wall >= 0 ? units_format_duration(wall, cell, sizeof cell) : "-");
    grid_add(grid, GRID_PLAIN, group.ptr, group.size);
    if (is_named(job)) {
        const msgpack_object_str name = pool_field_str(job, "name");
        text_puts(&command, "[");
        text_put(&command, name.ptr, name.size);
        text_puts(&command, "] ");
    }
    put_command(&command, job);
    grid_add(grid, GRID_PLAIN, command.data, command.size);
    grid->failed |= command.failed;
    text_deinit(&command);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

enum kind { TEXT, NUMBER, FACTOR, SIZE, DURATION, FLAG };

static const struct setting {
    const char *name, *label;
    enum kind kind;
} settings[] = {{"cwd", "directory", TEXT},
                {"memory", "memory max", SIZE},
                {"memory_backstop", "backstop", FLAG},
                {"expected", "memory exp", SIZE},
                {"timeout", "timeout", DURATION},
                {"kill_after", "kill after", DURATION},
                {"cpu_time", "CPU limit", DURATION},
                {"pids", "pids max", NUMBER},
                {"cpu_weight", "CPU weight", NUMBER},
                {"nofile", "open files", NUMBER},
                {"nice", "nice", NUMBER},
                {"output_limit", "output max", SIZE},
                {"huge_pages", "huge pages", FLAG},
                {"rerunnable", "rerunnable", FLAG},
                {"retries", "retries", NUMBER},
                {"retry_delay", "retried in", DURATION},
                {"retry_oom", "retry oom", FACTOR},
                {"after_failure", "after fail", TEXT},
                {"on_crash", "on crash", TEXT},
                {"keep", "keep", DURATION}};

/* The value, for people. */
static void put_value(struct text *line, const msgpack_object *job, const struct setting *setting)
{
    char text[64];
    const msgpack_object_str word = pool_field_str(job, setting->name);
    switch (setting->kind) {
    case TEXT:
        plain_put(line, word.ptr, word.size, SIZE_MAX);
        break;
    case NUMBER:
        text_printf(line, "%lld", (long long)pool_field_int(job, setting->name));
        break;
    case FACTOR:
        text_printf(line, "%g", pool_field_double(job, setting->name));
        break;
    case SIZE:
        text_puts(line, units_format_size(pool_field_uint(job, setting->name), text, sizeof text));
        break;
    case DURATION:
        text_puts(line, units_format_duration(pool_field_double(job, setting->name), text, sizeof text));
        break;
    case FLAG:
        text_puts(line, pool_field_bool(job, setting->name) ? "yes" : "no");
        break;
    }
}

static void print_settings(FILE *file, const msgpack_object *job)
{
    struct text line = {0};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (pool_field(job, settings[i].name) == NULL)
            continue;
        text_clear(&line);
        put_value(&line, job, &settings[i]);
        fprintf(file, "  %-10s %s\n", settings[i].label, line.size > 0 ? line.data : "");
    }
    text_deinit(&line);
}

static void print_plain(FILE *file, const char *label, const char *data, size_t size)
{
    struct text text = {0};
    plain_put(&text, data, size, SIZE_MAX);
    if (text.size > 0)
        fprintf(file, "  %-10s %s\n", label, text.data);
    text_deinit(&text);
}

static void print_field(FILE *file, const char *label, const msgpack_object *job, const char *name)
{
    const msgpack_object_str value = pool_field_str(job, name);
    print_plain(file, label, value.ptr, value.size);
}

static const char *format_time(double seconds, char *text, size_t size)
{
    const time_t whole = (time_t)seconds;
    struct tm parts;
    if (localtime_r(&whole, &parts) == NULL || strftime(text, size, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(text, size, "%.0f", seconds);
    return text;
}

static void print_times(FILE *file, const msgpack_object *job)
{
    static const char *const names[] = {"submitted_at", "start_at", "started_at", "ended_at"};
    static const char *const labels[] = {"submitted", "not before", "started", "ended"};
    char text[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (pool_field(job, names[i]) != NULL)
            fprintf(file, "  %-10s %s\n", labels[i], format_time(pool_field_double(job, names[i]), text, sizeof text));
}

static void print_usage(FILE *file, const msgpack_object *job)
{
    char text[64];
    if (wall_of(job) >= 0)
        fprintf(file, "  time       %s, CPU %.3f s user, %.3f s system\n",
                units_format_duration(wall_of(job), text, sizeof text), pool_field_double(job, "user_seconds"),
                pool_field_double(job, "system_seconds"));
    if (pool_field(job, "peak_memory_bytes") != NULL) {
        fprintf(file, "  memory     peak %s",
                units_format_size(pool_field_uint(job, "peak_memory_bytes"), text, sizeof text));
        const msgpack_object_str method = pool_field_str(job, "memory_method");
        if (method.size > 0 && method.size < sizeof text)
            fprintf(file, " (%.*s)", (int)method.size, method.ptr);
        if (pool_field_uint(job, "memory_limit_bytes") > 0)
            fprintf(file, ", limit %s",
                    units_format_size(pool_field_uint(job, "memory_limit_bytes"), text, sizeof text));
        putc('\n', file);
    }
}

static void print_counts(FILE *file, const msgpack_object *job)
{
    static const char *const names[] = {"priority",         "attempt",     "interruptions", "evictions",  "processes",
                                        "killed_processes", "result_size", "stdout_size",   "stderr_size"};
    static const char *const labels[] = {"priority",   "runs",  "interrupt.", "evictions", "processes",
                                         "had to end", "value", "stdout",     "stderr"};
    char text[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const int64_t value = pool_field_int(job, names[i]);
        if (value == 0)
            continue;
        if (strstr(names[i], "_size") != NULL)
            fprintf(file, "  %-10s %s\n", labels[i], units_format_size((uint64_t)value, text, sizeof text));
        else
            fprintf(file, "  %-10s %lld\n", labels[i], (long long)value);
    }
}

static void print_left(FILE *file, const msgpack_object *job)
{
    if (pool_field_bool(job, "unkillable"))
        fprintf(file, "  left       a process that cannot be killed, and may still be there\n");
}

static void print_after(FILE *file, const msgpack_object *job)
{
    const msgpack_object_array after = pool_field_array(job, "after");
    if (after.size == 0)
        return;
    fprintf(file, "  after     ");
    for (uint32_t i = 0; i < after.size; i++)
        if (after.ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            fprintf(file, " %llu", (unsigned long long)after.ptr[i].via.u64);
    putc('\n', file);
}

void jobview_print(FILE *file, const msgpack_object *job)
{
    struct text text = {0};
    const msgpack_object_str state = pool_field_str(job, "state");
    plain_put(&text, state.ptr, state.size, SIZE_MAX);
    fprintf(file, "job %llu: %s\n", (unsigned long long)pool_field_uint(job, "id"), text.size > 0 ? text.data : "?");
    text_clear(&text);
    put_command(&text, job);
    print_plain(file, "command", text.data, text.size);
    text_deinit(&text);
    print_field(file, "name", job, "name");
    print_field(file, "key", job, "key");
    print_field(file, "group", job, "group");
    print_after(file, job);
    print_settings(file, job);
    print_field(file, "waits for", job, "waits");
    print_field(file, "outcome", job, "outcome");
    print_field(file, "message", job, "message");
    if (pool_field(job, "exit_code") != NULL)
        fprintf(file, "  exit code  %lld\n", (long long)pool_field_int(job, "exit_code"));
    print_usage(file, job);
    print_counts(file, job);
    print_left(file, job);
    if (pool_field_bool(job, "truncated"))
        fprintf(file, "  truncated  output was dropped\n");
    print_times(file, job);
}

/* ---- a line of it ------------------------------------------------------------------------------------------------ */

void jobview_complain(const char *verb, const msgpack_object *job)
{
    struct text name = {0}, message = {0};
    const msgpack_object_str named = pool_field_str(job, "name"), said = pool_field_str(job, "message");
    plain_put(&name, named.ptr, named.size, 60);
    plain_put(&message, said.ptr, said.size, SIZE_MAX);
    say(verb, "job %llu (%s): %s", (unsigned long long)pool_field_uint(job, "id"), name.size > 0 ? name.data : "?",
        message.size > 0 ? message.data : "did not succeed");
    text_deinit(&name);
    text_deinit(&message);
}

/* When it happened, as far as the job says so. */
static double time_of(const msgpack_object *event, const msgpack_object *job)
{
    static const char *const names[][2] = {
        {"submitted", "submitted_at"}, {"started", "started_at"}, {"ended", "ended_at"}};
    for (size_t i = 0; event->type == MSGPACK_OBJECT_STR && i < sizeof names / sizeof names[0]; i++)
        if (event->via.str.size == strlen(names[i][0]) &&
            memcmp(event->via.str.ptr, names[i][0], event->via.str.size) == 0 && pool_field(job, names[i][1]) != NULL)
            return pool_field_double(job, names[i][1]);
    return (double)time(NULL);
}

void jobview_print_event(FILE *file, const msgpack_object *event, const msgpack_object *job)
{
    char when[64];
    struct text text = {0};
    if (event->type == MSGPACK_OBJECT_STR)
        plain_put(&text, event->via.str.ptr, event->via.str.size, GRID_CELL_MOST);
    fprintf(file, "%s  %-9s  %6llu  ", format_time(time_of(event, job), when, sizeof when),
            text.size > 0 ? text.data : "?", (unsigned long long)pool_field_uint(job, "id"));
    text_clear(&text);
    const msgpack_object_str name = pool_field_str(job, "name"),
                             ended = pool_field_str(job, jobview_has_ended(job) ? "message" : "waits");
    plain_put(&text, name.ptr, name.size, SIZE_MAX);
    if (ended.size > 0) {
        text_puts(&text, ": ");
        plain_put(&text, ended.ptr, ended.size, SIZE_MAX);
    }
    fprintf(file, "%s\n", text.size > 0 ? text.data : "");
    text_deinit(&text);
}
