/* SPDX-License-Identifier: MIT
 *
 * reclaim/module.h - tasks for reclaimd: a shared object with a table of names and functions.
 *
 *     #include <reclaim/module.h>
 *     static int square(pool_call_t *call) { ... }
 *     static const pool_task_t tasks[] = {{.name = "square", .fn = square}, {.name = NULL}};
 *     POOL_MODULE(.name = "numbers", .tasks = tasks);
 *
 *     cc -shared -fPIC -o numbers.so numbers.c $(pkg-config --cflags --libs reclaim)
 *     reclaimd --module ./numbers.so
 *
 * reclaimd loads it with dlopen(3), RTLD_NOW and RTLD_LOCAL, into its fork server, before that forks workers: what it
 * loads in on_load is there in every worker, copy-on-write. The daemon itself never has the module's code in it.
 *
 * A task runs as any function job (reclaim/call.h), with these differences: its standard output and error are files
 * that the daemon keeps; its value is given back as the bytes that it is, so that clients expect MessagePack; it is
 * handed no descriptors (pool_call_fd means nothing), and nobody hears of pool_call_progress and pool_call_emit.
 */
#ifndef RECLAIM_MODULE_H
#define RECLAIM_MODULE_H

#include <reclaim/call.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POOL_MODULE_ABI 1 /* counts up when a module built before could not be loaded any more */

typedef struct pool_task {
    const char *name; /* 1 to 255 bytes, not used twice in one daemon; NULL ends the table */
    pool_fn fn;       /* pool_call_arg and pool_call_unpack give the client's argument, MessagePack; no bytes: none */
} pool_task_t;

typedef struct pool_module {
    uint32_t abi;             /* POOL_MODULE_ABI */
    uint32_t size;            /* sizeof(pool_module_t) */
    const char *name;         /* for messages */
    const pool_task_t *tasks; /* ended by a NULL name */
    /* Once in each fork server, as pool_options_t.on_start: 0, or nonzero and a sentence: reclaimd does not start.
     * May be NULL. It must leave one thread behind. */
    int (*on_load)(pool_error_t *error);
    uint64_t reserved[8];
} pool_module_t;

/* Defines the symbol that reclaimd looks up. */
#define POOL_MODULE(...) \
    POOL_API const pool_module_t pool_module = {.abi = POOL_MODULE_ABI, .size = sizeof(pool_module_t), __VA_ARGS__}

#ifdef __cplusplus
}
#endif
#endif
