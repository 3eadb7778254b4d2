#include "methods.h"

#include "daemon_client.h"
#include "turn.h"

#include <string.h>

static const struct method {
    const char *name;
    bool writes; /* refused while the store cannot be written */
    int (*handle)(struct call *call, struct rpc_error *error);
} methods[] = {
    {"hello", false, methods_hello},
    {"submit", true, methods_submit},
    {"submit_many", true, methods_submit_many},
    {"status", false, methods_status},
    {"list", false, methods_list},
    {"wait", false, methods_wait},
    {"result", false, methods_result},
    {"output", false, methods_output},
    {"stats", false, methods_stats},
    {"cancel", true, methods_cancel},
    {"remove", true, methods_remove},
    {"retry", true, methods_retry},
    {"pause", true, methods_pause},
    {"resume", true, methods_resume},
    {"set", true, methods_set},
    {"group", true, methods_group},
    {"subscribe", false, methods_subscribe},
    {"unsubscribe", false, methods_unsubscribe},
    {"drain", false, methods_drain},
    {"shutdown", false, methods_shutdown},
};

static const struct method *find_method(struct rpc_text name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (name.size == strlen(methods[i].name) && memcmp(name.data, methods[i].name, name.size) == 0)
            return &methods[i];
    return NULL;
}

static int dispatch(struct call *call, struct rpc_text name, struct rpc_error *error)
{
    char quoted[256];
    struct daemon *daemon = call->daemon;
    const struct method *method = find_method(name);
    if (method == NULL)
        return rpc_fail(error, RPC_UNKNOWN_METHOD, "there is no method %s", rpc_quote(name.data, name.size, quoted));
    if (daemon->phase >= DAEMON_CLOSING)
        return rpc_fail(error, RPC_SHUTTING_DOWN, "the daemon is shutting down");
    if (daemon->turn_error != 0 || (method->writes && daemon->read_only[0] != '\0'))
        return rpc_fail(error, RPC_READ_ONLY, "the store cannot be written: %s", daemon->read_only);
    return method->handle(call, error);
}

void methods_handle(struct daemon *daemon, struct client *client, const struct rpc_request *request)
{
    struct call call = {.daemon = daemon, .client = client, .request = request->id, .params = request->params};
    struct rpc_error error = {0};
    const size_t mark = session_mark(client->session);
    if (dispatch(&call, request->method, &error) >= 0)
        return;
    session_rewind(client->session, mark);
    if (call.answered || turn_answer(daemon, client, request->id))
        rpc_pack_error(session_packer(client->session), &request->id, &error);
}
