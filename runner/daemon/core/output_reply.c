#include "output_reply.h"

#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_MAX ((uint64_t)1024 * 1024)

/* 0: it never ran, or cannot be read. */
static uint32_t attempt_of(const struct daemon *daemon, uint64_t id)
{
    struct record record;
    return store_job_read(daemon->store, id, &record) == 0 ? record.attempt : 0;
}

static bool is_of_another_run(const struct output_wanted *wanted, uint32_t attempt)
{
    return wanted->attempt != 0 && attempt != 0 && wanted->attempt != attempt;
}

bool output_reply_is_due(struct daemon *daemon, const struct output_wanted *wanted)
{
    uint64_t total = 0;
    size_t none = 0;
    if (live_find(daemon, wanted->id) == NULL)
        return true;
    if (outputs_read(&daemon->outputs, wanted->id, wanted->kind, 0, NULL, &none, &total) < 0)
        return true;
    return total != wanted->offset || (total > 0 && is_of_another_run(wanted, attempt_of(daemon, wanted->id)));
}

struct piece {
    void *data;
    size_t size;
    uint64_t offset, total; /* where it is, and how much there is in all */
};

static int read_piece(struct daemon *daemon, const struct output_wanted *wanted, struct piece *piece)
{
    const size_t most = (size_t)(wanted->limit < PIECE_MAX ? wanted->limit : PIECE_MAX);
    piece->data = malloc(most + 1);
    if (piece->data == NULL)
        return -ENOMEM;
    for (;; piece->offset = 0) {
        piece->size = most;
        const int error = outputs_read(&daemon->outputs, wanted->id, wanted->kind, piece->offset, piece->data,
                                       &piece->size, &piece->total);
        if (error < 0 || piece->total >= piece->offset) /* else a new run has begun since */
            return error;
    }
}

void output_reply_pack(struct daemon *daemon, const struct output_wanted *wanted, uint32_t request,
                       msgpack_packer *packer)
{
    const uint32_t attempt = attempt_of(daemon, wanted->id);
    const bool ended = live_find(daemon, wanted->id) == NULL; /* before the read, which then has all of its output */
    struct piece piece = {.offset = is_of_another_run(wanted, attempt) ? 0 : wanted->offset};
    const int error = read_piece(daemon, wanted, &piece);
    if (error < 0) {
        struct rpc_error failure;
        rpc_fail(&failure, error == -ENOMEM ? RPC_INTERNAL : RPC_STORAGE, "output of job %llu cannot be read: %s",
                 (unsigned long long)wanted->id, strerror(-error));
        rpc_pack_error(packer, &request, &failure);
    } else {
        pool_fields_t fields;
        pool_fields_begin(&fields);
        pool_fields_bin(&fields, "data", piece.data, piece.size);
        pool_fields_uint(&fields, "offset", piece.offset);
        pool_fields_uint(&fields, "size", piece.total);
        pool_fields_uint(&fields, "attempt", attempt);
        pool_fields_bool(&fields, "ended", ended);
        rpc_pack_result(packer, request);
        pool_fields_append(&fields, packer);
    }
    free(piece.data);
}
