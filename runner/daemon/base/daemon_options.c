#include "daemon_options.h"

#include "program.h"
#include "say.h"
#include "table.h"
#include "values.h"

#include <errno.h>
#include <reclaim/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB INT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

#define MESSAGE_MAX (512 * MIB) /* a specification is one value in SQLite, which takes 1e9 bytes */

static int set_log_level(void *context, const char *text)
{
    struct daemon_options *options = context;
    return log_level_parse(text, &options->log_level) < 0
               ? values_fail("log-level", text, "give error, warning, info or debug")
               : 0;
}

static int set_module(void *context, const char *text)
{
    struct daemon_options *options = context;
    if (options->module_count == OPTIONS_MODULES_MAX)
        return values_fail("module", text, "more than 64 modules: put several tables into one");
    char *path = realpath(text, NULL);
    if (path == NULL)
        return values_fail("module", text, strerror(errno));
    options->modules[options->module_count++] = path;
    return 0;
}

static const struct table_option own_table[] = {
    {"socket", 0, "PATH", "where to listen (default: see reclaimd(8))", TABLE_PATH(struct daemon_options, socket)},
    {"state", 0, "DIR", "where to keep jobs (default: see reclaimd(8))", TABLE_PATH(struct daemon_options, state)},
    {"workers", 0, "N", "jobs at once (default: processors)", TABLE_NUMBER(struct daemon_options, workers, 1, 10000)},
    {"memory-budget", 0, "SIZE", "memory for all jobs together; N%: of the machine's",
     TABLE_BUDGET(struct daemon_options, memory_budget)},
    {"module", 0, "FILE.so", "load the tasks of a module (may be repeated)", .set = set_module},
    {"keep", 0, "DUR", "how long to keep ended jobs (default 7d)", TABLE_DELAY(struct daemon_options, keep_ms)},
    {"drain-timeout", 0, "DUR", "grace period for running jobs at shutdown (30s)",
     TABLE_DELAY(struct daemon_options, drain_timeout_ms)},
    {"max-queue", 0, "N", "queued and running jobs (1000000)",
     TABLE_NUMBER(struct daemon_options, queue_max, 1, 100000000)},
    {"max-client-jobs", 0, "N", "the same, of one connection (1000000)",
     TABLE_NUMBER(struct daemon_options, client_jobs_max, 1, 100000000)},
    {"max-clients", 0, "N", "connections at once (256)", TABLE_NUMBER(struct daemon_options, clients_max, 1, 100000)},
    {"max-message", 0, "SIZE", "size of a request (16M)",
     TABLE_SIZE(struct daemon_options, message_max, 4 * KIB, MESSAGE_MAX), .range = "must lie between 4K and 512M"},
    {"max-unread", 0, "SIZE", "answers that a client leaves unread (8M)",
     TABLE_SIZE(struct daemon_options, unread_max, 4 * KIB, GIB), .range = "must lie between 4K and 1G"},
    {"max-output", 0, "SIZE", "stdout to keep of a job, and stderr (64M)",
     TABLE_SIZE(struct daemon_options, output_max, 1, INT64_MAX), .range = "must be at least 1"},
    {"log", 0, "FILE", "log to FILE, not to stderr; SIGHUP reopens it", TABLE_PATH(struct daemon_options, log_file)},
    {"log-level", 0, "LEVEL", "error, warning, info (default) or debug", .set = set_log_level},
    {0},
};

static const struct table_option *const groups[] = {own_table, NULL};

static const struct table table = {
    .usage = "[OPTION...]",
    .intro = "Takes jobs over a local socket, keeps them on disk, and runs each in its own\n"
             "process. Stays in the foreground. SIGTERM lets running jobs finish.",
    .groups = groups,
    .more = "SIZE: 512K, 2G. DUR: seconds, or 30s, 5m, 2h, 7d. reclaimd(8) has more.",
};

/* ---- defaults ---------------------------------------------------------------------------------------------------- */

static int fill_in_places(struct daemon_options *options)
{
    if (options->socket[0] == '\0' && pool_client_path(options->socket, sizeof options->socket) < 0)
        return say(NULL, "the default path of the socket is too long: give --socket PATH");
    if (options->state[0] == '\0' &&
        program_state_path(geteuid(), getenv("XDG_STATE_HOME"), getenv("HOME"), options->state) < 0)
        return say(NULL, "neither XDG_STATE_HOME nor HOME says where jobs are to be kept: give --state DIR");
    return 0;
}

int daemon_options_read(struct daemon_options *options, int argc, char **argv)
{
    *options = (struct daemon_options){
        .log_level = LOG_LEVEL_INFO,
        .keep_ms = INT64_C(7) * 24 * 3600 * 1000,
        .drain_timeout_ms = 30000,
        .queue_max = 1000000,
        .client_jobs_max = 1000000,
        .clients_max = 256,
        .message_max = 16 * MIB,
        .unread_max = 8 * MIB,
        .output_max = 64 * MIB,
    };
    say_program = "reclaimd";
    const int first = table_read(&table, argc, argv, options);
    if (first < 0)
        return first;
    if (first < argc)
        return say(NULL, "%s: not an option; reclaimd --help lists them", argv[first]);
    return fill_in_places(options);
}

void daemon_options_deinit(struct daemon_options *options)
{
    for (size_t i = 0; i < options->module_count; i++)
        free(options->modules[i]);
    options->module_count = 0;
    options->modules[0] = NULL;
}
