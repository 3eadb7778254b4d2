/* crew.h - the workers that are not gone, as sets: all by serial, idle ones, those with a recent job. Belongs to the
 * thread that owns the loop. */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define CREW_RECENT_MS 8 /* a job is recent for that long, to twice that */

struct peer;

TAILQ_HEAD(crew_peers, peer);

struct crew {
    struct peer *peers;        /* uthash by serial */
    struct crew_peers idle[2]; /* plain workers, full ones; the one that has waited longest first */
    struct crew_peers recent;  /* the one whose job began first, first */
    size_t idle_count;
};

void crew_init(struct crew *crew);

/* Adds an idle worker. False: no memory. */
bool crew_add(struct crew *crew, struct peer *peer);

/* Takes a worker out of all sets. */
void crew_remove(struct crew *crew, struct peer *peer);

/* The worker with that serial; NULL: none. */
struct peer *crew_find(const struct crew *crew, uint64_t serial);

/* An idle worker for a job; a full one can do what a plain one can. NULL: none. */
struct peer *crew_idle(const struct crew *crew, bool full);

/* The worker is not idle any more. Nothing, if it was not. */
void crew_leave_idle(struct crew *crew, struct peer *peer);

/* Its job begins now; its job is not recent any more. */
void crew_add_recent(struct crew *crew, struct peer *peer, int64_t now);
void crew_leave_recent(struct crew *crew, struct peer *peer);

/* The first worker whose job is not recent any more; NULL: none. */
struct peer *crew_grown(const struct crew *crew, int64_t now);

/* When there is one, in ms; MOMENT_NEVER: never. */
int64_t crew_next_at(const struct crew *crew);

#endif
