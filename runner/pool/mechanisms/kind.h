/* kind.h - what jobs share that were submitted alike: the function, the options, the name. A million waiting jobs are
 * most often of one kind, which is kept once. It never changes, and is reference counted. */
#ifndef KIND_H
#define KIND_H

#include <pthread.h>
#include <reclaim/pool.h>
#include <stdatomic.h>
#include <stdbool.h>

#define KIND_RECENT 16

struct kind {
    atomic_uint references;
    bool is_command;
    atomic_bool has_large_values; /* learned: its jobs need full workers; not compared */
    uint64_t function;            /* 0: a command */
    pool_stdin_t in;
    pool_stream_t out, err;
    const char *name;           /* ours, never NULL */
    pool_job_options_t options; /* full ones (options_job); nothing in name, fds, fd_count and user: see job.h */
    char text[];
};

/* The kinds of the last submits, the latest first. Any thread. */
struct kind_cache {
    pthread_mutex_t lock;
    struct kind *recent[KIND_RECENT];
};

void kind_cache_init(struct kind_cache *cache);
void kind_cache_deinit(struct kind_cache *cache);

/* A reference, which the caller drops with kind_release, to a kind like this one: a recent one, or a copy of `like` and
 * its name. The comparison ignores references and text. NULL: no memory. */
struct kind *kind_take(struct kind_cache *cache, const struct kind *like);

struct kind *kind_retain(struct kind *kind);
void kind_release(struct kind *kind);

/* Whether its jobs have a callback. */
bool kind_has_callbacks(const struct kind *kind);

#endif
