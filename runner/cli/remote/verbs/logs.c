/* logs.c - `reclaim logs`: what a job has written, and writes. */
#include "await.h"
#include "follow.h"
#include "outcome.h"
#include "say.h"
#include "verbs.h"

#include <unistd.h>

struct logs {
    struct follow output;
    bool out, err;
};

static const struct table_option rows[] = {
    {"follow", 'f', NULL, "go on until the job ends", TABLE_FLAG(struct logs, output.follow)},
    {"stdout", 0, NULL, "only its standard output", TABLE_FLAG(struct logs, out)},
    {"stderr", 0, NULL, "only its standard error", TABLE_FLAG(struct logs, err)},
    {"lines", 'n', "N", "only the last N lines so far", TABLE_NUMBER(struct logs, output.lines, 0, INT64_MAX)},
    {0}};
static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "logs",
    .usage = "[OPTION...] JOB",
    .intro = "Prints the output of a job's last run, its standard error on standard error.",
    .groups = groups,
    .anywhere = true,
};

static int copy(struct remote *remote, const struct jobref *ref, struct logs *logs)
{
    char left[160];
    const struct jobrefs refs = {.items = (struct jobref *)ref, .count = 1};
    if (jobrefs_resolve(remote, ref, &logs->output.id) < 0)
        return OUTCOME_OWN_FAILURE;
    struct patience patience = patience_begin(remote, await_left(&refs, left));
    int code;
    if (logs->out == logs->err)
        code = follow_copy_both(&patience, &logs->output);
    else {
        logs->output.stream = logs->out ? "stdout" : "stderr";
        logs->output.fd = STDOUT_FILENO; /* the only one that was asked for */
        code = follow_copy(&patience, &logs->output);
    }
    if (code == 0)
        follow_say_dropped(remote, logs->output.id);
    return code;
}

int logs_main(int argc, char **argv)
{
    struct logs logs = {.output.lines = -1};
    struct jobrefs refs = {0};
    struct remote remote;
    int code;
    if (remote_read(&table, &argc, &argv, &logs, &code) < 0)
        return code;
    code = OUTCOME_OWN_FAILURE;
    if (jobrefs_read(&refs, table.verb, argc, argv, "of which job? reclaim logs JOB") == 0) {
        if (refs.count != 1)
            say("logs", "one job at a time, please");
        else if (remote_open(&remote, table.verb) == 0)
            code = remote_finish(&remote, copy(&remote, &refs.items[0], &logs));
    }
    jobrefs_deinit(&refs);
    return code;
}
