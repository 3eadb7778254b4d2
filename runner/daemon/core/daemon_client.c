#include "daemon_client.h"

#include "ids.h"

#include <stdlib.h>
#include <string.h>

#define BURST 4 /* times --max-unread: events of one turn that a client may have before it reads them */

struct client *client_of(struct daemon *daemon, struct session *session)
{
    struct client *client = session_info(session)->user;
    if (client != NULL || (client = calloc(1, sizeof *client)) == NULL)
        return client;
    client->session = session;
    client->serial = session_info(session)->serial;
    HASH_ADD(hh, daemon->clients, serial, sizeof client->serial, client);
    session_info(session)->user = client;
    return client;
}

struct client *client_find(const struct daemon *daemon, uint64_t serial)
{
    struct client *client;
    HASH_FIND(hh, daemon->clients, &serial, sizeof serial, client);
    return client;
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

void client_unsubscribe(struct client *client)
{
    free(client->subscribed_ids);
    free(client->subscribed_group);
    client->subscribed_ids = NULL;
    client->subscribed_group = NULL;
    session_info(client->session)->is_subscriber = false;
}

void client_free(struct daemon *daemon, struct client *client)
{
    HASH_DEL(daemon->clients, client);
    client_unsubscribe(client);
    free(client);
}

void client_subscribe(struct client *client, uint64_t *ids, size_t count, char *group)
{
    client_unsubscribe(client);
    client->subscribed_ids = ids;
    client->subscribed_count = count;
    client->subscribed_group = group;
    session_info(client->session)->is_subscriber = true;
}

bool client_has_subscribers(const struct daemon *daemon)
{
    for (const struct client *client = daemon->clients; client != NULL; client = client->hh.next)
        if (session_info(client->session)->is_subscriber)
            return true;
    return false;
}

void client_mark_behind(struct daemon *daemon)
{
    for (struct client *client = daemon->clients; client != NULL; client = client->hh.next)
        client->behind = session_unread(client->session) > 0;
}

static bool is_subscribed(const struct client *client, uint64_t id, const char *group)
{
    return session_info(client->session)->is_subscriber &&
           (client->subscribed_ids == NULL || ids_have(client->subscribed_ids, client->subscribed_count, id)) &&
           (client->subscribed_group == NULL || (group != NULL && strcmp(client->subscribed_group, group) == 0));
}

/* A turn may bring more events than a client can read while it lasts; nothing waits for a client that does not read. */
static bool has_room(const struct daemon *daemon, const struct client *client)
{
    const size_t most = (size_t)daemon->options->unread_max;
    if (session_unread(client->session) < (client->behind ? most : BURST * most))
        return true;
    session_close(client->session, "a subscriber that does not read its events");
    return false;
}

void client_send_event(struct daemon *daemon, uint64_t id, const char *group, pool_bytes_t event)
{
    struct client *client, *next;
    HASH_ITER(hh, daemon->clients, client, next) {
        if (!is_subscribed(client, id, group) || !has_room(daemon, client))
            continue;
        msgpack_packer *packer = session_packer(client->session);
        rpc_pack_notification(packer, "event");
        msgpack_pack_str_body(packer, event.data, event.size); /* appends the bytes as they are */
    }
}
