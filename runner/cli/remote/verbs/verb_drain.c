/* verb_drain.c - `reclaim drain`: no new jobs. */
#include "remote_verb.h"
#include "say.h"
#include "verbs.h"

#include <errno.h>

#define LOOK_MS 5000 /* between two looks at the remaining jobs, at most: each event makes it look, too */

static struct drain {
    bool off, wait;
} drain;

static const struct table_option rows[] = {
    {"wait", 'w', NULL, "wait for the end of every job", TABLE_FLAG(struct drain, wait)},
    {"off", 0, NULL, "accept new jobs again", TABLE_FLAG(struct drain, off)},
    {0}};

/* 1: no job is left; 0: jobs are left. */
static int is_empty(struct remote *remote)
{
    msgpack_unpacked answer;
    int rc = remote_call(remote, "stats", NULL, &answer);
    const msgpack_object *jobs = pool_field(&answer.data, "jobs");
    if (rc == 0 && jobs != NULL)
        rc = pool_field_uint(jobs, "running") + pool_field_uint(jobs, "queued") + pool_field_uint(jobs, "waiting") == 0;
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* Looks whenever a job has ended. */
static int wait_until_empty(struct remote *remote)
{
    int rc = remote_order(remote, "subscribe", NULL);
    while (rc == 0 && (rc = is_empty(remote)) == 0) {
        pool_bytes_t event;
        pool_error_t error;
        const int waited = pool_client_event(remote->client, LOOK_MS, &event, &error);
        if (waited < 0 && waited != -ETIMEDOUT)
            rc = say(remote->verb, "%s", error.message);
    }
    return rc < 0 ? -1 : 0;
}

static const char *check(const struct remote_given *given)
{
    (void)given;
    return drain.off && drain.wait ? "give one of --off and --wait" : NULL;
}

static int run(struct remote *remote, const struct remote_given *given)
{
    pool_fields_t request;
    (void)given;
    pool_fields_begin(&request);
    if (drain.off)
        pool_fields_bool(&request, "off", true);
    const int rc = remote_order(remote, "drain", &request);
    return rc == 0 && drain.wait ? wait_until_empty(remote) : rc;
}

const struct remote_verb drain_verb = {
    .usage = "[OPTION...]",
    .intro = "Makes reclaimd refuse new jobs. It still runs the jobs that it has.",
    .rows = rows,
    .context = &drain,
    .check = check,
    .run = run,
};
