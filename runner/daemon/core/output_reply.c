/* output.c - the method `output`: what a job has printed, from an offset on. */
#include "watch.h"

#include "refs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_PIECE_MAX ((size_t)1024 * 1024)

static enum output_kind kind_of(bool stderr_too)
{
    return stderr_too ? OUTPUT_STDERR : OUTPUT_STDOUT;
}

/* 0: it never ran, or cannot be read. */
static uint32_t attempt_of(const struct daemon *daemon, uint64_t id)
{
    struct record record;
    return store_job_read(daemon->store, id, &record) == 0 ? record.attempt : 0;
}

static bool is_of_another_run(const struct watch *wanted, uint32_t attempt)
{
    return wanted->attempt != 0 && attempt != 0 && wanted->attempt != attempt;
}

bool output_is_due(struct daemon *daemon, const struct watch *wanted)
{
    const uint64_t id = wanted->ids[0];
    uint64_t total = 0;
    size_t none = 0;
    if (live_find(daemon, id) == NULL)
        return true;
    if (outputs_read(&daemon->outputs, id, kind_of(wanted->stderr_too), 0, NULL, &none, &total) < 0)
        return true;
    return total != wanted->offset || (total > 0 && is_of_another_run(wanted, attempt_of(daemon, id)));
}

void output_pack(struct daemon *daemon, const struct watch *wanted)
{
    msgpack_packer *packer = session_packer(wanted->client->session);
    const enum output_kind kind = kind_of(wanted->stderr_too);
    struct rpc_error failure;
    const uint32_t attempt = attempt_of(daemon, wanted->ids[0]);
    uint64_t offset = is_of_another_run(wanted, attempt) ? 0 : wanted->offset, total = 0;
    size_t size = wanted->limit < OUTPUT_PIECE_MAX ? wanted->limit : OUTPUT_PIECE_MAX;
    const bool ended = live_find(daemon, wanted->ids[0]) == NULL; /* before the read: what it wrote last is read, too */
    void *data = malloc(size + 1);
    int error =
        data == NULL ? -ENOMEM : outputs_read(&daemon->outputs, wanted->ids[0], kind, offset, data, &size, &total);
    if (error == 0 && total < offset) { /* a new run has begun since */
        offset = 0;
        size = wanted->limit < OUTPUT_PIECE_MAX ? wanted->limit : OUTPUT_PIECE_MAX;
        error = outputs_read(&daemon->outputs, wanted->ids[0], kind, offset, data, &size, &total);
    }
    if (error < 0) {
        rpc_fail(&failure, error == -ENOMEM ? RPC_INTERNAL : RPC_STORAGE, "output of job %llu cannot be read: %s",
                 (unsigned long long)wanted->ids[0], strerror(-error));
        rpc_pack_error(packer, &wanted->request, &failure);
    } else {
        rpc_pack_result(packer, wanted->request);
        msgpack_pack_map(packer, 5);
        rpc_pack_text(packer, "data");
        msgpack_pack_bin(packer, size);
        msgpack_pack_bin_body(packer, data, size);
        rpc_pack_named_uint(packer, "offset", offset);
        rpc_pack_named_uint(packer, "size", total);
        rpc_pack_named_uint(packer, "attempt", attempt);
        rpc_pack_named_bool(packer, "ended", ended);
    }
    free(data);
}
