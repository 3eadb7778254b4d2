/* daemon_client.h - connections as the daemon knows them, and the events that they subscribe to. */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include "daemon.h"

#include <uthash.h>

struct client {
    struct session *session;
    uint64_t serial;
    size_t jobs;              /* that have not ended: live.c */
    size_t watched;           /* ids that its watches hold: watch.c */
    bool behind;              /* it has not read all that was sent before this turn */
    uint64_t *subscribed_ids; /* of a subscriber: sorted; NULL: all */
    size_t subscribed_count;
    char *subscribed_group; /* NULL: all */
    UT_hash_handle hh;      /* by serial */
};

/* The client of a session, made at its first request. NULL: no memory. */
struct client *client_of(struct daemon *daemon, struct session *session);
struct client *client_find(const struct daemon *daemon, uint64_t serial); /* NULL: it is gone */
void client_free(struct daemon *daemon, struct client *client);

/* Events of these jobs (sorted; NULL: all) in this group (NULL: all). *Takes* both. */
void client_subscribe(struct client *client, uint64_t *ids, size_t count, char *group);
void client_unsubscribe(struct client *client);

bool client_has_subscribers(const struct daemon *daemon);
/* Before the events of a turn are sent: which clients have not read what they were sent before. */
void client_mark_behind(struct daemon *daemon);
/* Sends an event of a job in this group (NULL: not known) to its subscribers. event: its one value, packed. */
void client_send_event(struct daemon *daemon, uint64_t id, const char *group, pool_bytes_t event);

#endif
