/* modules.h - the tasks of modules (reclaim/module.h): loaded in the fork server, called in its workers.
 *
 * The daemon itself has none of them, and gets their names from a worker. */
#ifndef MODULES_H
#define MODULES_H

#include "spec.h"

#include <stddef.h>

struct modules {
    const char *const *paths; /* absolute, NULL-terminated; NULL: none; *borrowed* */
    volatile int *loading;    /* shared with the fork server: the one that it loads now, from 1 */
};

/* pool_options_t.on_start; arg is a const struct modules. A sentence in error names the module. */
int modules_load(void *arg, pool_error_t *error);

/* A pool_fn: its value is the names of all tasks, a NUL after each. */
int modules_list(pool_call_t *call);

/* A pool_fn: calls the task that the argument names, with the argument that the client gave, with descriptors 0 and 1
 * that it was handed as its standard output and error. */
int modules_run(pool_call_t *call);

/* The argument of modules_run for the task of spec, in buffer (initialised; its content is replaced). -ENOMEM. */
int modules_pack(uint64_t job, uint32_t attempt, const struct spec *spec, msgpack_sbuffer *buffer);

#endif
