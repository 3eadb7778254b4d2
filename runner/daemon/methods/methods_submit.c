/* methods_submit.c - new jobs: all checks come before the first write, so that a submit is whole or absent. */
#include "array.h"
#include "clock.h"
#include "daemon_client.h"
#include "ends.h"
#include "live.h"
#include "methods.h"
#include "turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBMIT_MANY_MAX 10000
#define COMMAND_MAX     ((size_t)4 << 20) /* of argv and envp together, as in pool_submit_command */
#define COMMAND_EXTRA   ((size_t)256)     /* that the daemon adds to an environment */

/* One job of a submit, checked. */
struct entry {
    struct spec spec;
    msgpack_sbuffer bytes; /* the specification, to be kept */
    uint64_t id;           /* its own, or that of the job that has its key already */
    struct entry *first;   /* of this batch with its key; most often itself */
    bool known;            /* its key has a job already: there is nothing to do */
    uint64_t *after;
    size_t after_count;
    bool dependency_failed; /* a job that it needs has failed already */
    struct job *job;
    UT_hash_handle hh; /* by spec.key, the first of the batch that has it */
};

struct batch {
    struct daemon *daemon;
    struct entry *by_key;        /* uthash */
    struct entry *entries, *end; /* end: behind the last one */
    size_t (*edges)[2];          /* entry needs entry, by index */
    size_t edge_count, edge_capacity;
};

static bool is_new(const struct entry *entry)
{
    return !entry->known && entry->first == entry;
}

static size_t strings_size(const msgpack_object *strings)
{
    size_t size = 0;
    for (uint32_t i = 0; strings != NULL && i < strings->via.array.size; i++)
        size += strings->via.array.ptr[i].via.str.size + 1;
    return size;
}

static int check_spec(const struct daemon *daemon, const struct spec *spec, struct rpc_error *error)
{
    char quoted[256];
    const uint64_t budget = daemon->budget;
    if (spec->command == NULL && !runs_has_task(daemon->runs, spec->task))
        return rpc_fail(error, RPC_UNKNOWN_TASK, "no loaded module has a task %s: see --module",
                        rpc_quote(spec->task.data, spec->task.size, quoted));
    if (strings_size(spec->command) + strings_size(spec->env) > COMMAND_MAX - COMMAND_EXTRA)
        return rpc_fail(error, RPC_TOO_LARGE, "command and env are larger than %zu bytes: pass large input on stdin",
                        COMMAND_MAX - COMMAND_EXTRA);
    if (budget > 0 && spec->settings.expected > 0 && (uint64_t)spec->settings.expected > budget)
        return rpc_fail(error, RPC_NEVER_FITS, "expected %lld bytes: the daemon's memory budget is %llu",
                        (long long)spec->settings.expected, (unsigned long long)budget);
    return 0;
}

/* The entry of the batch that has this key; NULL: none. */
static struct entry *find_key(const struct batch *batch, const char *key, size_t size)
{
    struct entry *entry;
    HASH_FIND(hh, batch->by_key, key, size, entry);
    return entry;
}

/* Are they the same job? Its environment does not count: that of a script that is run again is never quite the same. */
static int same_job(const struct spec *a, const struct spec *b, bool *same)
{
    struct spec bare[2] = {*a, *b};
    msgpack_sbuffer bytes[2];
    int error = 0;
    for (int i = 0; i < 2; i++) {
        bare[i].given &= ~(UINT64_C(1) << SPEC_ENV);
        msgpack_sbuffer_init(&bytes[i]);
        if (error == 0)
            error = spec_encode(&bare[i], &bytes[i]);
    }
    *same = error == 0 && bytes[0].size == bytes[1].size && memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0;
    for (int i = 0; i < 2; i++)
        msgpack_sbuffer_destroy(&bytes[i]);
    return error;
}

static int check_same(const struct entry *entry, const struct spec *other, struct rpc_error *error)
{
    char quoted[256];
    bool same;
    if (same_job(&entry->spec, other, &same) < 0)
        return rpc_fail(error, RPC_INTERNAL, "no memory to compare the job with that of its key");
    if (same)
        return 0;
    return rpc_fail(error, RPC_KEY_TAKEN, "key %s belongs to a job with another specification",
                    rpc_quote(entry->spec.key.data, entry->spec.key.size, quoted));
}

/* Is there a job with this key, before or in the batch? */
static int check_key(struct batch *batch, struct entry *entry, struct rpc_error *error)
{
    struct daemon *daemon = batch->daemon;
    struct spec_kept kept;
    if (entry->spec.key.size == 0)
        return 0;
    struct entry *first = find_key(batch, entry->spec.key.data, entry->spec.key.size);
    if (first != NULL) {
        entry->first = first;
        return check_same(entry, &first->spec, error);
    }
    HASH_ADD_KEYPTR(hh, batch->by_key, entry->spec.key.data, entry->spec.key.size, entry);
    int found = store_job_find(daemon->store, entry->spec.key.data, entry->spec.key.size, &entry->id);
    if (found == -ENOENT)
        return 0;
    if (found != 0)
        return rpc_fail(error, RPC_STORAGE, "jobs cannot be read: %s", store_message(daemon->store));
    found = live_spec(daemon, entry->id, &kept);
    if (found != 0)
        return rpc_fail(error, found == -ENOMEM ? RPC_INTERNAL : RPC_STORAGE, "the job of this key cannot be read: %s",
                        strerror(-found));
    entry->known = true;
    found = check_same(entry, &kept.spec, error);
    spec_free(&kept);
    return found;
}

static int check_entry(struct batch *batch, struct entry *entry, const msgpack_object *map, struct rpc_error *error)
{
    entry->first = entry;
    if (spec_read(map, &entry->spec, error) < 0 || check_spec(batch->daemon, &entry->spec, error) < 0)
        return -1;
    if (spec_encode(&entry->spec, &entry->bytes) < 0)
        return rpc_fail(error, RPC_INTERNAL, "no memory for a specification");
    return check_key(batch, entry, error);
}

static int add_edge(struct batch *batch, const struct entry *from, const struct entry *to)
{
    void *grown = array_grow(batch->edges, batch->edge_count, &batch->edge_capacity, sizeof *batch->edges);
    if (grown == NULL)
        return -ENOMEM;
    batch->edges = grown;
    batch->edges[batch->edge_count][0] = (size_t)(from - batch->entries);
    batch->edges[batch->edge_count++][1] = (size_t)(to - batch->entries);
    return 0;
}

/* The new job of this batch that reference means; NULL: none. */
static const struct entry *find_in_batch(const struct batch *batch, const msgpack_object *reference)
{
    if (reference->type != MSGPACK_OBJECT_STR)
        return NULL;
    const struct entry *entry = find_key(batch, reference->via.str.ptr, reference->via.str.size);
    return entry == NULL || entry->known ? NULL : entry;
}

/* The jobs that it waits for: known ones go into after, those of the batch into edges. */
static int resolve_after(struct batch *batch, struct entry *entry, const struct call *call, struct rpc_error *error)
{
    if (entry->spec.after == NULL || !is_new(entry))
        return 0;
    const msgpack_object_array *references = &entry->spec.after->via.array;
    entry->after = calloc((size_t)references->size + 1, sizeof *entry->after);
    if (entry->after == NULL)
        return rpc_fail(error, RPC_INTERNAL, "no memory for the jobs that a job waits for");
    for (uint32_t i = 0; i < references->size; i++) {
        const struct entry *other = find_in_batch(batch, &references->ptr[i]);
        struct record needed;
        if (other != NULL) {
            if (add_edge(batch, entry, other) < 0)
                return rpc_fail(error, RPC_INTERNAL, "no memory for the jobs that a job waits for");
            continue;
        }
        if (call_find_job(call, &references->ptr[i], &needed, error) < 0)
            return -1;
        entry->after[entry->after_count++] = needed.id;
        entry->dependency_failed |=
            record_has_ended(needed.state) && needed.state != RECORD_DONE && entry->spec.after_failure == SPEC_FAIL;
    }
    return 0;
}

static int check_cycle(const struct batch *batch, struct rpc_error *error)
{
    size_t which;
    char quoted[256];
    const int found = schedule_cycle((size_t)(batch->end - batch->entries), (const size_t(*)[2])batch->edges,
                                     batch->edge_count, &which);
    if (found < 0)
        return rpc_fail(error, RPC_INTERNAL, "no memory to look for cycles");
    if (found == 0)
        return 0;
    return rpc_fail(error, RPC_CYCLE, "job %s waits for itself, through what it is to run after",
                    rpc_quote(batch->entries[which].spec.key.data, batch->entries[which].spec.key.size, quoted));
}

static struct record record_of(const struct entry *entry)
{
    const struct spec *spec = &entry->spec;
    const double now = clock_now();
    return (struct record){
        .key = {spec->key.data, spec->key.size},
        .name = {spec->name.data, spec->name.size},
        .group = {spec->group.data, spec->group.size},
        .priority = (int32_t)spec->priority,
        .state = RECORD_WAITING,
        .requeue = spec->on_crash == SPEC_REQUEUE,
        .after_any = spec->after_failure == SPEC_RUN,
        .submitted_at = now,
        .start_at = spec->delay > 0 ? now + spec->delay : spec->start_at,
        .keep_seconds = spec->keep,
    };
}

/* Puts one job into store and memory. link_batch links it to other jobs of the batch, which may have no id yet. */
static int insert(struct batch *batch, struct entry *entry, uint64_t client, struct rpc_error *error)
{
    struct daemon *daemon = batch->daemon;
    struct record record = record_of(entry);
    const struct record_bytes spec = {entry->bytes.data, entry->bytes.size};
    const int failed = store_job_insert(daemon->store, &record, spec, entry->after, entry->after_count);
    if (turn_check(daemon, failed, error) < 0)
        return -1;
    entry->id = record.id;
    entry->job = live_new(daemon, &record, client);
    if (entry->job == NULL)
        return turn_check(daemon, -ENOMEM, error);
    entry->job->relative = entry->spec.delay > 0;
    for (size_t i = 0; i < entry->after_count; i++)
        if (turn_check(daemon, live_need(daemon, entry->job, entry->after[i]), error) < 0)
            return -1;
    return 0;
}

static int link_batch(struct batch *batch, struct rpc_error *error)
{
    for (size_t i = 0; i < batch->edge_count; i++) {
        const struct entry *from = &batch->entries[batch->edges[i][0]], *to = &batch->entries[batch->edges[i][1]];
        int failed = store_job_needs(batch->daemon->store, from->id, to->id);
        if (failed == 0)
            failed = schedule_need(&from->job->schedule, &to->job->schedule);
        if (turn_check(batch->daemon, failed, error) < 0)
            return -1;
    }
    return 0;
}

static int write_batch(struct batch *batch, struct client *client, struct rpc_error *error)
{
    struct daemon *daemon = batch->daemon;
    for (struct entry *entry = batch->entries; entry < batch->end; entry++)
        if (is_new(entry) && insert(batch, entry, client->serial, error) < 0)
            return -1;
    if (link_batch(batch, error) < 0)
        return -1;
    for (struct entry *entry = batch->entries; entry < batch->end; entry++)
        if (is_new(entry)) {
            live_add(daemon, entry->job);
            turn_event_of(daemon, "submitted", entry->id);
        } else if (!entry->known)
            entry->id = entry->first->id;
    for (struct entry *entry = batch->entries; entry < batch->end; entry++) {
        /* NULL: it has ended with another of the batch that it needs. */
        struct job *job = is_new(entry) && entry->dependency_failed ? live_find(daemon, entry->id) : NULL;
        if (job != NULL && turn_check(daemon, ends_fail_dependent(daemon, job), error) < 0)
            return -1;
    }
    return 0;
}

/* After all other checks: a refused batch makes no group. */
static int make_groups(const struct batch *batch, const struct call *call, struct rpc_error *error)
{
    for (const struct entry *entry = batch->entries; entry < batch->end; entry++)
        if (is_new(entry) && call_group_of(call, entry->spec.group, error) == NULL)
            return -1;
    return 0;
}

static int check_batch(struct batch *batch, const msgpack_object *maps, const struct call *call,
                       struct rpc_error *error)
{
    size_t count = 0; /* of new jobs */
    for (struct entry *entry = batch->entries; entry < batch->end; entry++)
        if (check_entry(batch, entry, maps++, error) < 0)
            return -1;
    for (struct entry *entry = batch->entries; entry < batch->end; entry++) {
        if (resolve_after(batch, entry, call, error) < 0)
            return -1;
        count += is_new(entry);
    }
    if ((count > 0 && call_check_room(call, count, error) < 0) || check_cycle(batch, error) < 0)
        return -1;
    return make_groups(batch, call, error);
}

static void free_batch(struct batch *batch)
{
    HASH_CLEAR(hh, batch->by_key);
    for (struct entry *entry = batch->entries; entry < batch->end; entry++) {
        msgpack_sbuffer_destroy(&entry->bytes);
        free(entry->after);
    }
    free(batch->entries);
    free(batch->edges);
}

static void add_entry(pool_fields_t *fields, const struct entry *entry)
{
    pool_fields_uint(fields, "id", entry->id);
    pool_fields_bool(fields, "created", is_new(entry));
}

static int answer(struct call *call, const struct batch *batch, bool many)
{
    pool_fields_t fields, one;
    pool_fields_begin(&fields);
    if (!many) {
        add_entry(&fields, batch->entries);
        return call_answer(call, &fields);
    }
    msgpack_packer *packer = pool_fields_packer(&fields, "jobs");
    msgpack_pack_array(packer, (size_t)(batch->end - batch->entries));
    for (const struct entry *entry = batch->entries; entry < batch->end; entry++) {
        pool_fields_begin(&one);
        add_entry(&one, entry);
        pool_fields_append(&one, packer);
    }
    return call_answer(call, &fields);
}

static int submit(struct call *call, const msgpack_object *maps, size_t count, bool many, struct rpc_error *error)
{
    struct batch batch = {.daemon = call->daemon, .entries = calloc(count + 1, sizeof(struct entry))};
    if (batch.entries == NULL)
        return rpc_fail(error, RPC_INTERNAL, "no memory for %zu jobs", count);
    batch.end = batch.entries + count;
    int result = check_batch(&batch, maps, call, error);
    if (result == 0)
        result = write_batch(&batch, call->client, error);
    if (result == 0)
        result = answer(call, &batch, many);
    free_batch(&batch);
    return result;
}

int methods_submit(struct call *call, struct rpc_error *error)
{
    static const msgpack_object nothing = {.type = MSGPACK_OBJECT_MAP};
    return submit(call, call->params != NULL ? call->params : &nothing, 1, false, error);
}

int methods_submit_many(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{"jobs", FIELD_ARRAY, .required = true, .most = SUBMIT_MANY_MAX}};
    const msgpack_object *jobs = NULL;
    uint64_t given;
    if (fields_read(call->params, "submit_many", table, 1, &jobs, &given, error) < 0)
        return -1;
    for (uint32_t i = 0; i < jobs->via.array.size; i++)
        if (jobs->via.array.ptr[i].type != MSGPACK_OBJECT_MAP)
            return rpc_fail(error, RPC_WRONG_TYPE, "submit_many: job %u is no map of fields", i + 1);
    return submit(call, jobs->via.array.ptr, jobs->via.array.size, true, error);
}
