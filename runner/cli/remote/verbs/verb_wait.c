/* verb_wait.c - `reclaim wait`: until jobs have ended, with their exit code. */
#include "verb_wait.h"

#include "jobview.h"
#include "outcome.h"
#include "remote_verb.h"
#include "say.h"
#include "verbs.h"

#include <stdio.h>

/* The exit code of the job that failed first, by the clock; 0: none failed. */
static int first_failure(msgpack_object_array jobs)
{
    const msgpack_object *first = NULL;
    for (uint32_t i = 0; i < jobs.size; i++) {
        const msgpack_object *job = &jobs.ptr[i];
        if (!pool_field_is(job, "state", "done") &&
            (first == NULL || pool_field_double(job, "ended_at") < pool_field_double(first, "ended_at")))
            first = job;
    }
    if (first == NULL)
        return 0;
    const int64_t code = pool_field_int(first, "exit_code");
    return code > 0 && code < 256 ? (int)code : OUTCOME_OWN_FAILURE;
}

static int print_jobs(const struct remote *remote, msgpack_object_array jobs)
{
    for (uint32_t i = 0; i < jobs.size; i++)
        if (remote_options.json) {
            if (remote_print_json(remote, &jobs.ptr[i]) < 0)
                return -1;
        } else if (!pool_field_is(&jobs.ptr[i], "state", "done"))
            jobview_complain(remote->verb, &jobs.ptr[i]);
    return 0;
}

const char *wait_left(const struct jobrefs *refs, char text[160])
{
    const struct jobref *first = &refs->items[0];
    if (refs->count > 1)
        snprintf(text, 160, "the %zu jobs are", refs->count);
    else if (first->key != NULL)
        snprintf(text, 160, "job %s is", first->key);
    else
        snprintf(text, 160, "job %llu is", (unsigned long long)first->id);
    return text;
}

static int ask(struct patience *patience, const struct jobrefs *refs, bool any, msgpack_unpacked *answer)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    jobrefs_pack(&request, refs);
    if (any)
        pool_fields_bool(&request, "any", true);
    if (patience->until_ms >= 0) {
        const int64_t left = patience->until_ms - remote_now_ms();
        pool_fields_double(&request, "timeout", left > 0 ? (double)left / 1000 : 0);
    }
    return patience_call(patience, "wait", &request, answer);
}

int wait_for_jobs(struct patience *patience, const struct jobrefs *refs, bool any)
{
    const struct remote *remote = patience->remote;
    msgpack_unpacked answer;
    int code = 0;
    while (ask(patience, refs, any, &answer) < 0) {
        msgpack_unpacked_destroy(&answer);
        code = patience_renew(patience);
        if (code != 0)
            return code;
    }
    const msgpack_object_array jobs = pool_field_array(&answer.data, "jobs");
    code = print_jobs(remote, jobs) < 0 ? -1 : first_failure(jobs);
    if (pool_field_bool(&answer.data, "timed_out")) {
        say(remote->verb, "timed out: %zu of %zu jobs have ended", (size_t)jobs.size, refs->count);
        code = PATIENCE_TIMED_OUT;
    }
    msgpack_unpacked_destroy(&answer);
    return code;
}

/* ---- reclaim wait ------------------------------------------------------------------------------------------------ */

static struct wait {
    bool any;
    int64_t timeout_ms; /* below 0: none */
} wait_options = {.timeout_ms = -1};

static const struct table_option rows[] = {
    {"any", 0, NULL, "wait for the first of them only", TABLE_FLAG(struct wait, any)},
    {"timeout", 't', "DUR", "wait no longer than this; then exit 124", TABLE_DELAY(struct wait, timeout_ms)},
    {0}};

static int run(struct remote *remote, const struct remote_given *given)
{
    char left[160];
    struct patience patience = patience_begin(remote, wait_left(&given->jobs, left));
    if (wait_options.timeout_ms >= 0)
        patience.until_ms = remote_now_ms() + wait_options.timeout_ms;
    return wait_for_jobs(&patience, &given->jobs, wait_options.any);
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
