/* methods.c - the table of methods, and how a request comes to its handler. */
#include "methods.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOL_VERSION 1

static int hello(struct call *call, struct rpc_error *error);

static const struct method {
    const char *name;
    bool writes; /* refused while the store cannot be written */
    methods_handler handle;
} methods[] = {
    {"hello", false, hello},
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

msgpack_packer *methods_packer(struct call *call)
{
    if (!call->answered && !turn_answer(call->daemon, call->client, call->request))
        return NULL;
    call->answered = true;
    msgpack_packer *packer = session_packer(call->client->session);
    rpc_pack_result(packer, call->request);
    return packer;
}

int methods_done(struct call *call)
{
    msgpack_packer *packer = methods_packer(call);
    if (packer != NULL)
        msgpack_pack_map(packer, 0);
    return 0;
}

int methods_cannot_stay(struct rpc_error *error)
{
    return rpc_fail(error, RPC_TOO_MANY_CLIENTS,
                    "all places for clients that wait, follow or subscribe are taken (reclaimd --max-clients): ask "
                    "again later");
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

static void pack_tasks(msgpack_packer *packer, const char *const *tasks)
{
    uint32_t count = 0;
    while (tasks[count] != NULL)
        count++;
    rpc_pack_text(packer, "tasks");
    msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count; i++)
        rpc_pack_text(packer, tasks[i]);
}

static int hello(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{.name = "protocol", .type = FIELD_INT, .offset = 0},
                                         {.name = "client", .type = FIELD_TEXT, .offset = 8, .most = 255}};
    struct {
        int64_t protocol;
        struct rpc_text client;
    } given = {.protocol = PROTOCOL_VERSION};
    uint64_t bits;
    if (fields_read(call->params, "hello", table, 2, &given, &bits, error) < 0)
        return -1;
    if (given.protocol != PROTOCOL_VERSION)
        return rpc_fail(error, RPC_UNSUPPORTED_PROTOCOL, "version %lld of the protocol: this daemon speaks version %d",
                        (long long)given.protocol, PROTOCOL_VERSION);
    log_event(call->daemon->log, LOG_LEVEL_DEBUG, "hello", log_bytes("client", given.client.data, given.client.size),
              log_number("pid", session_pid(call->client->session)));
    msgpack_packer *packer = methods_packer(call);
    if (packer == NULL)
        return 0;
    msgpack_pack_map(packer, 6);
    rpc_pack_named_uint(packer, "protocol", PROTOCOL_VERSION);
    rpc_pack_text(packer, "server");
    msgpack_pack_str(packer, strlen("reclaimd ") + strlen(pool_version()));
    msgpack_pack_str_body(packer, "reclaimd ", strlen("reclaimd "));
    msgpack_pack_str_body(packer, pool_version(), strlen(pool_version()));
    rpc_pack_named_int(packer, "pid", getpid());
    pack_tasks(packer, runs_tasks(call->daemon->runs));
    rpc_pack_named_int(packer, "max_message", call->daemon->options->message_max);
    if (call->daemon->store_number != 0)
        rpc_pack_named_uint(packer, "store", call->daemon->store_number);
    else
        rpc_pack_named_nil(packer, "store");
    return 0;
}
