#include "await.h"

#include "answer.h"
#include "jobview.h"
#include "outcome.h"
#include "say.h"

/* The exit code of the one that failed first, by the clock; 0: none did. */
static int first_failure(const msgpack_object_array *jobs)
{
    const msgpack_object *first = NULL;
    for (uint32_t i = 0; i < jobs->size; i++) {
        const msgpack_object *job = &jobs->ptr[i];
        if (!answer_is(job, "state", "done") &&
            (first == NULL || answer_double(job, "ended_at") < answer_double(first, "ended_at")))
            first = job;
    }
    if (first == NULL)
        return 0;
    const int64_t code = answer_int(first, "exit_code");
    return code > 0 && code < 256 ? (int)code : OUTCOME_OWN_FAILURE;
}

static int tell(struct remote *remote, const msgpack_object_array *jobs)
{
    for (uint32_t i = 0; i < jobs->size; i++)
        if (remote_options.json) {
            if (remote_print_json(remote, &jobs->ptr[i]) < 0)
                return -1;
        } else if (!answer_is(&jobs->ptr[i], "state", "done"))
            jobview_complain(remote->verb, &jobs->ptr[i]);
    return 0;
}

int await_jobs(struct remote *remote, const struct refs *refs, bool any, double timeout)
{
    struct request request;
    msgpack_unpacked answer;
    request_begin(&request);
    refs_pack(request_field(&request, "ids"), refs);
    if (any)
        msgpack_pack_true(request_field(&request, "any"));
    if (timeout >= 0)
        msgpack_pack_double(request_field(&request, "timeout"), timeout);
    int code = OUTCOME_OWN_FAILURE;
    if (remote_call(remote, "wait", &request, &answer) == 0) {
        const msgpack_object_array *jobs = answer_array(&answer.data, "jobs");
        if (tell(remote, jobs) == 0)
            code = first_failure(jobs);
        if (answer_bool(&answer.data, "timed_out")) {
            say(remote->verb, "timed out: %zu of %zu jobs have ended", (size_t)jobs->size, refs->count);
            code = AWAIT_TIMED_OUT;
        }
    }
    msgpack_unpacked_destroy(&answer);
    return code;
}
