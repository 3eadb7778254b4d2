/* Modules for the tests of the daemon: the tasks that they run, and, by a definition each, those that do not load. */
#include <reclaim/module.h>
#include <reclaim/msgpack.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int loaded;

static int on_load(pool_error_t *error)
{
#ifdef MODULE_UNWILLING
    snprintf(error->message, sizeof error->message, "the table is missing");
    return 7;
#else
    (void)error;
    loaded = (int)getpid();
    return 0;
#endif
}

/* Its argument's bytes as they came. */
static int echo(pool_call_t *call)
{
    size_t size;
    const void *data = pool_call_arg(call, &size);
    if ((uintptr_t)data % 16 != 0)
        return pool_call_fail(call, 1, "the argument is not aligned");
    return pool_call_return(call, data, size);
}

/* Both streams, by stdio and without, and from a child; the value is the process that on_load ran in. */
static int talk(pool_call_t *call)
{
    printf("buffered ");
    fflush(stdout);
    if (write(STDERR_FILENO, "direct", 6) != 6 || system("echo child $RECLAIM_JOB_ID $RECLAIM_ATTEMPT") != 0)
        return pool_call_fail(call, 1, "%s", strerror(errno));
    printf("last");
    return pool_call_return(call, &loaded, sizeof loaded);
}

static int fail(pool_call_t *call)
{
    return pool_call_fail(call, 42, "no such key: %s", "x");
}

/* A code that no exit status can hold. */
static int fail_wide(pool_call_t *call)
{
    return pool_call_fail(call, 256, "wide");
}

static int crash(pool_call_t *call)
{
    printf("before");
    fflush(stdout);
    raise(SIGSEGV);
    return pool_call_fail(call, 1, "still here");
}

/* 3 MiB: beyond what goes through a pipe. */
static int large(pool_call_t *call)
{
    const size_t size = (size_t)3 << 20;
    char *data = pool_call_alloc_result(call, size);
    if (data == NULL)
        return pool_call_fail(call, 1, "%s", strerror(errno));
    memset(data, 'x', size);
    return pool_call_return(call, data, size);
}

/* Leaves without a word, and well as far as exit codes go. */
static int leave(pool_call_t *call)
{
    (void)call;
    exit(0);
}

static const pool_task_t tasks[] = {
#ifdef MODULE_EMPTY
    {.name = NULL},
#endif
    {.name = "echo", .fn = echo},
    {.name = "talk", .fn = talk},
    {.name = "fail", .fn = fail},
    {.name = "fail-wide", .fn = fail_wide},
    {.name = "crash", .fn = crash},
    {.name = "large", .fn = large},
    {.name = "leave", .fn = leave},
#ifdef MODULE_TWICE
    {.name = "echo", .fn = echo},
#endif
#ifdef MODULE_NAMELESS
    {.name = "", .fn = echo},
#endif
    {.name = NULL},
};

#if defined MODULE_OLD || defined MODULE_SHORT || defined MODULE_WITHOUT
#ifdef MODULE_WITHOUT
#define pool_module another_name
#endif
POOL_API const pool_module_t pool_module = {
#ifdef MODULE_OLD
    .abi = 99,
#else
    .abi = POOL_MODULE_ABI,
#endif
#ifdef MODULE_SHORT
    .size = 8,
#else
    .size = sizeof(pool_module_t),
#endif
    .name = "test",
    .tasks = tasks,
    .on_load = on_load,
};
#else
POOL_MODULE(.name = "test", .tasks = tasks, .on_load = on_load);
#endif
