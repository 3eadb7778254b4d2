/* methods_control.c - the daemon as a whole: events, figures, draining, its end. */
#include "ids.h"
#include "methods.h"
#include "refs.h"

#include <stdlib.h>
#include <string.h>

#define SUBSCRIBED_MAX 100000

static void unsubscribe(struct client *client)
{
    free(client->subscribed_ids);
    free(client->subscribed_group);
    client->subscribed_ids = NULL;
    client->subscribed_group = NULL;
    client->subscribed = false;
    session_set_subscriber(client->session, false);
}

int methods_subscribe(struct call *call, struct rpc_error *error)
{
    struct {
        const msgpack_object *ids;
        struct rpc_text group;
    } wanted = {0};
    const struct field table[] = {
        {.name = "ids", .type = FIELD_JOBS, .least = 1, .most = SUBSCRIBED_MAX},
        {.name = "group", .type = FIELD_TEXT, .offset = offsetof(__typeof__(wanted), group), .least = 1, .most = 64}};
    struct client *client = call->client;
    uint64_t given, *ids = NULL;
    size_t count = 0;
    if (fields_read(call->params, "subscribe", table, 2, &wanted, &given, error) < 0)
        return -1;
    if (!session_may_stay(client->session))
        return methods_cannot_stay(error);
    if (wanted.ids != NULL && refs_find_all(call->daemon, wanted.ids, &ids, &count, error) < 0)
        return -1;
    char *group = wanted.group.data != NULL ? strndup(wanted.group.data, wanted.group.size) : NULL;
    if (wanted.group.data != NULL && group == NULL) {
        free(ids);
        return rpc_fail(error, RPC_INTERNAL, "no memory for a subscription");
    }
    if (ids != NULL)
        count = ids_sort(ids, count);
    unsubscribe(client);
    client->subscribed = true;
    client->subscribed_ids = ids;
    client->subscribed_count = count;
    client->subscribed_group = group;
    session_set_subscriber(client->session, true);
    return methods_done(call);
}

static int no_fields(struct call *call, const char *method, struct rpc_error *error)
{
    uint64_t given;
    return fields_read(call->params, method, NULL, 0, NULL, &given, error);
}

int methods_unsubscribe(struct call *call, struct rpc_error *error)
{
    if (no_fields(call, "unsubscribe", error) < 0)
        return -1;
    unsubscribe(call->client);
    return methods_done(call);
}

/* ---- stats */

static void pack_counts(msgpack_packer *packer, const uint64_t counts[RECORD_CANCELLED + 1],
                        const struct schedule *schedule)
{
    const struct schedule_group *group;
    uint64_t waiting = 0, queued = 0;
    TAILQ_FOREACH(group, &schedule->groups, entry) {
        waiting += group->waiting;
        queued += group->ready;
    }
    rpc_pack_text(packer, "jobs");
    msgpack_pack_map(packer, 6);
    rpc_pack_named_uint(packer, "waiting", waiting);
    rpc_pack_named_uint(packer, "queued", queued);
    rpc_pack_named_uint(packer, "running", counts[RECORD_RUNNING]);
    rpc_pack_named_uint(packer, "done", counts[RECORD_DONE]);
    rpc_pack_named_uint(packer, "failed", counts[RECORD_FAILED]);
    rpc_pack_named_uint(packer, "cancelled", counts[RECORD_CANCELLED]);
}

static void pack_groups(msgpack_packer *packer, const struct schedule *schedule)
{
    const struct schedule_group *group;
    uint32_t count = 0;
    TAILQ_FOREACH(group, &schedule->groups, entry)
        count++;
    rpc_pack_text(packer, "groups");
    msgpack_pack_array(packer, count);
    TAILQ_FOREACH(group, &schedule->groups, entry) {
        msgpack_pack_map(packer, 6);
        rpc_pack_named_text(packer, "name", group->name);
        if (group->limit > 0)
            rpc_pack_named_int(packer, "limit", group->limit);
        else
            rpc_pack_named_nil(packer, "limit");
        rpc_pack_named_bool(packer, "paused", group->paused);
        rpc_pack_named_uint(packer, "waiting", group->waiting);
        rpc_pack_named_uint(packer, "queued", group->ready);
        rpc_pack_named_uint(packer, "running", group->running);
    }
}

static void pack_memory(msgpack_packer *packer, const pool_memory_t *memory)
{
    rpc_pack_text(packer, "memory");
    msgpack_pack_map(packer, 6);
    rpc_pack_named_uint(packer, "budget", memory->budget);
    rpc_pack_named_uint(packer, "reserved", memory->reserved_for_jobs);
    rpc_pack_named_uint(packer, "available", memory->available);
    rpc_pack_named_uint(packer, "workers", memory->workers);
    rpc_pack_named_uint(packer, "host", memory->host);
    rpc_pack_named_text(packer, "method", pool_memory_method_name(memory->method));
}

static void pack_stats(const struct daemon *daemon, msgpack_packer *packer, const uint64_t *counts, uint64_t bytes)
{
    pool_stats_t pool = {0};
    pool_memory_t memory = {0};
    pool_stats(runs_pool(daemon->runs), &pool);
    pool_memory(runs_pool(daemon->runs), &memory);
    msgpack_pack_map(packer, 15);
    rpc_pack_named_text(packer, "version", pool_version());
    rpc_pack_named_int(packer, "pid", getpid());
    rpc_pack_named_double(packer, "uptime_seconds", (double)(uv_now(daemon->loop) - daemon->opened_ms) / 1000);
    pack_counts(packer, counts, &daemon->schedule);
    pack_groups(packer, &daemon->schedule);
    rpc_pack_named_int(packer, "workers", (int64_t)daemon->workers);
    rpc_pack_named_uint(packer, "clients", sessions_count(daemon->sessions));
    rpc_pack_named_bool(packer, "draining", daemon->draining);
    rpc_pack_named_bool(packer, "paused", daemon->schedule.paused);
    if (daemon->read_only[0] != '\0')
        rpc_pack_named_text(packer, "read_only", daemon->read_only);
    else
        rpc_pack_named_nil(packer, "read_only");
    rpc_pack_named_uint(packer, "store_bytes", bytes);
    pack_memory(packer, &memory);
    rpc_pack_named_uint(packer, "workers_started", pool.workers_started);
    rpc_pack_named_uint(packer, "evictions", pool.evictions);
    rpc_pack_named_uint(packer, "fork_servers_lost", pool.fork_servers_lost);
}

int methods_stats(struct call *call, struct rpc_error *error)
{
    struct daemon *daemon = call->daemon;
    uint64_t counts[RECORD_CANCELLED + 1] = {0}, bytes = 0;
    if (no_fields(call, "stats", error) < 0)
        return -1;
    /* Where the store cannot even be read, stats is what tells: with what memory knows. */
    if (store_count(daemon->store, counts) < 0 || store_bytes(daemon->store, &bytes) < 0)
        memset(counts, 0, sizeof counts);
    msgpack_packer *packer = methods_packer(call);
    if (packer != NULL)
        pack_stats(daemon, packer, counts, bytes);
    return 0;
}

int methods_drain(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{.name = "off", .type = FIELD_BOOL}};
    bool off = false;
    uint64_t given;
    if (fields_read(call->params, "drain", table, 1, &off, &given, error) < 0)
        return -1;
    call->daemon->draining = !off;
    return methods_done(call);
}

int methods_shutdown(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{.name = "drain_timeout", .type = FIELD_SECONDS}};
    double seconds = (double)call->daemon->options->drain_timeout_ms / 1000;
    uint64_t given;
    if (fields_read(call->params, "shutdown", table, 1, &seconds, &given, error) < 0)
        return -1;
    methods_done(call);
    daemon_stop(call->daemon, seconds);
    return 0;
}
