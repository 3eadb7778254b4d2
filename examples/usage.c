/* SPDX-License-Identifier: MIT
 *
 * usage.c - memory before, during and after a heavy computation, in a pool job and in this process.
 *
 *                             RSS of this process
 *     before                                   2.3 MiB
 *     after a pool job                         2.5 MiB     the job's own peak: 252.1 MiB (sampled)
 *     while computing here                   254.7 MiB
 *     after free() of 99.9 %                 254.7 MiB
 *
 * The computation builds a list of small blocks of many sizes, computes a number from it, and frees all but one block
 * in a thousand, as programs do that keep a cache entry here and a name there. The allocator cannot give back pages
 * below a block that is still in use, so free() leaves the process as large as it was. When the job's process ends,
 * everything goes back.
 *
 * Fails if this process is more than 2 MiB larger after the pool job than before. It only prints what free() does,
 * because another allocator (such as a sanitizer's) behaves in other ways.
 */
#include <reclaim/call.h>
#include <reclaim/pool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_SIZE   ((size_t)250 << 20)
#define KEEP_ONE_IN 1000
#define GROWTH_MAX  ((uint64_t)2 << 20)

struct block {
    struct block *next;
    size_t size;
    unsigned char data[];
};

/* Blocks of 32 to 543 bytes, 250 MiB in all; NULL: out of memory. */
static struct block *build(void)
{
    struct block *list = NULL;
    uint32_t random = 1;
    for (size_t total = 0; total < HEAP_SIZE;) {
        random = random * 1664525 + 1013904223;
        const size_t size = 32 + (random >> 23);
        struct block *block = malloc(sizeof *block + size);
        if (block == NULL)
            return NULL;
        *block = (struct block){.next = list, .size = size};
        memset(block->data, (int)(random >> 16 & 255), size);
        list = block;
        total += sizeof *block + size;
    }
    return list;
}

static uint64_t compute(const struct block *list)
{
    uint64_t sum = 0;
    for (; list != NULL; list = list->next)
        sum = sum * 31 + list->data[list->size / 2];
    return sum;
}

/* The blocks that the computation keeps. */
static struct block *survivors;

/* Frees all but one block in a thousand. */
static void prune(struct block *list)
{
    for (size_t i = 0; list != NULL; i++) {
        struct block *next = list->next;
        if (i % KEEP_ONE_IN == 0) {
            list->next = survivors;
            survivors = list;
        } else {
            free(list);
        }
        list = next;
    }
}

static int job(pool_call_t *call)
{
    struct block *list = build();
    if (list == NULL)
        return pool_call_fail(call, 1, "out of memory");
    const uint64_t number = compute(list);
    prune(list);
    return pool_call_return(call, &number, sizeof number);
}

static double mebibytes(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static uint64_t host_memory(const pool_t *pool)
{
    pool_memory_t memory = {0};
    pool_memory(pool, &memory);
    return memory.host;
}

/* Runs the job to its end; sets *number and *usage. */
static int compute_in_pool(pool_t *pool, uint64_t *number, pool_usage_t *usage)
{
    pool_job_t *handle;
    if (pool_submit(pool, job, NULL, 0, NULL, &handle) < 0) {
        fprintf(stderr, "usage: %s\n", pool_message());
        return -1;
    }
    pool_job_wait(handle, -1);
    const pool_result_t *result = pool_job_result(handle);
    const int status = result->outcome == POOL_DONE && result->size == sizeof *number ? 0 : -1;
    if (status == 0)
        memcpy(number, result->data, sizeof *number);
    else
        fprintf(stderr, "usage: %s\n", result->message);
    *usage = result->usage;
    pool_job_release(handle);
    return status;
}

/* The same in this process; sets *number and returns the memory while the list exists; 0: out of memory. */
static uint64_t compute_here(const pool_t *pool, uint64_t *number)
{
    struct block *list = build();
    if (list == NULL)
        return 0;
    *number = compute(list);
    const uint64_t inside = host_memory(pool);
    prune(list);
    return inside;
}

int main(void)
{
    pool_error_t error;
    pool_t *pool;
    pool_usage_t usage;
    uint64_t there = 0, here = 0;

    if (pool_open(&pool, NULL, &error) < 0) {
        fprintf(stderr, "usage: %s\n", error.message);
        return 1;
    }
    const uint64_t before = host_memory(pool);
    if (compute_in_pool(pool, &there, &usage) < 0)
        return 1;
    const uint64_t after = host_memory(pool);
    printf("%-28s %s\n", "", "RSS of this process");
    printf("%-28s %15.1f MiB\n", "before", mebibytes(before));
    printf("%-28s %15.1f MiB     the job's own peak: %.1f MiB (%s)\n", "after a pool job", mebibytes(after),
           mebibytes(usage.peak_memory), pool_memory_method_name(usage.memory_method));

    const uint64_t inside = compute_here(pool, &here);
    printf("%-28s %15.1f MiB\n", "while computing here", mebibytes(inside));
    printf("%-28s %15.1f MiB\n", "after free() of 99.9 %", mebibytes(host_memory(pool)));
    pool_free(pool);

    if (there != here || before == 0 || after > before + GROWTH_MAX) {
        fprintf(stderr, "usage: that is not as it should be\n");
        return 1;
    }
    return 0;
}
