/* submit.c - `reclaim submit`: a job for reclaimd. */
#include "await.h"
#include "follow.h"
#include "outcome.h"
#include "say.h"
#include "submit_options.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets options->job.after to the ids of --after; the caller's, for free(3). */
static int resolve_after(struct remote *remote, struct submit_options *options)
{
    const size_t count = options->after.count;
    if (count == 0)
        return 0;
    uint64_t *after = calloc(count, sizeof *after);
    options->job.after = after;
    options->job.after_count = count;
    if (after == NULL) {
        say("submit", "%s", strerror(ENOMEM));
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (jobrefs_resolve(remote, &options->after.items[i], &after[i]) < 0)
            return -1;
    return 0;
}

/* The job exists: if the daemon refuses something from now on, that is an outage, not a failed submit. */
static int await_end(struct remote *remote, const struct submit_options *options, uint64_t id)
{
    char left[160];
    struct jobref ref = {.id = id};
    const struct jobrefs refs = {.items = &ref, .count = 1};
    const struct follow output = {.id = id, .lines = -1, .follow = true};
    struct patience patience = patience_begin(remote, await_left(&refs, left));
    patience.refused = PATIENCE_GONE;
    if (options->follow) {
        const int code = follow_copy_both(&patience, &output);
        if (code != 0)
            return code;
        follow_say_dropped(remote, id);
    }
    return await_jobs(&patience, &refs, false);
}

/* The answer is lost, and the daemon may have the job. Sent again it would be a second job, unless it has a key. */
static int give_up(const pool_error_t *error)
{
    say("submit",
        "%s before it answered: look for the job (reclaim list -n 3) before you submit again; with --key a submit may "
        "be "
        "repeated",
        error->message);
    return PATIENCE_GONE;
}

/* 0 and the id, or the exit code. */
static int send_job(struct remote *remote, const struct submit_options *options, uint64_t *id)
{
    struct patience patience = {0};
    if (options->job.key != NULL)
        patience = patience_begin(remote, NULL);
    while (pool_client_submit(remote->client, &options->job, id, &patience.error) < 0) {
        if (!patience_is_lost(patience.error.code)) {
            say("submit", "%s", patience.error.message);
            return OUTCOME_OWN_FAILURE;
        }
        if (options->job.key == NULL)
            return give_up(&patience.error);
        if (patience_renew(&patience) != 0) {
            say("submit", "the daemon may have the job: submit again, with the same --key");
            return PATIENCE_GONE;
        }
    }
    return 0;
}

static int submit(struct remote *remote, struct submit_options *options)
{
    uint64_t id;
    if (resolve_after(remote, options) < 0)
        return OUTCOME_OWN_FAILURE;
    const int code = send_job(remote, options, &id);
    if (code != 0)
        return code;
    if (remote_options.json)
        printf("{\"id\":%llu}\n", (unsigned long long)id);
    else if (!options->follow) /* then standard output is the job's */
        printf("%llu\n", (unsigned long long)id);
    fflush(stdout);
    return options->wait || options->follow ? await_end(remote, options, id) : 0;
}

int submit_main(int argc, char **argv)
{
    static struct submit_options options;
    struct remote remote;
    int code;
    if (submit_options_read(&options, argc, argv, &code) == 0 && remote_open(&remote, "submit") == 0) {
        code = remote_finish(&remote, submit(&remote, &options));
        free((void *)options.job.after);
    }
    submit_options_deinit(&options);
    return code;
}
