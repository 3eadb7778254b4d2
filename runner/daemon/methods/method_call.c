#include "methods.h"

#include "daemon_client.h"
#include "ids.h"
#include "live.h"
#include "turn.h"

#include <errno.h>
#include <stdlib.h>

#define GROUPS_MAX 1000

msgpack_packer *call_packer(struct call *call)
{
    if (!call->answered && !turn_answer(call->daemon, call->client, call->request))
        return NULL;
    call->answered = true;
    msgpack_packer *packer = session_packer(call->client->session);
    rpc_pack_result(packer, call->request);
    return packer;
}

int call_answer(struct call *call, pool_fields_t *fields)
{
    msgpack_packer *packer = call_packer(call);
    if (packer == NULL)
        pool_fields_free(fields);
    else if (pool_fields_append(fields, packer) < 0)
        session_close(call->client->session, "no memory for its answer");
    return 0;
}

int call_done(struct call *call)
{
    msgpack_packer *packer = call_packer(call);
    if (packer != NULL)
        msgpack_pack_map(packer, 0);
    return 0;
}

int call_cannot_stay(struct rpc_error *error)
{
    return rpc_fail(error, RPC_TOO_MANY_CLIENTS,
                    "all places for clients that wait, follow or subscribe are taken (reclaimd --max-clients): ask "
                    "again later");
}

struct schedule_group *call_group_of(const struct call *call, struct rpc_text name, struct rpc_error *error)
{
    struct schedule *schedule = &call->daemon->schedule;
    struct schedule_group *group = schedule_group_find(schedule, name.data, name.size);
    if (group != NULL)
        return group;
    if (schedule->group_count >= GROUPS_MAX) {
        rpc_fail(error, RPC_INVALID_VALUE, "there are %d groups already: name one of them", GROUPS_MAX);
        return NULL;
    }
    group = schedule_group(schedule, name.data, name.size);
    if (group == NULL)
        rpc_fail(error, RPC_INTERNAL, "no memory for a group");
    return group;
}

int call_check_room(const struct call *call, size_t count, struct rpc_error *error)
{
    const struct daemon *daemon = call->daemon;
    const size_t live = HASH_COUNT(daemon->jobs);
    if (daemon->phase != DAEMON_SERVING)
        return rpc_fail(error, RPC_SHUTTING_DOWN, "the daemon is shutting down: it takes no new jobs");
    if (daemon->draining)
        return rpc_fail(error, RPC_DRAINING, "the daemon drains: it takes no new jobs until `drain` is off");
    if (call->client->jobs + count > (size_t)daemon->options->client_jobs_max)
        return rpc_fail(error, RPC_TOO_MANY_JOBS,
                        "%zu jobs of this connection have not ended: --max-client-jobs is %lld", call->client->jobs,
                        (long long)daemon->options->client_jobs_max);
    if (live + count > (size_t)daemon->options->queue_max)
        return rpc_fail(error, RPC_QUEUE_FULL, "%zu jobs have not ended: --max-queue is %lld", live,
                        (long long)daemon->options->queue_max);
    return 0;
}

/* ---- references ------------------------------------------------------------------------------------------------ */

const char *call_quote_job(const msgpack_object *reference, char out[256])
{
    if (reference->type == MSGPACK_OBJECT_STR)
        return rpc_quote(reference->via.str.ptr, reference->via.str.size, out);
    snprintf(out, 256, "%llu", (unsigned long long)reference->via.u64);
    return out;
}

int call_find_job(const struct call *call, const msgpack_object *reference, struct record *record,
                  struct rpc_error *error)
{
    struct store *store = call->daemon->store;
    char quoted[256];
    uint64_t id = reference->via.u64;
    int found = 0;
    if (reference->type == MSGPACK_OBJECT_STR)
        found = store_job_find(store, reference->via.str.ptr, reference->via.str.size, &id);
    if (found == 0)
        found = store_job_read(store, id, record);
    if (found == -ENOENT)
        return rpc_fail(error, RPC_UNKNOWN_JOB, "there is no job %s", call_quote_job(reference, quoted));
    if (found < 0)
        return rpc_fail(error, RPC_STORAGE, "job %s cannot be read: %s", call_quote_job(reference, quoted),
                        store_message(store));
    return 0;
}

int call_find_jobs(const struct call *call, const msgpack_object *references, uint64_t **ids, size_t *count,
                   struct rpc_error *error)
{
    const uint32_t size = references->via.array.size;
    struct record record = {.id = 0};
    *ids = calloc((size_t)size + 1, sizeof **ids);
    if (*ids == NULL)
        return rpc_fail(error, RPC_INTERNAL, "no memory for %u job references", size);
    for (uint32_t i = 0; i < size; i++) {
        if (call_find_job(call, &references->via.array.ptr[i], &record, error) < 0) {
            free(*ids);
            *ids = NULL;
            return -1;
        }
        (*ids)[i] = record.id;
    }
    *count = ids_sort(*ids, size);
    return 0;
}
