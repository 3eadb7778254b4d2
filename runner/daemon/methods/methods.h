/* methods.h - what a client can ask: one table, a handler a method (docs/protocol.md). */
#ifndef METHODS_H
#define METHODS_H

#include "method_call.h"

/* Handles a request: answers it, or leaves it to a watch. */
void methods_handle(struct daemon *daemon, struct client *client, const struct rpc_request *request);

/* Handlers. 0: answered, or a watch will; -1: error is filled in. */
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
