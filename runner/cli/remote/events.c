/* events.c - `reclaim events`: a line for whatever happens to jobs, until it is stopped. */
#include "answer.h"
#include "jobview.h"
#include "outcome.h"
#include "refs.h"
#include "remote.h"
#include "say.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static int set_group(void *context, const char *text)
{
    *(const char **)context = text;
    return 0;
}

static const struct table_option rows[] = {{"group", 'g', "NAME", "only of this group", set_group}, {0}};
static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "events",
    .usage = "[OPTION...] [JOB...]",
    .intro = "Prints a line when a job is submitted, started, requeued, ended or removed.",
    .groups = groups,
    .more = "JOB: an id, a range 3-7, a list 1,2, or a key.",
    .anywhere = true,
};

/* Nobody but this verb unpacks what came unasked: the client has scanned it. */
static int print_event(const struct remote *remote, pool_bytes_t bytes)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_NIL};
    msgpack_unpacked event;
    int rc = 0;
    msgpack_unpacked_init(&event);
    if (msgpack_unpack_next(&event, bytes.data, bytes.size, NULL) != MSGPACK_UNPACK_SUCCESS) {
        say(remote->verb, "no memory for an event");
        rc = -1;
    } else if (remote_options.json)
        rc = remote_print_json(remote, &event.data);
    else {
        const msgpack_object *what = answer_field(&event.data, "event"), *job = answer_field(&event.data, "job");
        jobview_print_event(stdout, what != NULL ? what : &none, job != NULL ? job : &none);
    }
    msgpack_unpacked_destroy(&event);
    return rc < 0 || fflush(stdout) != 0 ? -1 : 0;
}

static int print_events(struct remote *remote)
{
    for (;;) {
        pool_bytes_t event;
        pool_error_t error;
        if (pool_client_event(remote->client, -1, &event, &error) < 0) {
            say(remote->verb, "%s", error.message);
            return -1;
        }
        if (print_event(remote, event) < 0)
            return -1;
    }
}

int events_main(int argc, char **argv)
{
    const char *group = NULL;
    struct refs refs = {0};
    struct remote remote;
    struct request request;
    int code;
    if (remote_read(&table, &argc, &argv, &group, &code) < 0)
        return code;
    if (refs_read(&refs, table.verb, argc, argv, NULL) < 0 || remote_open(&remote, table.verb) < 0) {
        refs_deinit(&refs);
        return OUTCOME_OWN_FAILURE;
    }
    request_begin(&request);
    request_text(&request, "group", group);
    if (refs.count > 0)
        refs_pack(request_field(&request, "ids"), &refs);
    refs_deinit(&refs);
    if (remote_order(&remote, "subscribe", &request) == 0)
        print_events(&remote);
    return remote_finish(&remote, OUTCOME_OWN_FAILURE); /* it has no other end than that of the connection */
}
