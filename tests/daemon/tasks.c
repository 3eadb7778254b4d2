/* tasks.c - a module of tasks for the daemon's tests. */
#include <errno.h>
#include <fcntl.h>
#include <reclaim/module.h>
#include <reclaim/msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its argument, as it came. */
static int task_echo(pool_call_t *call)
{
    size_t size;
    const void *argument = pool_call_arg(call, &size);
    return -pool_call_return(call, argument, size);
}

static int return_bytes(pool_call_t *call, size_t size)
{
    void *data = pool_call_alloc_result(call, size);
    if (!data)
        return pool_call_fail(call, 2, "no memory");
    memset(data, 'x', size);
    return -pool_call_return(call, data, size);
}

/* As many bytes as its argument says. */
static int task_bytes(pool_call_t *call)
{
    msgpack_unpacked argument;
    if (pool_call_unpack(call, &argument) < 0 || argument.data.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return pool_call_fail(call, 2, "no size");
    size_t size = (size_t)argument.data.via.u64;
    msgpack_unpacked_destroy(&argument);
    return return_bytes(call, size);
}

/* The same, of [SIZE, FIFO], when a byte has come through the FIFO. */
static int task_bytes_after(pool_call_t *call)
{
    char path[256] = "", byte;
    size_t size = 0;
    msgpack_unpacked argument;
    if (pool_call_unpack(call, &argument) == 0 && argument.data.type == MSGPACK_OBJECT_ARRAY &&
        argument.data.via.array.size == 2) {
        const msgpack_object *given = argument.data.via.array.ptr;
        size = (size_t)given[0].via.u64;
        snprintf(path, sizeof path, "%.*s", (int)given[1].via.str.size, given[1].via.str.ptr);
        msgpack_unpacked_destroy(&argument);
    }
    const int fifo = open(path, O_RDONLY | O_CLOEXEC);
    if (fifo < 0 || read(fifo, &byte, 1) != 1)
        return pool_call_fail(call, 2, "nothing comes");
    return return_bytes(call, size);
}

static int task_say(pool_call_t *call)
{
    (void)call;
    fputs("said\n", stdout);
    fputs("complained\n", stderr);
    fflush(stdout);
    return 0;
}

static int task_fail(pool_call_t *call)
{
    return pool_call_fail(call, 3, "told\nto");
}

/* Fails, with its argument as the value. */
static int task_refuse(pool_call_t *call)
{
    size_t size;
    const void *argument = pool_call_arg(call, &size);
    if (pool_call_return(call, argument, size) < 0)
        return 2;
    return pool_call_fail(call, 4, "refused");
}

/* As many bytes as its argument says, none of which it has written. */
static int task_hole(pool_call_t *call)
{
    msgpack_unpacked argument;
    if (pool_call_unpack(call, &argument) < 0 || argument.data.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return pool_call_fail(call, 2, "no size");
    const size_t size = (size_t)argument.data.via.u64;
    msgpack_unpacked_destroy(&argument);
    return pool_call_alloc_result(call, size) != NULL ? 0 : pool_call_fail(call, 5, "%s", strerror(errno));
}

static int task_crash(pool_call_t *call)
{
    (void)call;
    abort();
}

static int on_load(pool_error_t *error)
{
    while (getenv("RECLAIM_TEST_LOAD_HANGS"))
        pause();
    if (!getenv("RECLAIM_TEST_LOAD_FAILS"))
        return 0;
    snprintf(error->message, sizeof error->message, "told not to load");
    return 1;
}

static const pool_task_t tasks[] = {{.name = "echo", .fn = task_echo},
                                    {.name = "bytes", .fn = task_bytes},
                                    {.name = "bytes_after", .fn = task_bytes_after},
                                    {.name = "say", .fn = task_say},
                                    {.name = "fail", .fn = task_fail},
                                    {.name = "refuse", .fn = task_refuse},
                                    {.name = "hole", .fn = task_hole},
                                    {.name = "crash", .fn = task_crash},
                                    {.name = NULL}};

POOL_MODULE(.name = "tests", .tasks = tasks, .on_load = on_load);
