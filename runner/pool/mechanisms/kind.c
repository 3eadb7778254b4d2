#include "kind.h"

#include <stdlib.h>
#include <string.h>

void kind_cache_init(struct kind_cache *cache)
{
    *cache = (struct kind_cache){.recent = {NULL}};
    pthread_mutex_init(&cache->lock, NULL);
}

void kind_cache_deinit(struct kind_cache *cache)
{
    for (size_t i = 0; i < KIND_RECENT; i++)
        kind_release(cache->recent[i]);
    pthread_mutex_destroy(&cache->lock);
}

struct kind *kind_retain(struct kind *kind)
{
    atomic_fetch_add_explicit(&kind->references, 1, memory_order_relaxed);
    return kind;
}

void kind_release(struct kind *kind)
{
    if (kind != NULL && atomic_fetch_sub(&kind->references, 1) == 1)
        free(kind);
}

/* Bytes between the members do not count; if they differ, a kind is made twice. */
static bool is_same(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static bool is_alike(const struct kind *a, const struct kind *b)
{
    return a->function == b->function && a->is_command == b->is_command && a->in == b->in && a->out == b->out &&
           a->err == b->err && is_same(&a->options, &b->options, sizeof a->options) && strcmp(a->name, b->name) == 0;
}

static struct kind *kind_new(const struct kind *like)
{
    const size_t length = strlen(like->name) + 1;
    struct kind *kind = malloc(sizeof *kind + length);
    if (kind == NULL)
        return NULL;
    memcpy(kind, like, sizeof *kind); /* with what lies between the members */
    memcpy(kind->text, like->name, length);
    kind->name = kind->text;
    atomic_init(&kind->has_large_values, false);
    atomic_init(&kind->references, 1);
    return kind;
}

/* Moves the kind at a place to the front, and overwrites it at that place. */
static void put_first(struct kind_cache *cache, size_t place, struct kind *kind)
{
    memmove(&cache->recent[1], &cache->recent[0], place * sizeof(struct kind *));
    cache->recent[0] = kind;
}

/* The caller holds the lock. */
static struct kind *look_up(struct kind_cache *cache, const struct kind *like)
{
    size_t i = 0;
    for (; i < KIND_RECENT && cache->recent[i] != NULL; i++) {
        struct kind *kind = cache->recent[i];
        if (!is_alike(kind, like))
            continue;
        if (i > 0)
            put_first(cache, i, kind);
        return kind;
    }
    struct kind *kind = kind_new(like);
    if (kind == NULL)
        return NULL;
    if (i == KIND_RECENT)
        kind_release(cache->recent[--i]);
    put_first(cache, i, kind);
    return kind;
}

struct kind *kind_take(struct kind_cache *cache, const struct kind *like)
{
    pthread_mutex_lock(&cache->lock);
    struct kind *kind = look_up(cache, like);
    if (kind != NULL)
        kind_retain(kind);
    pthread_mutex_unlock(&cache->lock);
    return kind;
}

bool kind_has_callbacks(const struct kind *kind)
{
    const pool_job_options_t *o = &kind->options;
    return o->on_settled != NULL || o->on_event != NULL || o->on_release != NULL;
}
