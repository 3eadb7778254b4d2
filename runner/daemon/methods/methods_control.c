/* methods_control.c - the daemon as a whole: hello, events, figures, draining, its end. */
#include "daemon_client.h"
#include "live.h"
#include "methods.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOL_VERSION 1
#define SUBSCRIBED_MAX   100000

static void pack_tasks(pool_fields_t *fields, const char *const *tasks)
{
    uint32_t count = 0;
    while (tasks[count] != NULL)
        count++;
    msgpack_packer *packer = pool_fields_packer(fields, "tasks");
    msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count; i++)
        rpc_pack_text(packer, tasks[i]);
}

int methods_hello(struct call *call, struct rpc_error *error)
{
    struct {
        int64_t protocol;
        struct rpc_text client;
    } given = {.protocol = PROTOCOL_VERSION};
    const struct field table[] = {
        {.name = "protocol", .type = FIELD_INT},
        {"client", FIELD_TEXT, .offset = offsetof(__typeof__(given), client), .most = 255},
    };
    const struct daemon *daemon = call->daemon;
    char server[64];
    uint64_t bits;
    if (fields_read(call->params, "hello", table, 2, &given, &bits, error) < 0)
        return -1;
    if (given.protocol != PROTOCOL_VERSION)
        return rpc_fail(error, RPC_UNSUPPORTED_PROTOCOL, "version %lld of the protocol: this daemon speaks version %d",
                        (long long)given.protocol, PROTOCOL_VERSION);
    log_event(daemon->log, LOG_LEVEL_DEBUG, "hello", log_bytes("client", given.client.data, given.client.size),
              log_number("pid", session_info(call->client->session)->pid));
    snprintf(server, sizeof server, "reclaimd %s", pool_version());
    pool_fields_t answer;
    pool_fields_begin(&answer);
    pool_fields_uint(&answer, "protocol", PROTOCOL_VERSION);
    pool_fields_text(&answer, "server", server);
    pool_fields_int(&answer, "pid", getpid());
    pack_tasks(&answer, runs_tasks(daemon->runs));
    pool_fields_int(&answer, "max_message", daemon->options->message_max);
    if (daemon->store_number != 0)
        pool_fields_uint(&answer, "store", daemon->store_number);
    else
        pool_fields_nil(&answer, "store");
    return call_answer(call, &answer);
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

int methods_subscribe(struct call *call, struct rpc_error *error)
{
    struct {
        const msgpack_object *ids;
        struct rpc_text group;
    } wanted = {0};
    const struct field table[] = {
        {"ids", FIELD_JOBS, .least = 1, .most = SUBSCRIBED_MAX},
        {"group", FIELD_TEXT, .offset = offsetof(__typeof__(wanted), group), .least = 1, .most = RECORD_GROUP_MAX},
    };
    struct client *client = call->client;
    uint64_t given, *ids = NULL;
    size_t count = 0;
    if (fields_read(call->params, "subscribe", table, 2, &wanted, &given, error) < 0)
        return -1;
    if (!session_may_stay(client->session))
        return call_cannot_stay(error);
    if (wanted.ids != NULL && call_find_jobs(call, wanted.ids, &ids, &count, error) < 0)
        return -1;
    char *group = wanted.group.data != NULL ? strndup(wanted.group.data, wanted.group.size) : NULL;
    if (wanted.group.data != NULL && group == NULL) {
        free(ids);
        return rpc_fail(error, RPC_INTERNAL, "no memory for a subscription");
    }
    client_subscribe(client, ids, count, group);
    return call_done(call);
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
    client_unsubscribe(call->client);
    return call_done(call);
}

/* ---- stats ----------------------------------------------------------------------------------------------------- */

static void pack_counts(msgpack_packer *packer, const uint64_t counts[RECORD_CANCELLED + 1],
                        const struct schedule *schedule)
{
    const struct schedule_group *group;
    uint64_t waiting = 0, queued = 0;
    pool_fields_t fields;
    TAILQ_FOREACH(group, &schedule->groups, entry) {
        waiting += group->waiting;
        queued += group->ready;
    }
    pool_fields_begin(&fields);
    pool_fields_uint(&fields, "waiting", waiting);
    pool_fields_uint(&fields, "queued", queued);
    pool_fields_uint(&fields, "running", counts[RECORD_RUNNING]);
    pool_fields_uint(&fields, "done", counts[RECORD_DONE]);
    pool_fields_uint(&fields, "failed", counts[RECORD_FAILED]);
    pool_fields_uint(&fields, "cancelled", counts[RECORD_CANCELLED]);
    pool_fields_append(&fields, packer);
}

static void pack_group(msgpack_packer *packer, const struct schedule_group *group)
{
    pool_fields_t fields;
    pool_fields_begin(&fields);
    pool_fields_text(&fields, "name", group->name);
    if (group->limit > 0)
        pool_fields_int(&fields, "limit", group->limit);
    else
        pool_fields_nil(&fields, "limit");
    pool_fields_bool(&fields, "paused", group->paused);
    pool_fields_uint(&fields, "waiting", group->waiting);
    pool_fields_uint(&fields, "queued", group->ready);
    pool_fields_uint(&fields, "running", group->running);
    pool_fields_append(&fields, packer);
}

static void pack_groups(msgpack_packer *packer, const struct schedule *schedule)
{
    const struct schedule_group *group;
    msgpack_pack_array(packer, schedule->group_count);
    TAILQ_FOREACH(group, &schedule->groups, entry)
        pack_group(packer, group);
}

static void pack_memory(msgpack_packer *packer, const pool_memory_t *memory)
{
    pool_fields_t fields;
    pool_fields_begin(&fields);
    pool_fields_uint(&fields, "budget", memory->budget);
    pool_fields_uint(&fields, "reserved", memory->reserved_for_jobs);
    pool_fields_uint(&fields, "available", memory->available);
    pool_fields_uint(&fields, "workers", memory->workers);
    pool_fields_uint(&fields, "host", memory->host);
    pool_fields_text(&fields, "method", pool_memory_method_name(memory->method));
    pool_fields_append(&fields, packer);
}

static void add_stats(const struct daemon *daemon, pool_fields_t *fields, const uint64_t *counts, uint64_t bytes)
{
    pool_stats_t pool = {0};
    pool_memory_t memory = {0};
    pool_stats(runs_pool(daemon->runs), &pool);
    pool_memory(runs_pool(daemon->runs), &memory);
    pool_fields_text(fields, "version", pool_version());
    pool_fields_int(fields, "pid", getpid());
    pool_fields_double(fields, "uptime_seconds", (double)(uv_now(daemon->loop) - daemon->opened_ms) / 1000);
    pack_counts(pool_fields_packer(fields, "jobs"), counts, &daemon->schedule);
    pack_groups(pool_fields_packer(fields, "groups"), &daemon->schedule);
    pool_fields_int(fields, "workers", (int64_t)daemon->workers);
    pool_fields_uint(fields, "clients", sessions_count(daemon->sessions));
    pool_fields_bool(fields, "draining", daemon->draining);
    pool_fields_bool(fields, "paused", daemon->schedule.paused);
    pool_fields_text(fields, "read_only", daemon->read_only[0] != '\0' ? daemon->read_only : NULL);
    pool_fields_uint(fields, "store_bytes", bytes);
    pack_memory(pool_fields_packer(fields, "memory"), &memory);
    pool_fields_uint(fields, "workers_started", pool.workers_started);
    pool_fields_uint(fields, "evictions", pool.evictions);
    pool_fields_uint(fields, "fork_servers_lost", pool.fork_servers_lost);
}

int methods_stats(struct call *call, struct rpc_error *error)
{
    struct daemon *daemon = call->daemon;
    uint64_t counts[RECORD_CANCELLED + 1] = {0}, bytes = 0;
    if (no_fields(call, "stats", error) < 0)
        return -1;
    /* A store that cannot even be read is when stats are wanted: they have what memory knows. */
    if (store_count(daemon->store, counts) < 0 || store_bytes(daemon->store, &bytes) < 0)
        memset(counts, 0, sizeof counts);
    pool_fields_t answer;
    pool_fields_begin(&answer);
    add_stats(daemon, &answer, counts, bytes);
    return call_answer(call, &answer);
}

int methods_drain(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{.name = "off", .type = FIELD_BOOL}};
    bool off = false;
    uint64_t given;
    if (fields_read(call->params, "drain", table, 1, &off, &given, error) < 0)
        return -1;
    call->daemon->draining = !off;
    return call_done(call);
}

int methods_shutdown(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{.name = "drain_timeout", .type = FIELD_SECONDS}};
    double seconds = (double)call->daemon->options->drain_timeout_ms / 1000;
    uint64_t given;
    if (fields_read(call->params, "shutdown", table, 1, &seconds, &given, error) < 0)
        return -1;
    call_done(call);
    stop_begin(call->daemon, seconds);
    return 0;
}
