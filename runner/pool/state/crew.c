#include "crew.h"

#include "moment.h"
#include "peer.h"

void crew_init(struct crew *crew)
{
    TAILQ_INIT(&crew->idle[0]);
    TAILQ_INIT(&crew->idle[1]);
    TAILQ_INIT(&crew->recent);
}

/* Where the worker is while it is idle. */
static struct crew_peers *idle_list(struct crew *crew, const struct peer *peer)
{
    return &crew->idle[peer->socket >= 0];
}

bool crew_add(struct crew *crew, struct peer *peer)
{
    HASH_ADD(hh, crew->peers, serial, sizeof peer->serial, peer);
    if (peer->insert_failed)
        return false;
    TAILQ_INSERT_TAIL(idle_list(crew, peer), peer, idle);
    peer->is_idle = true;
    crew->idle_count++;
    return true;
}

void crew_remove(struct crew *crew, struct peer *peer)
{
    crew_leave_idle(crew, peer);
    crew_leave_recent(crew, peer);
    HASH_DEL(crew->peers, peer);
}

struct peer *crew_find(const struct crew *crew, uint64_t serial)
{
    struct peer *peer;
    HASH_FIND(hh, crew->peers, &serial, sizeof serial, peer);
    return peer;
}

struct peer *crew_idle(const struct crew *crew, bool full)
{
    struct peer *plain = full ? NULL : TAILQ_FIRST(&crew->idle[0]);
    return plain != NULL ? plain : TAILQ_FIRST(&crew->idle[1]);
}

void crew_leave_idle(struct crew *crew, struct peer *peer)
{
    if (!peer->is_idle)
        return;
    TAILQ_REMOVE(idle_list(crew, peer), peer, idle);
    peer->is_idle = false;
    crew->idle_count--;
}

void crew_add_recent(struct crew *crew, struct peer *peer, int64_t now)
{
    peer->grown_at = (now / CREW_RECENT_MS + 2) * CREW_RECENT_MS;
    peer->is_recent = true;
    TAILQ_INSERT_TAIL(&crew->recent, peer, recent);
}

void crew_leave_recent(struct crew *crew, struct peer *peer)
{
    if (peer->is_recent)
        TAILQ_REMOVE(&crew->recent, peer, recent);
    peer->is_recent = false;
}

struct peer *crew_grown(const struct crew *crew, int64_t now)
{
    struct peer *first = TAILQ_FIRST(&crew->recent);
    return first != NULL && first->grown_at <= now ? first : NULL;
}

int64_t crew_next_at(const struct crew *crew)
{
    return TAILQ_EMPTY(&crew->recent) ? MOMENT_NEVER : TAILQ_FIRST(&crew->recent)->grown_at;
}
