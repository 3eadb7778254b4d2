/* spawn.h - new workers: requested, born, failed. On the thread that owns the loop. */
#ifndef SPAWN_H
#define SPAWN_H

#include "descriptor.h"
#include "message.h"

#include <reclaim/pool.h>

/* Requests as many workers as births.h says. */
void spawn_step(pool_t *pool, int64_t now);

/* The fork server answers one request: a worker, or an error. Takes the worker's ends out of the set. */
void spawn_answered(pool_t *pool, const struct message_born *born, struct descriptor_set *set);

/* A worker was born, or is about to be. Takes its ends out of the set. */
void spawn_born(pool_t *pool, const struct message_born *born, struct descriptor_set *set);

/* A job was given to a worker: what jobs need says what workers are made. */
void spawn_learn(pool_t *pool, bool needs_full);

/* A job waits for a full worker, and none is idle: has one made, and makes room for it. */
void spawn_need_full(pool_t *pool);

/* A worker could not be made, or died before it took a job. After too many in a row the jobs that wait are LOST. */
void spawn_failed(pool_t *pool, const char *why);

#endif
