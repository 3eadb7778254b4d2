#include "report.h"

#include "escape.h"
#include "outcome.h"
#include "units.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *report_text(const char *bytes, size_t size)
{
    json_t *text = json_stringn(bytes, size);
    const size_t room = ESCAPE_SIZE * size + 1;
    char *escaped = text == NULL ? malloc(room) : NULL;
    if (escaped != NULL)
        text = json_stringn(escaped, escape_bytes(bytes, size, ESCAPE_HIGH, escaped, room));
    free(escaped);
    return text;
}

static json_t *words_of(const char *const *argv)
{
    json_t *words = json_array();
    for (; *argv != NULL; argv++)
        json_array_append_new(words, report_text(*argv, strlen(*argv)));
    return words;
}

/* UTC, as RFC 3339 writes it; null: it never was. */
static json_t *time_of(double seconds)
{
    char text[64], fraction[16];
    struct tm parts;
    const time_t whole = (time_t)seconds;
    if (seconds <= 0 || gmtime_r(&whole, &parts) == NULL)
        return json_null();
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(fraction, sizeof fraction, ".%03dZ", (int)((seconds - (double)whole) * 1000));
    strncat(text, fraction, sizeof text - strlen(text) - 1);
    return json_string(text);
}

static json_t *number_or_null(int is_number, json_int_t number)
{
    return is_number ? json_integer(number) : json_null();
}

int report_write_json(FILE *file, const char *const *argv, const pool_result_t *result)
{
    const pool_usage_t *usage = &result->usage;
    const int measured = usage->memory_method != POOL_MEMORY_UNMEASURED;
    json_t *report = json_object();
    json_object_set_new(report, "command", words_of(argv));
    json_object_set_new(report, "outcome", json_string(outcome_word(result)));
    json_object_set_new(report, "exit_code", json_integer(outcome_exit_code(result)));
    json_object_set_new(report, "signal", number_or_null(result->signal != 0, result->signal));
    json_object_set_new(report, "message", report_text(result->message, strlen(result->message)));
    json_object_set_new(report, "wall_seconds", json_real(usage->wall_seconds));
    json_object_set_new(report, "user_seconds", json_real(usage->user_seconds));
    json_object_set_new(report, "system_seconds", json_real(usage->system_seconds));
    json_object_set_new(report, "peak_memory_bytes", number_or_null(measured, (json_int_t)usage->peak_memory));
    json_object_set_new(report, "peak_memory_bound_bytes", number_or_null(measured, (json_int_t)usage->peak_bound));
    json_object_set_new(report, "memory_method", json_string(pool_memory_method_name(usage->memory_method)));
    json_object_set_new(report, "memory_limit_bytes",
                        number_or_null(usage->memory_limit > 0, (json_int_t)usage->memory_limit));
    json_object_set_new(report, "processes", json_integer(usage->processes));
    json_object_set_new(report, "killed_processes", json_integer(usage->processes_killed));
    json_object_set_new(report, "unkillable", json_boolean(usage->unkillable));
    json_object_set_new(report, "attempt", json_integer(usage->attempt));
    json_object_set_new(report, "started_at", time_of(usage->started));
    json_object_set_new(report, "ended_at", time_of(usage->ended));
    char *line = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(report);
    if (line == NULL)
        return -ENOMEM;
    const int rc = fprintf(file, "%s\n", line) < 0 || fflush(file) != 0 ? -errno : 0;
    free(line);
    return rc;
}

static void print_memory(FILE *file, const pool_usage_t *usage)
{
    char peak[32], limit[32];
    if (usage->memory_method == POOL_MEMORY_UNMEASURED) {
        fputs("  memory     not measured\n", file);
        return;
    }
    fprintf(file, "  memory     peak %s (%s)", units_format_size(usage->peak_memory, peak, sizeof peak),
            pool_memory_method_name(usage->memory_method));
    if (usage->peak_bound > usage->peak_memory / 20 + (1 << 20))
        fprintf(file, ", perhaps %s more", units_format_size(usage->peak_bound, peak, sizeof peak));
    if (usage->memory_limit > 0)
        fprintf(file, ", limit %s", units_format_size(usage->memory_limit, limit, sizeof limit));
    fputc('\n', file);
}

void report_print(FILE *file, const char *const *argv, const pool_result_t *result)
{
    const pool_usage_t *usage = &result->usage;
    char wall[64];
    fputs("reclaim:", file);
    for (; *argv != NULL; argv++)
        fprintf(file, " %s", *argv);
    fprintf(file, "\n  ended      %s\n", result->message);
    fprintf(file, "  time       %s, CPU %.3f s user, %.3f s system\n",
            units_format_duration(usage->wall_seconds, wall, sizeof wall), usage->user_seconds, usage->system_seconds);
    print_memory(file, usage);
    fprintf(file, "  processes  %u", usage->processes);
    if (usage->processes_killed > 0)
        fprintf(file, ", of which %u had to be ended", usage->processes_killed);
    if (usage->unkillable)
        fputs("; what is left cannot be killed, and may still be there", file);
    if (usage->attempt > 1)
        fprintf(file, "\n  runs       %u", usage->attempt);
    fputc('\n', file);
}
