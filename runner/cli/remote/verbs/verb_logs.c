/* verb_logs.c - `reclaim logs`: the output of a job. */
#include "follow.h"
#include "remote_verb.h"
#include "verb_wait.h"
#include "verbs.h"

#include <unistd.h>

static struct logs {
    struct follow output;
    bool out, err;
} logs = {.output.lines = -1};

static const struct table_option rows[] = {
    {"follow", 'f', NULL, "go on until the job ends", TABLE_FLAG(struct logs, output.follow)},
    {"stdout", 0, NULL, "only its standard output", TABLE_FLAG(struct logs, out)},
    {"stderr", 0, NULL, "only its standard error", TABLE_FLAG(struct logs, err)},
    {"lines", 'n', "N", "only the last N lines so far", TABLE_NUMBER(struct logs, output.lines, 0, INT64_MAX)},
    {0}};

static int run(struct remote *remote, const struct remote_given *given)
{
    char left[160];
    if (jobrefs_resolve(remote, &given->jobs.items[0], &logs.output.id) < 0)
        return -1;
    struct patience patience = patience_begin(remote, wait_left(&given->jobs, left));
    int code;
    if (logs.out == logs.err)
        code = follow_copy_both(&patience, &logs.output);
    else {
        logs.output.stream = logs.out ? "stdout" : "stderr";
        logs.output.fd = STDOUT_FILENO; /* the only one that was asked for */
        code = follow_copy(&patience, &logs.output);
    }
    if (code == 0)
        follow_say_dropped(remote, logs.output.id);
    return code;
}

const struct remote_verb logs_verb = {
    .usage = "[OPTION...] JOB",
    .intro = "Prints the output of a job's last run, its standard error on standard error.",
    .rows = rows,
    .words = REMOTE_ONE_JOB,
    .context = &logs,
    .run = run,
};
