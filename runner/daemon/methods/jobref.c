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

int jobref_find(struct daemon *daemon, const msgpack_object *reference, struct record *record, struct rpc_error *error)
{
    char quoted[256];
    uint64_t id = reference->via.u64;
    int found = 0;
    if (reference->type == MSGPACK_OBJECT_STR)
        found = store_job_find(daemon->store, reference->via.str.ptr, reference->via.str.size, &id);
    if (found == 0)
        found = store_job_read(daemon->store, id, record);
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
    struct record record;
    *count = size;
    *ids = calloc((size_t)size + 1, sizeof **ids);
    if (*ids == NULL)
        return rpc_fail(error, RPC_INTERNAL, "no memory for %u job references", size);
    for (uint32_t i = 0; i < size; i++) {
        if (jobref_find(daemon, &references->via.array.ptr[i], &record, error) < 0) {
            free(*ids);
            *ids = NULL;
            return -1;
        }
        (*ids)[i] = record.id;
    }
    return 0;
}
