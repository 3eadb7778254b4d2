/* remote.h - a verb's connection to reclaimd. Failures are printed. */
#ifndef REMOTE_H
#define REMOTE_H

#include "table.h"

#include <reclaim/client.h>
#include <reclaim/map.h>
#include <stdbool.h>

struct remote {
    const char *verb;
    pool_client_t *client;
    pool_error_t *error; /* gets the error of a failed call; NULL: the error is printed */
};

/* What all verbs of the daemon have: --json and --socket. They are the process's: one verb runs in it. */
extern const struct table_option remote_table[];
extern struct remote_options {
    const char *socket; /* NULL: where it usually is */
    bool json;
} remote_options;

/* Reads a verb's options, and advances *argc and *argv to its words. 0; -1 after a message, or --help: *code is the
 * exit code. */
int remote_read(const struct table *table, int *argc, char ***argv, void *context, int *code);

/* 0, or -1 after a message. */
int remote_open(struct remote *remote, const char *verb);
void remote_close(struct remote *remote);

/* Calls a method with params (*takes*; NULL: none). 0, or -1 after a message. answer is the caller's for
 * msgpack_unpacked_destroy in any case, and borrows from the connection until the next call. */
int remote_call(struct remote *remote, const char *method, pool_fields_t *params, msgpack_unpacked *answer);

/* The same, without the answer. */
int remote_order(struct remote *remote, const char *method, pool_fields_t *params);

/* Prints an object as a line of JSON on standard output. 0, or -1 after a message. */
int remote_print_json(const struct remote *remote, const msgpack_object *object);

/* Ends a verb: closes the connection and flushes standard output. Returns code, or OUTCOME_OWN_FAILURE if that failed
 * or code is negative. */
int remote_finish(struct remote *remote, int code);

int64_t remote_now_ms(void); /* CLOCK_MONOTONIC */

#endif
