/* wait.c - `reclaim wait`: until jobs have ended, with their exit code. */
#include "await.h"
#include "outcome.h"
#include "verbs.h"

struct wait {
    bool any;
    int64_t timeout_ms; /* below 0: none */
    int64_t began_ms;   /* remote_now_ms */
};

static const struct table_option rows[] = {
    {"any", 0, NULL, "wait for the first of them only", TABLE_FLAG(struct wait, any)},
    {"timeout", 't', "DUR", "wait no longer than this; then exit 124", TABLE_DELAY(struct wait, timeout_ms)},
    {0}};
static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "wait",
    .usage = "[OPTION...] JOB...",
    .intro = "Waits for the end of jobs, and exits with the code of the job; of several jobs,\n"
             "with the code of the first that failed.",
    .groups = groups,
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key. DUR: seconds, or 30s, 5m, 2h.",
    .anywhere = true,
};

static int await(struct remote *remote, const struct jobrefs *refs, const struct wait *wait)
{
    char left[160];
    struct patience patience = patience_begin(remote, await_left(refs, left));
    if (wait->timeout_ms >= 0)
        patience.until_ms = wait->began_ms + wait->timeout_ms;
    return await_jobs(&patience, refs, wait->any);
}

int wait_main(int argc, char **argv)
{
    struct wait wait = {.timeout_ms = -1, .began_ms = remote_now_ms()};
    struct jobrefs refs = {0};
    struct remote remote;
    int code;
    if (remote_read(&table, &argc, &argv, &wait, &code) < 0)
        return code;
    if (jobrefs_read(&refs, table.verb, argc, argv, "for which job? reclaim wait JOB...") < 0 ||
        remote_open(&remote, table.verb) < 0)
        code = OUTCOME_OWN_FAILURE;
    else
        code = remote_finish(&remote, await(&remote, &refs, &wait));
    jobrefs_deinit(&refs);
    return code;
}
