#include "resolve.h"

#include "answer.h"

int resolve_id(struct remote *remote, const struct jobref *ref, uint64_t *id)
{
    struct request request;
    msgpack_unpacked answer;
    *id = ref->id;
    if (ref->id != 0)
        return 0;
    request_begin(&request);
    jobrefs_pack_one(request_field(&request, "id"), ref);
    const int rc = remote_call(remote, "status", &request, &answer);
    *id = answer_uint(&answer.data, "id");
    msgpack_unpacked_destroy(&answer);
    return rc;
}
