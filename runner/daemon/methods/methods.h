/* methods.h - what a client can ask: one table, a handler a method (docs/protocol.md), and what handlers share. */
#ifndef METHODS_H
#define METHODS_H

#include "daemon.h"

#include <reclaim/map.h>

struct client;

/* Handles a request: answers it, or leaves it to a watch. */
void methods_handle(struct daemon *daemon, struct client *client, const struct rpc_request *request);

/* ---- method_call.c: a request while it is handled */

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

/* ---- handlers */

/* 0: answered, or a watch will; -1: error is filled in. */
int methods_hello(struct call *call, struct rpc_error *error);
int methods_submit(struct call *call, struct rpc_error *error);
int methods_submit_many(struct call *call, struct rpc_error *error);
int methods_status(struct call *call, struct rpc_error *error);
int methods_list(struct call *call, struct rpc_error *error);
int methods_wait(struct call *call, struct rpc_error *error);
int methods_result(struct call *call, struct rpc_error *error);
int methods_output(struct call *call, struct rpc_error *error);
int methods_stats(struct call *call, struct rpc_error *error);
int methods_cancel(struct call *call, struct rpc_error *error);
int methods_remove(struct call *call, struct rpc_error *error);
int methods_retry(struct call *call, struct rpc_error *error);
int methods_pause(struct call *call, struct rpc_error *error);
int methods_resume(struct call *call, struct rpc_error *error);
int methods_set(struct call *call, struct rpc_error *error);
int methods_group(struct call *call, struct rpc_error *error);
int methods_subscribe(struct call *call, struct rpc_error *error);
int methods_unsubscribe(struct call *call, struct rpc_error *error);
int methods_drain(struct call *call, struct rpc_error *error);
int methods_shutdown(struct call *call, struct rpc_error *error);

#endif
