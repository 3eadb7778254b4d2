/* call.h - a request while it is handled, and what handlers share. */
#ifndef CALL_H
#define CALL_H

#include "daemon.h"

#include <reclaim/map.h>

struct client;

struct call {
    struct daemon *daemon;
    struct client *client;
    uint32_t request;
    const msgpack_object *params; /* NULL: none */
    bool answered;                /* the turn has recorded its answer */
};

/* Packs the beginning of the response; the caller packs the result. NULL: the client is gone. */
msgpack_packer *call_packer(struct call *call);
/* Answers with these fields, and frees them. Without memory for that it closes the session. 0. */
int call_answer(struct call *call, pool_fields_t *fields);
/* Answers {}. 0. */
int call_done(struct call *call);

/* A request that would wait, on a connection that may not. -1 and error. */
int call_cannot_stay(struct rpc_error *error);

/* The group of this name, made if there may be one more. NULL and error. */
struct schedule_group *call_group_of(const struct call *call, struct rpc_text name, struct rpc_error *error);

/* Is there room for count more jobs of this client, and are any taken at all? 0, or -1 and error. */
int call_check_room(const struct call *call, size_t count, struct rpc_error *error);

/* The row of the job that a reference (an id or a key) means, as store_job_read. 0, or -1 and error: RPC_UNKNOWN_JOB,
 * RPC_STORAGE. */
int call_find_job(const struct call *call, const msgpack_object *reference, struct record *record,
                  struct rpc_error *error);
/* The jobs of an array of references: *ids, sorted, each once; the caller's, for free(3). 0, or -1 and error. */
int call_find_jobs(const struct call *call, const msgpack_object *references, uint64_t **ids, size_t *count,
                   struct rpc_error *error);
/* A reference as text: "7", or the key quoted. */
const char *call_quote_job(const msgpack_object *reference, char out[256]);

#endif
