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
 *     reclaim daemon start -- --module ./numbers.so
 *
 * reclaimd loads it with dlopen(3) (RTLD_NOW, RTLD_LOCAL) into its fork server, before that forks workers: every worker
 * shares what on_load loads, copy-on-write. The daemon's own process never has the module's code.
 *
 * A task runs as any function job (reclaim/call.h), except that
 *   - its standard output and error are files that the daemon keeps;
 *   - clients get its value as the bytes that it is, and expect MessagePack;
 *   - it has no descriptors (pool_call_fd), and pool_call_progress and pool_call_emit reach no client.
 */
#ifndef RECLAIM_MODULE_H
#define RECLAIM_MODULE_H

#include <reclaim/call.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POOL_MODULE_ABI 1 /* grows when older modules cannot be loaded any more */

typedef struct pool_task {
    const char *name; /* 1 to 255 bytes, unique in the daemon; NULL ends the table */
    pool_fn fn;       /* its argument is the client's MessagePack; no bytes: none */
} pool_task_t;

typedef struct pool_module {
    uint32_t abi;             /* POOL_MODULE_ABI */
    uint32_t size;            /* sizeof(pool_module_t) */
    const char *name;         /* for messages */
    const pool_task_t *tasks; /* ended by a NULL name */
    /* Runs once in each fork server, as pool_options_t.on_start: nonzero and a sentence keep reclaimd from starting. It
     * must leave one thread behind. May be NULL. */
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
