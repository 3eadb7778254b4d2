/* drain.c - `reclaim drain` and `reclaim shutdown`: the end of work, and of the daemon. */
#include "limit.h"
#include "outcome.h"
#include "remote.h"
#include "say.h"
#include "shutdown.h"
#include "verbs.h"

#include <errno.h>

#define LOOK_MS 5000 /* at most, between two looks at what is left: events tell of most of it */

struct drain {
    bool off, wait;
};

static const struct table_option rows[] = {
    {"wait", 'w', NULL, "wait for the end of every job", TABLE_FLAG(struct drain, wait)},
    {"off", 0, NULL, "accept new jobs again", TABLE_FLAG(struct drain, off)},
    {0}};
static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "drain",
    .usage = "[OPTION...]",
    .intro = "Makes reclaimd refuse new jobs. It still runs the jobs that it has.",
    .groups = groups,
    .anywhere = true,
};

/* 1: none is left; 0: some are. */
static int is_empty(struct remote *remote)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    int rc = remote_call(remote, "stats", &request, &answer);
    const msgpack_object *jobs = pool_field(&answer.data, "jobs");
    if (rc == 0 && jobs != NULL)
        rc = pool_field_uint(jobs, "running") + pool_field_uint(jobs, "queued") + pool_field_uint(jobs, "waiting") == 0;
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* Looks whenever a job has ended. */
static int wait_until_empty(struct remote *remote)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    int rc = remote_order(remote, "subscribe", &request);
    while (rc == 0 && (rc = is_empty(remote)) == 0) {
        pool_bytes_t event;
        pool_error_t error;
        const int told = pool_client_event(remote->client, LOOK_MS, &event, &error);
        if (told < 0 && told != -ETIMEDOUT) {
            say(remote->verb, "%s", error.message);
            rc = -1;
        }
    }
    return rc < 0 ? -1 : 0;
}

int drain_main(int argc, char **argv)
{
    struct drain drain = {0};
    struct remote remote;
    pool_fields_t request;
    int code;
    if (remote_read(&table, &argc, &argv, &drain, &code) < 0)
        return code;
    if (argc > 0 || (drain.off && drain.wait)) {
        say("drain", argc > 0 ? "it takes no words, only options" : "--off and --wait: one of them");
        return OUTCOME_OWN_FAILURE;
    }
    if (remote_open(&remote, table.verb) < 0)
        return OUTCOME_OWN_FAILURE;
    pool_fields_begin(&request);
    if (drain.off)
        pool_fields_bool(&request, "off", true);
    int rc = remote_order(&remote, "drain", &request);
    if (rc == 0 && drain.wait)
        rc = wait_until_empty(&remote);
    return remote_finish(&remote, rc < 0 ? OUTCOME_OWN_FAILURE : 0);
}

/* ---- reclaim shutdown -------------------------------------------------------------------------------------------- */

struct shutdown {
    int64_t timeout_ms; /* below 0: not given */
};

int shutdown_main(int argc, char **argv)
{
    static const struct table_option shutdown_rows[] = {{"drain-timeout", 0, "DUR",
                                                         "grace period for running jobs (default: reclaimd's)",
                                                         TABLE_DELAY(struct shutdown, timeout_ms)},
                                                        {0}};
    static const struct table_option *const shutdown_groups[] = {shutdown_rows, remote_table, NULL};
    static const struct table shutdown_table = {
        .verb = "shutdown",
        .usage = "[OPTION...]",
        .intro = "Ends reclaimd. It starts no more jobs, lets running jobs finish for a while, then\n"
                 "ends and requeues the rest.",
        .groups = shutdown_groups,
        .anywhere = true,
    };
    struct remote remote;
    struct shutdown shutdown = {.timeout_ms = -1};
    int code;
    if (remote_read(&shutdown_table, &argc, &argv, &shutdown, &code) < 0)
        return code;
    if (argc > 0)
        say("shutdown", "it takes no words, only options");
    if (argc > 0 || remote_open(&remote, "shutdown") < 0)
        return OUTCOME_OWN_FAILURE;
    return remote_finish(&remote, shutdown_order(&remote, shutdown.timeout_ms) < 0 ? OUTCOME_OWN_FAILURE : 0);
}
