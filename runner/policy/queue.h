/* queue.h - jobs that wait: the highest priority first, within a priority in the order of their submits. Knows nothing
 * of a job but its entry. Pure; the caller locks. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct queue_level;

/* Embedded in a job. */
struct queue_entry {
    TAILQ_ENTRY(queue_entry) link;
    struct queue_level *level; /* NULL: not in a queue */
};

TAILQ_HEAD(queue_entries, queue_entry);

struct queue {
    TAILQ_HEAD(queue_levels, queue_level) levels; /* by priority, descending; none is empty */
    size_t count;
};

void queue_init(struct queue *queue);
void queue_deinit(struct queue *queue);

/* Adds at the end of its priority, or, with front, before all others of it. -ENOMEM. */
int queue_add(struct queue *queue, struct queue_entry *entry, int32_t priority, bool front);
void queue_remove(struct queue *queue, struct queue_entry *entry);

/* The next in turn; NULL: empty. */
struct queue_entry *queue_first(const struct queue *queue);

/* The one that comes after it; NULL: none. */
struct queue_entry *queue_next(const struct queue_entry *entry);

#endif
