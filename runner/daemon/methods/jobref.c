#include "jobref.h"

#include <errno.h>
#include <stdlib.h>

const char *jobref_quote(const msgpack_object *reference, char out[256])
{
    if (reference->type == MSGPACK_OBJECT_STR)
        return rpc_quote(reference->via.str.ptr, reference->via.str.size, out);
    snprintf(out, 256, "%llu", (unsigned long long)reference->via.u64);
    return out;
}

int jobref_find(struct daemon *daemon, const msgpack_object *reference, uint64_t *id, enum record_state *state,
                struct rpc_error *error)
{
    struct record record = {0};
    char quoted[256];
    int found = 0;
    if (reference->type == MSGPACK_OBJECT_STR)
        found = store_job_find(daemon->store, reference->via.str.ptr, reference->via.str.size, id);
    else
        *id = reference->via.u64;
    if (found == 0)
        found = store_job_read(daemon->store, *id, &record);
    if (state != NULL)
        *state = record.state;
    if (found == -ENOENT)
        return rpc_fail(error, RPC_UNKNOWN_JOB, "there is no job %s", jobref_quote(reference, quoted));
    if (found < 0)
        return rpc_fail(error, RPC_STORAGE, "job %s cannot be read: %s", jobref_quote(reference, quoted),
                        store_message(daemon->store));
    return 0;
}

int jobref_find_all(struct daemon *daemon, const msgpack_object *references, uint64_t **ids, size_t *count,
                    struct rpc_error *error)
{
    const uint32_t size = references->via.array.size;
    *count = size;
    *ids = calloc((size_t)size + 1, sizeof **ids);
    if (*ids == NULL)
        return rpc_fail(error, RPC_INTERNAL, "no memory for %u job references", size);
    for (uint32_t i = 0; i < size; i++)
        if (jobref_find(daemon, &references->via.array.ptr[i], &(*ids)[i], NULL, error) < 0) {
            free(*ids);
            *ids = NULL;
            return -1;
        }
    return 0;
}
