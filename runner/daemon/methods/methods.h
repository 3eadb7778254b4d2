/* methods.h - what a client can ask: one table, a handler a method (docs/protocol.md). */
#ifndef METHODS_H
#define METHODS_H

#include "daemon.h"

/* A request while it is handled. */
struct call {
    struct daemon *daemon;
    struct client *client;
    uint32_t request;
    const msgpack_object *params; /* NULL: none */
    bool answered;                /* call_packer was asked for */
};

/* For handlers: the response's beginning is packed, the result comes next. NULL: the client is gone. */
msgpack_packer *methods_packer(struct call *call);
/* Answers {}. */
int methods_done(struct call *call);

/* A handler gives 0: answered; -1: error is filled in; METHODS_LATER: a watch has it. */
#define METHODS_LATER 1
typedef int (*methods_handler)(struct call *call, struct rpc_error *error);

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

/* A request that would wait, on a connection that may not. -1 and error. */
int methods_cannot_stay(struct rpc_error *error);

/* The group of this name, made if there may be one more. NULL and error. */
struct schedule_group *methods_group_of(struct daemon *daemon, struct rpc_text name, struct rpc_error *error);

/* Is there room for count more jobs of this client, and are any taken at all? 0, or -1 and error. */
int methods_check_room(const struct call *call, size_t count, struct rpc_error *error);

#endif
