/* call_state.h - pool_call_t, the one job of this worker: see reclaim/call.h. */
#ifndef CALL_STATE_H
#define CALL_STATE_H

#include "arena.h"
#include "channel.h"
#include "message.h"

#include <pthread.h>
#include <reclaim/msgpack.h>
#include <stdbool.h>
#include <unistd.h>

#define CALL_TEXT_MAX 1024
#define CALL_LITTLE   64 /* bytes: a value no larger costs no page of the heap */

struct pool_call {
    struct channel *channel;
    pid_t pid;
    pthread_mutex_t lock;
    uint32_t attempt;
    bool events; /* the host wants progress and partial results */
    const void *arg;
    size_t arg_size;
    const int *fds; /* *borrowed* */
    size_t fd_count;
    pthread_mutex_t arena_lock;
    struct arena arena;

    /* the value */
    int64_t result_limit; /* bytes of it, and of each partial result; 0: the memory limit is enough; -1: any */
    bool returned;
    enum message_payload payload;
    void *data; /* inline: little, or on the heap; built in place: the mapping */
    uint8_t little[CALL_LITTLE];
    size_t size;
    size_t mapped; /* bytes of the mapping of pool_call_alloc_result() */
    int memfd;     /* of a large value, else -1 */
    struct descriptor_identity memfd_identity;
    int refused; /* negative errno: why a value was not taken; 0: none was refused */
    size_t refused_size;
    char text[CALL_TEXT_MAX];

    msgpack_sbuffer packed;
    msgpack_packer packer;
    bool packing;
};

/* False in processes that the job forked, which have a copy of the call. */
static inline bool call_is_worker(const struct pool_call *call)
{
    return call->pid == getpid();
}

/* Whether a value, or a partial result, of this size is over the limit of its own. */
static inline bool call_is_too_large(const struct pool_call *call, size_t size)
{
    return call->result_limit > 0 && size > (uint64_t)call->result_limit;
}

/* Sends the result, after its memfd if it has one. code: the function's. early: seal the memfd now, if that works.
 * Negative errno. */
int call_finish(struct pool_call *call, int code, bool early);

/* Sends the result without the value, which could not be returned: a function that ended with code 0 fails by it. */
int call_finish_without_value(struct pool_call *call, int code, int error);

#endif
