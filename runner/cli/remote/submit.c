/* submit.c - `reclaim submit`: a job for reclaimd. */
#include "await.h"
#include "outcome.h"
#include "output.h"
#include "resolve.h"
#include "say.h"
#include "submit_options.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Jobs that it waits for, by id. The caller's, for free(3), in options->job.after. */
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
        if (resolve_id(remote, &options->after.items[i], &after[i]) < 0)
            return -1;
    return 0;
}

static int await_end(struct remote *remote, const struct submit_options *options, uint64_t id)
{
    struct ref ref = {.id = id};
    const struct refs refs = {.items = &ref, .count = 1};
    const struct output output = {.id = id, .lines = -1, .follow = true};
    if (options->follow) {
        if (output_copy_both(remote, &output) < 0)
            return OUTCOME_OWN_FAILURE;
        output_say_dropped(remote, id);
    }
    return await_jobs(remote, &refs, false, -1);
}

static int submit(struct remote *remote, struct submit_options *options)
{
    uint64_t id;
    pool_error_t error;
    if (resolve_after(remote, options) < 0)
        return OUTCOME_OWN_FAILURE;
    if (pool_client_submit(remote->client, &options->job, &id, &error) < 0) {
        say("submit", "%s", error.message);
        return OUTCOME_OWN_FAILURE;
    }
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
