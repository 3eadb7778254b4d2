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

/* Whether the job's state is final. */
static bool has_ended(const msgpack_object *job)
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

/* The command or the task, on one line. */
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

/* Whether the name is another than the default. */
static bool is_named(const msgpack_object *job)
{
    const msgpack_object_str name = pool_field_str(job, "name");
    const msgpack_object_array words = pool_field_array(job, "command");
    msgpack_object_str usual = pool_field_str(job, "task");
    if (words.size > 0 && words.ptr[0].type == MSGPACK_OBJECT_STR) {
        usual = words.ptr[0].via.str;
        const char *slash = memrchr(usual.ptr, '/', usual.size);
        if (slash != NULL)
            usual = (msgpack_object_str){.ptr = slash + 1, .size = usual.size - (uint32_t)(slash + 1 - usual.ptr)};
    }
    return name.size > 0 && (name.size != usual.size || memcmp(name.ptr, usual.ptr, name.size) != 0);
}

/* Seconds: of a running job until now; below 0: it never ran. */
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
    grid_add_field(grid, GRID_PLAIN, job, has_ended(job) ? "outcome" : "waits");
}

void jobview_add(struct grid *grid, const msgpack_object *job)
{
    char cell[64];
    struct text command = {0};
    const double wall = wall_of(job);
    snprintf(cell, sizeof cell, "%llu", (unsigned long long)pool_field_uint(job, "id"));
    grid_adds(grid, cell);
    grid_add_field(grid, colour_of(job), job, "state");
    add_result(grid, job);
    const bool measured = pool_field(job, "peak_memory_bytes") != NULL;
    grid_adds(grid, measured ? units_format_size(pool_field_uint(job, "peak_memory_bytes"), cell, sizeof cell) : "-");
    grid_adds(grid, wall >= 0 ? units_format_duration(wall, cell, sizeof cell) : "-");
    grid_add_field(grid, GRID_PLAIN, job, "group");
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

static const char *format_time(double seconds, char *text, size_t size)
{
    const time_t whole = (time_t)seconds;
    struct tm parts;
    if (localtime_r(&whole, &parts) == NULL || strftime(text, size, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(text, size, "%.0f", seconds);
    return text;
}

/* How a field is printed. COUNT and BYTES are left out if they are 0, FLAG if it is false. */
enum kind { TEXT, NUMBER, COUNT, FACTOR, SIZE, BYTES, DURATION, TIME, IDS, FLAG };

struct row {
    const char *name, *label;
    enum kind kind;
    const char *words; /* of a FLAG */
};

static const struct row rows_before_usage[] = {
    {"name", "name", TEXT, NULL},
    {"key", "key", TEXT, NULL},
    {"group", "group", TEXT, NULL},
    {"after", "after", IDS, NULL},
    {"cwd", "directory", TEXT, NULL},
    {"memory", "memory max", SIZE, NULL},
    {"memory_share", "mem. share", FACTOR, NULL},
    {"memory_backstop", "backstop", FLAG, "yes"},
    {"expected", "memory exp", SIZE, NULL},
    {"timeout", "timeout", DURATION, NULL},
    {"kill_after", "kill after", DURATION, NULL},
    {"cpu_time", "CPU limit", DURATION, NULL},
    {"cpu_weight", "CPU weight", NUMBER, NULL},
    {"pids", "pids max", NUMBER, NULL},
    {"nofile", "open files", NUMBER, NULL},
    {"nice", "nice", NUMBER, NULL},
    {"output_limit", "output max", SIZE, NULL},
    {"result_limit", "value max", SIZE, NULL},
    {"huge_pages", "huge pages", FLAG, "yes"},
    {"rerunnable", "rerunnable", FLAG, "yes"},
    {"retries", "retries", NUMBER, NULL},
    {"retry_delay", "retried in", DURATION, NULL},
    {"retry_oom", "retry oom", FACTOR, NULL},
    {"after_failure", "after fail", TEXT, NULL},
    {"on_crash", "on crash", TEXT, NULL},
    {"keep", "keep", DURATION, NULL},
    {"waits", "waits for", TEXT, NULL},
    {"outcome", "outcome", TEXT, NULL},
    {"message", "message", TEXT, NULL},
    {"exit_code", "exit code", NUMBER, NULL},
    {0},
};

static const struct row rows_after_usage[] = {
    {"priority", "priority", COUNT, NULL},
    {"attempt", "runs", COUNT, NULL},
    {"interruptions", "interrupt.", COUNT, NULL},
    {"evictions", "evictions", COUNT, NULL},
    {"processes", "processes", COUNT, NULL},
    {"killed_processes", "had to end", COUNT, NULL},
    {"result_size", "value", BYTES, NULL},
    {"stdout_size", "stdout", BYTES, NULL},
    {"stderr_size", "stderr", BYTES, NULL},
    {"unkillable", "left", FLAG, "a process that cannot be killed, and may still be there"},
    {"truncated", "truncated", FLAG, "output was dropped"},
    {"submitted_at", "submitted", TIME, NULL},
    {"start_at", "not before", TIME, NULL},
    {"started_at", "started", TIME, NULL},
    {"ended_at", "ended", TIME, NULL},
    {0},
};

static void put_ids(struct text *line, msgpack_object_array ids)
{
    for (uint32_t i = 0; i < ids.size; i++)
        if (ids.ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            text_printf(line, "%s%llu", i > 0 ? " " : "", (unsigned long long)ids.ptr[i].via.u64);
}

/* The value of a field; nothing if it is left out. */
static void put_value(struct text *line, const msgpack_object *job, const struct row *row)
{
    char text[64];
    const int64_t number = pool_field_int(job, row->name);
    const double real = pool_field_double(job, row->name);
    if (pool_field(job, row->name) == NULL || (number == 0 && (row->kind == COUNT || row->kind == BYTES)))
        return;
    switch (row->kind) {
    case TEXT:
        plain_put_field(line, job, row->name, SIZE_MAX);
        break;
    case NUMBER:
    case COUNT:
        text_printf(line, "%lld", (long long)number);
        break;
    case FACTOR:
        text_printf(line, "%g", real);
        break;
    case SIZE:
    case BYTES:
        text_puts(line, units_format_size(pool_field_uint(job, row->name), text, sizeof text));
        break;
    case DURATION:
        text_puts(line, units_format_duration(real, text, sizeof text));
        break;
    case TIME:
        text_puts(line, format_time(real, text, sizeof text));
        break;
    case IDS:
        put_ids(line, pool_field_array(job, row->name));
        break;
    case FLAG:
        text_puts(line, pool_field_bool(job, row->name) ? row->words : "");
        break;
    }
}

static void print_rows(FILE *file, const msgpack_object *job, const struct row *rows, struct text *line)
{
    for (; rows->name != NULL; rows++) {
        text_clear(line);
        put_value(line, job, rows);
        if (line->size > 0)
            fprintf(file, "  %-10s %s\n", rows->label, line->data);
    }
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

void jobview_print(FILE *file, const msgpack_object *job)
{
    struct text text = {0}, command = {0};
    plain_put_field(&text, job, "state", SIZE_MAX);
    fprintf(file, "job %llu: %s\n", (unsigned long long)pool_field_uint(job, "id"), text.size > 0 ? text.data : "?");
    text_clear(&text);
    put_command(&command, job);
    plain_put(&text, command.data, command.size, SIZE_MAX);
    if (text.size > 0)
        fprintf(file, "  command    %s\n", text.data);
    print_rows(file, job, rows_before_usage, &text);
    print_usage(file, job);
    print_rows(file, job, rows_after_usage, &text);
    text_deinit(&text);
    text_deinit(&command);
}

/* ---- a line of it ------------------------------------------------------------------------------------------------ */

void jobview_complain(const char *verb, const msgpack_object *job)
{
    struct text name = {0}, message = {0};
    plain_put_field(&name, job, "name", 60);
    plain_put_field(&message, job, "message", SIZE_MAX);
    say(verb, "job %llu (%s): %s", (unsigned long long)pool_field_uint(job, "id"), name.size > 0 ? name.data : "?",
        message.size > 0 ? message.data : "did not succeed");
    text_deinit(&name);
    text_deinit(&message);
}

/* When the event happened, if the job says so; else now. */
static double time_of(const msgpack_object *event, const msgpack_object *job)
{
    static const char *const names[][2] = {
        {"submitted", "submitted_at"}, {"started", "started_at"}, {"ended", "ended_at"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (pool_field_is(event, "event", names[i][0]) && pool_field(job, names[i][1]) != NULL)
            return pool_field_double(job, names[i][1]);
    return (double)time(NULL);
}

void jobview_print_event(FILE *file, const msgpack_object *event)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_NIL};
    const msgpack_object *known = pool_field(event, "job"), *job = known != NULL ? known : &none;
    const char *why = has_ended(job) ? "message" : "waits";
    char when[64];
    struct text text = {0};
    plain_put_field(&text, event, "event", GRID_CELL_MOST);
    fprintf(file, "%s  %-9s  %6llu  ", format_time(time_of(event, job), when, sizeof when),
            text.size > 0 ? text.data : "?", (unsigned long long)pool_field_uint(job, "id"));
    text_clear(&text);
    plain_put_field(&text, job, "name", SIZE_MAX);
    text_puts(&text, pool_field_str(job, why).size > 0 ? ": " : "");
    plain_put_field(&text, job, why, SIZE_MAX);
    fprintf(file, "%s\n", text.size > 0 ? text.data : "");
    text_deinit(&text);
}
