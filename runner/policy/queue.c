#include "queue.h"

#include <errno.h>
#include <stdlib.h>

struct queue_level {
    TAILQ_ENTRY(queue_level) link;
    struct queue_entries entries;
    int32_t priority;
};

void queue_init(struct queue *queue)
{
    TAILQ_INIT(&queue->levels);
    queue->count = 0;
}

void queue_deinit(struct queue *queue)
{
    for (struct queue_level *level; (level = TAILQ_FIRST(&queue->levels)) != NULL;) {
        TAILQ_REMOVE(&queue->levels, level, link);
        free(level);
    }
}

/* The level of a priority, made where it belongs. Programs use few priorities. */
static struct queue_level *level_for(struct queue *queue, int32_t priority)
{
    struct queue_level *below = NULL;
    TAILQ_FOREACH(below, &queue->levels, link) {
        if (below->priority == priority)
            return below;
        if (below->priority < priority)
            break;
    }
    struct queue_level *level = calloc(1, sizeof *level);
    if (level == NULL)
        return NULL;
    TAILQ_INIT(&level->entries);
    level->priority = priority;
    if (below != NULL)
        TAILQ_INSERT_BEFORE(below, level, link);
    else
        TAILQ_INSERT_TAIL(&queue->levels, level, link);
    return level;
}

int queue_add(struct queue *queue, struct queue_entry *entry, int32_t priority, bool front)
{
    struct queue_level *level = level_for(queue, priority);
    if (level == NULL)
        return -ENOMEM;
    if (front)
        TAILQ_INSERT_HEAD(&level->entries, entry, link);
    else
        TAILQ_INSERT_TAIL(&level->entries, entry, link);
    entry->level = level;
    queue->count++;
    return 0;
}

void queue_remove(struct queue *queue, struct queue_entry *entry)
{
    struct queue_level *level = entry->level;
    TAILQ_REMOVE(&level->entries, entry, link);
    entry->level = NULL;
    queue->count--;
    if (TAILQ_EMPTY(&level->entries)) {
        TAILQ_REMOVE(&queue->levels, level, link);
        free(level);
    }
}

struct queue_entry *queue_first(const struct queue *queue)
{
    const struct queue_level *level = TAILQ_FIRST(&queue->levels);
    return level == NULL ? NULL : TAILQ_FIRST(&level->entries);
}

struct queue_entry *queue_next(const struct queue_entry *entry)
{
    struct queue_entry *next = TAILQ_NEXT(entry, link);
    const struct queue_level *level = next == NULL ? TAILQ_NEXT(entry->level, link) : NULL;
    return level == NULL ? next : TAILQ_FIRST(&level->entries);
}
