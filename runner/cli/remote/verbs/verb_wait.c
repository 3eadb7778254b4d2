/* verb_wait.c - `reclaim wait`: until jobs have ended, with their exit code. */
#include "await.h"
#include "remote_verb.h"
#include "verbs.h"

static struct wait {
    bool any;
    int64_t timeout_ms; /* below 0: none */
} wait_options = {.timeout_ms = -1};

static const struct table_option rows[] = {
    {"any", 0, NULL, "wait for the first of them only", TABLE_FLAG(struct wait, any)},
    {"timeout", 't', "DUR", "wait no longer than this; then exit 124", TABLE_DELAY(struct wait, timeout_ms)},
    {0}};

static int run(struct remote *remote, const struct remote_given *given, void *context)
{
    const struct wait *wait = context;
    char left[160];
    struct patience patience = patience_begin(remote, await_left(&given->jobs, left));
    if (wait->timeout_ms >= 0)
        patience.until_ms = remote_now_ms() + wait->timeout_ms;
    return await_jobs(&patience, &given->jobs, wait->any);
}

const struct remote_verb wait_verb = {
    .usage = "[OPTION...] JOB...",
    .intro = "Waits for the end of jobs, and exits with the code of the job; of several jobs,\n"
             "with the code of the first that failed.",
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key. DUR: seconds, or 30s, 5m, 2h.",
    .rows = rows,
    .words = REMOTE_JOBS,
    .context = &wait_options,
    .run = run,
};
