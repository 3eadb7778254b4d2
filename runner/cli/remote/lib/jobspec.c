#include "jobspec.h"

#include "answer.h"
#include "plain.h"
#include "units.h"

#include <stdint.h>

enum kind { TEXT, NUMBER, FACTOR, SIZE, DURATION, FLAG };

static const struct setting {
    const char *name, *label;
    enum kind kind;
} settings[] = {{"cwd", "directory", TEXT},
                {"memory", "memory max", SIZE},
                {"expected", "memory exp", SIZE},
                {"timeout", "timeout", DURATION},
                {"kill_after", "kill after", DURATION},
                {"cpu_time", "CPU limit", DURATION},
                {"pids", "pids max", NUMBER},
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
    const msgpack_object_str word = answer_str(job, setting->name);
    switch (setting->kind) {
    case TEXT:
        plain_put(line, word.ptr, word.size, SIZE_MAX);
        break;
    case NUMBER:
        text_printf(line, "%lld", (long long)answer_int(job, setting->name));
        break;
    case FACTOR:
        text_printf(line, "%g", answer_double(job, setting->name));
        break;
    case SIZE:
        text_puts(line, units_format_size(answer_uint(job, setting->name), text, sizeof text));
        break;
    case DURATION:
        text_puts(line, units_format_duration(answer_double(job, setting->name), text, sizeof text));
        break;
    case FLAG:
        text_puts(line, answer_bool(job, setting->name) ? "yes" : "no");
        break;
    }
}

void jobspec_print(FILE *file, const msgpack_object *job)
{
    struct text line = {0};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (answer_field(job, settings[i].name) == NULL)
            continue;
        text_clear(&line);
        put_value(&line, job, &settings[i]);
        fprintf(file, "  %-10s %s\n", settings[i].label, line.size > 0 ? line.data : "");
    }
    text_deinit(&line);
}
