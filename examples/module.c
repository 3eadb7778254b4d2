/* SPDX-License-Identifier: MIT
 *
 * module.c - two tasks for reclaimd in a shared object: one computes, the other needs memory.
 *
 *     cc -shared -fPIC -o numbers.so module.c $(pkg-config --cflags --libs reclaim)
 *     reclaim daemon start -- --module ./numbers.so
 *     job=$(reclaim submit --task square --arg 12)
 *     reclaim wait $job && reclaim result $job
 */
#include <reclaim/module.h>
#include <reclaim/msgpack.h>

#include <stdio.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* The argument: a whole number from 0 to most; -1: it is not one. */
static int64_t number(pool_call_t *call, uint64_t most)
{
    msgpack_unpacked unpacked;
    int64_t value = -1;
    if (pool_call_unpack(call, &unpacked) == 0 && unpacked.data.type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
        unpacked.data.via.u64 <= most)
        value = (int64_t)unpacked.data.via.u64;
    msgpack_unpacked_destroy(&unpacked);
    return value;
}

/* Returns a number's square. */
static int square(pool_call_t *call)
{
    const int64_t n = number(call, UINT32_MAX);
    if (n < 0)
        return pool_call_fail(call, 1, "square takes a whole number below 2^32");
    return msgpack_pack_uint64(pool_call_packer(call), (uint64_t)n * (uint64_t)n);
}

/* Writes to as many MiB, prints the number, and returns the number of bytes. */
static int touch(pool_call_t *call)
{
    const int64_t n = number(call, 1 << 20);
    if (n < 0)
        return pool_call_fail(call, 1, "touch takes a whole number of MiB");
    for (int64_t i = 0; i < n; i++) {
        char *data = pool_call_alloc(call, MIB);
        if (data == NULL)
            return pool_call_fail(call, 2, "no memory after %lld MiB", (long long)i);
        memset(data, 1, MIB);
    }
    printf("touched %lld MiB\n", (long long)n);
    return msgpack_pack_uint64(pool_call_packer(call), (uint64_t)n * MIB);
}

static const pool_task_t tasks[] = {
    {.name = "square", .fn = square},
    {.name = "touch", .fn = touch},
    {.name = NULL},
};

POOL_MODULE(.name = "numbers", .tasks = tasks);
