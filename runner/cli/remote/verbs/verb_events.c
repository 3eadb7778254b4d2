/* verb_events.c - `reclaim events`: a line for whatever happens to jobs, until it is stopped. */
#include "jobview.h"
#include "patience.h"
#include "remote_verb.h"
#include "say.h"
#include "verbs.h"

#include <stdio.h>

static struct events {
    const char *group; /* NULL: any */
} events;

static const struct table_option rows[] = {
    {"group", 'g', "NAME", "only jobs of this group", TABLE_TEXT(struct events, group)},
    {0}};

static int print_event(const struct remote *remote, pool_bytes_t bytes)
{
    msgpack_unpacked event;
    int rc = 0;
    msgpack_unpacked_init(&event);
    if (msgpack_unpack_next(&event, bytes.data, bytes.size, NULL) != MSGPACK_UNPACK_SUCCESS)
        rc = say(remote->verb, "no memory for an event");
    else if (remote_options.json)
        rc = remote_print_json(remote, &event.data);
    else
        jobview_print_event(stdout, &event.data);
    msgpack_unpacked_destroy(&event);
    return rc < 0 || fflush(stdout) != 0 ? -1 : 0;
}

static int subscribe(struct patience *patience, const struct jobrefs *jobs)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    if (events.group != NULL)
        pool_fields_text(&request, "group", events.group);
    if (jobs->count > 0)
        jobrefs_pack(&request, jobs);
    const int rc = patience_call(patience, "subscribe", &request, &answer);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* Prints events until the connection is lost. -1: they cannot be printed. */
static int print_events(struct patience *patience)
{
    const struct remote *remote = patience->remote;
    pool_bytes_t event;
    while (pool_client_event(remote->client, -1, &event, &patience->error) == 0)
        if (print_event(remote, event) < 0)
            return -1;
    return 0;
}

/* Never ends by itself. */
static int run(struct remote *remote, const struct remote_given *given)
{
    struct patience patience = patience_begin(remote, NULL);
    for (;;) {
        if (subscribe(&patience, &given->jobs) == 0) {
            if (patience.back_at > 0)
                say(remote->verb, "reclaimd is back: events of the meantime are missing");
            if (print_events(&patience) < 0)
                return -1;
        }
        const int code = patience_renew(&patience);
        if (code != 0)
            return code;
    }
}

const struct remote_verb events_verb = {
    .usage = "[OPTION...] [JOB...]",
    .intro = "Prints a line when a job is submitted, started, requeued, ended or removed.",
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key.",
    .rows = rows,
    .words = REMOTE_JOBS_OR_NONE,
    .context = &events,
    .run = run,
};
