#include "daemon_options.h"

#include "say.h"
#include "state.h"
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

#define WORKERS_MAX 10000
#define MESSAGE_MAX (512 * MIB) /* a specification is one value in SQLite, which takes 1e9 bytes */

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Absolute, so that it is the same place whatever becomes of the working directory. */
static int set_path(const char *option, const char *text, char path[PATH_MAX])
{
    char directory[PATH_MAX] = "";
    if (text[0] == '\0')
        return table_fail(option, text, "is empty: give a path");
    if (text[0] != '/' && getcwd(directory, sizeof directory) == NULL)
        return table_fail(option, text, "the working directory is gone: give an absolute path");
    const int size = snprintf(path, PATH_MAX, "%s%s%s", directory, text[0] == '/' ? "" : "/", text);
    return size < PATH_MAX ? 0 : table_fail(option, text, "too long for a path");
}

static int set_size(const char *option, const char *text, int64_t least, int64_t most, int64_t *bytes,
                    const char *range)
{
    if (values_size(option, text, bytes) < 0)
        return -1;
    return *bytes >= least && *bytes <= most ? 0 : table_fail(option, text, range);
}

static int set_socket(void *context, const char *text)
{
    return set_path("socket", text, ((struct daemon_options *)context)->socket);
}

static int set_state(void *context, const char *text)
{
    return set_path("state", text, ((struct daemon_options *)context)->state);
}

static int set_log(void *context, const char *text)
{
    return set_path("log", text, ((struct daemon_options *)context)->log_file);
}

static int set_log_level(void *context, const char *text)
{
    struct daemon_options *options = context;
    return log_level_parse(text, &options->log_level) < 0
               ? table_fail("log-level", text, "give error, warning, info or debug")
               : 0;
}

static int set_workers(void *context, const char *text)
{
    struct daemon_options *options = context;
    return values_number("workers", text, 1, WORKERS_MAX, &options->workers, "must lie between 1 and 10000");
}

static int set_memory_budget(void *context, const char *text)
{
    return values_memory_budget("memory-budget", text, &((struct daemon_options *)context)->memory_budget);
}

static int set_module(void *context, const char *text)
{
    struct daemon_options *options = context;
    if (options->module_count == OPTIONS_MODULES_MAX)
        return table_fail("module", text, "more than 64 modules: put several tables into one");
    char *path = realpath(text, NULL);
    if (path == NULL)
        return table_fail("module", text, strerror(errno));
    options->modules[options->module_count++] = path;
    return 0;
}

static int set_keep(void *context, const char *text)
{
    return values_delay("keep", text, &((struct daemon_options *)context)->keep_ms);
}

static int set_drain_timeout(void *context, const char *text)
{
    return values_delay("drain-timeout", text, &((struct daemon_options *)context)->drain_timeout_ms);
}

static int set_max_queue(void *context, const char *text)
{
    struct daemon_options *options = context;
    return values_number("max-queue", text, 1, 100000000, &options->queue_max, "must lie between 1 and 100,000,000");
}

static int set_max_clients(void *context, const char *text)
{
    struct daemon_options *options = context;
    return values_number("max-clients", text, 1, 100000, &options->clients_max, "must lie between 1 and 100,000");
}

static int set_max_client_jobs(void *context, const char *text)
{
    struct daemon_options *options = context;
    return values_number("max-client-jobs", text, 1, 100000000, &options->client_jobs_max,
                         "must lie between 1 and 100,000,000");
}

static int set_max_message(void *context, const char *text)
{
    struct daemon_options *options = context;
    return set_size("max-message", text, 4 * KIB, MESSAGE_MAX, &options->message_max, "must lie between 4K and 512M");
}

static int set_max_unread(void *context, const char *text)
{
    struct daemon_options *options = context;
    return set_size("max-unread", text, 4 * KIB, GIB, &options->unread_max, "must lie between 4K and 1G");
}

static int set_max_output(void *context, const char *text)
{
    struct daemon_options *options = context;
    return set_size("max-output", text, 1, INT64_MAX, &options->output_max, "must be at least 1");
}

static const struct table_option own_table[] = {
    {"socket", 0, "PATH", "listen there (default: see reclaimd(8))", set_socket},
    {"state", 0, "DIR", "jobs are kept there (default: see reclaimd(8))", set_state},
    {"workers", 0, "N", "jobs that run at once (default: processors)", set_workers},
    {"memory-budget", 0, "SIZE", "of all jobs together, or N% of the machine's", set_memory_budget},
    {"module", 0, "FILE.so", "load tasks from it (may be repeated)", set_module},
    {"keep", 0, "DUR", "how long ended jobs are kept (default 7d)", set_keep},
    {"drain-timeout", 0, "DUR", "what runs may go on so long at the end (30s)", set_drain_timeout},
    {"max-queue", 0, "N", "jobs that have not ended (1000000)", set_max_queue},
    {"max-client-jobs", 0, "N", "of these, of one connection (1000000)", set_max_client_jobs},
    {"max-clients", 0, "N", "connections at once (256)", set_max_clients},
    {"max-message", 0, "SIZE", "a request (16M)", set_max_message},
    {"max-unread", 0, "SIZE", "answers that a client has not read (8M)", set_max_unread},
    {"max-output", 0, "SIZE", "kept of stdout and of stderr of a job (64M)", set_max_output},
    {"log", 0, "FILE", "log there, not to stderr; SIGHUP reopens it", set_log},
    {"log-level", 0, "LEVEL", "error, warning, info (default) or debug", set_log_level},
    {0},
};

static const struct table_option *const groups[] = {own_table, NULL};

static const struct table table = {
    .usage = "[OPTION...]",
    .intro = "Takes jobs over a local socket, keeps them on disk, and runs each in a process of its\n"
             "own. Stays in the foreground; SIGTERM lets running jobs finish.",
    .groups = groups,
    .more = "SIZE: 512K, 2G. DUR: seconds, or 30s, 5m, 2h, 7d. reclaimd(8) has more.",
};

/* ---- defaults ---------------------------------------------------------------------------------------------------- */

static int fill_in_places(struct daemon_options *options)
{
    if (options->socket[0] == '\0' && pool_client_path(options->socket, sizeof options->socket) < 0) {
        say(NULL, "the default path of the socket is too long: give --socket PATH");
        return -1;
    }
    if (options->state[0] == '\0' &&
        state_path(geteuid(), getenv("XDG_STATE_HOME"), getenv("HOME"), options->state) < 0) {
        say(NULL, "neither XDG_STATE_HOME nor HOME says where jobs are to be kept: give --state DIR");
        return -1;
    }
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
    if (first < argc) {
        say(NULL, "%s: not an option; reclaimd --help lists them", argv[first]);
        return -1;
    }
    return fill_in_places(options);
}

void daemon_options_deinit(struct daemon_options *options)
{
    for (size_t i = 0; i < options->module_count; i++)
        free(options->modules[i]);
    options->module_count = 0;
    options->modules[0] = NULL;
}
