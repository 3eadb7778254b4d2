/* view.c - a job as the daemon tells of it: docs/protocol.md, "A job". */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#define VIEW_COMMAND_MAX 4096 /* bytes of a command that lists and events show */

/* A map whose number of fields is known only at its end. */
struct view {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    uint32_t fields;
};

static void add_text(struct view *view, const char *name, const void *text, size_t size)
{
    rpc_pack_text(&view->packer, name);
    msgpack_pack_str(&view->packer, size);
    msgpack_pack_str_body(&view->packer, text, size);
    view->fields++;
}

static void add_word(struct view *view, const char *name, const char *word)
{
    rpc_pack_named_text(&view->packer, name, word);
    view->fields++;
}

static void add_uint(struct view *view, const char *name, uint64_t value)
{
    rpc_pack_named_uint(&view->packer, name, value);
    view->fields++;
}

static void add_int(struct view *view, const char *name, int64_t value)
{
    rpc_pack_named_int(&view->packer, name, value);
    view->fields++;
}

static void add_double(struct view *view, const char *name, double value)
{
    rpc_pack_named_double(&view->packer, name, value);
    view->fields++;
}

static const char *waits_for(const struct daemon *daemon, const struct job *job)
{
    const struct schedule_group *group = job->schedule.group;
    if (daemon->read_only[0] != '\0' && job->schedule.state != SCHEDULE_RUNNING)
        return "read-only";
    switch (job->schedule.state) {
    case SCHEDULE_NEEDS:
        return "after";
    case SCHEDULE_LATER:
        return job->retrying ? "retry" : "time";
    case SCHEDULE_RUNNING:
        return "worker"; /* the pool has one made for it */
    default:
        break;
    }
    if (daemon->schedule.paused || group->paused)
        return "paused";
    if (group->limit > 0 && group->running >= (size_t)group->limit)
        return "group-full";
    return daemon->look_at > 0 ? "memory" : "worker";
}

/* Waiting and queued are one on disk: only memory knows what time and other jobs have to say. */
static void add_state(const struct daemon *daemon, struct view *view, const struct record *record)
{
    const struct job *job = record_has_ended(record->state) ? NULL : live_find(daemon, record->id);
    if (job == NULL) {
        add_word(view, "state", record_state_name(record->state));
        return;
    }
    const enum schedule_state state = job->schedule.state;
    add_word(view, "state", state == SCHEDULE_RUNNING ? "running" : state == SCHEDULE_READY ? "queued" : "waiting");
    if (state != SCHEDULE_RUNNING || !job->started)
        add_word(view, "waits", waits_for(daemon, job));
}

static void add_true(struct view *view, const char *name)
{
    rpc_pack_named_bool(&view->packer, name, true);
    view->fields++;
}

static void add_end(struct view *view, const struct record *record)
{
    const struct record_end *end = &record->end;
    if (!record_has_ended(record->state))
        return;
    add_word(view, "outcome", record_cause_name(end->cause));
    add_int(view, "exit_code", end->exit_code);
    add_int(view, "code", end->code);
    if (end->signal != 0)
        add_int(view, "signal", end->signal);
    add_text(view, "message", end->message, strlen(end->message));
    add_double(view, "ended_at", end->ended_at);
    add_double(view, "wall_seconds", end->wall_seconds);
    add_double(view, "user_seconds", end->user_seconds);
    add_double(view, "system_seconds", end->system_seconds);
    add_uint(view, "peak_memory_bytes", end->peak_memory);
    add_word(view, "memory_method", pool_memory_method_name((pool_memory_method_t)end->memory_method));
    if (end->memory_limit != 0)
        add_uint(view, "memory_limit_bytes", end->memory_limit);
    add_uint(view, "processes", end->processes);
    add_uint(view, "killed_processes", end->killed_processes);
    add_uint(view, "result_size", end->result_size);
    add_uint(view, "stdout_size", end->stdout_size);
    add_uint(view, "stderr_size", end->stderr_size);
    if (end->unkillable)
        add_true(view, "unkillable");
    if (end->truncated)
        add_true(view, "truncated");
}

static void add_command(struct view *view, const msgpack_object *command, bool whole)
{
    uint32_t count = 0;
    size_t size = 0;
    for (; count < command->via.array.size; count++) {
        size += command->via.array.ptr[count].via.str.size + 1;
        if (!whole && size > VIEW_COMMAND_MAX)
            break;
    }
    rpc_pack_text(&view->packer, "command");
    msgpack_pack_array(&view->packer, count);
    for (uint32_t i = 0; i < count; i++)
        msgpack_pack_object(&view->packer, command->via.array.ptr[i]);
    view->fields++;
    if (count < command->via.array.size)
        add_true(view, "command_cut");
}

/* What it was given beside what is told of any job; not what may be large: its environment, input and argument. */
static void add_settings(struct view *view, const msgpack_object_map *given)
{
    static const char *const names[] = {"cwd",           "timeout",    "kill_after", "cpu_time",    "memory",
                                        "expected",      "pids",       "nofile",     "nice",        "output_limit",
                                        "huge_pages",    "rerunnable", "retries",    "retry_delay", "retry_oom",
                                        "after_failure", "on_crash",   "keep"};
    for (uint32_t i = 0; i < given->size; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            const msgpack_object_str *name = &given->ptr[i].key.via.str; /* spec_decode has seen to that */
            if (name->size != strlen(names[k]) || memcmp(name->ptr, names[k], name->size) != 0)
                continue;
            rpc_pack_text(&view->packer, names[k]);
            msgpack_pack_object(&view->packer, given->ptr[i].val);
            view->fields++;
        }
}

static void add_work(struct view *view, const struct record *record, bool whole)
{
    struct spec spec;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    if (record->spec.size > 0 && spec_decode(record->spec.data, record->spec.size, &spec, &unpacked) == 0) {
        if (spec.command != NULL)
            add_command(view, spec.command, whole);
        else
            add_text(view, "task", spec.task.data, spec.task.size);
        if (whole)
            add_settings(view, &unpacked.data.via.map);
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* The last thing that record is needed for has to be done: its bytes are the store's, which is read here. */
static void add_after(const struct daemon *daemon, struct view *view, uint64_t id)
{
    size_t count = 0, capacity;
    uint64_t none, *after = NULL;
    if (store_job_after(daemon->store, id, &none, 0, &count) < 0 || count == 0)
        return;
    capacity = count;
    after = calloc(capacity, sizeof *after);
    if (after != NULL && store_job_after(daemon->store, id, after, capacity, &count) == 0) {
        rpc_pack_text(&view->packer, "after");
        msgpack_pack_array(&view->packer, capacity);
        for (size_t i = 0; i < capacity; i++)
            msgpack_pack_uint64(&view->packer, after[i]);
        view->fields++;
    }
    free(after);
}

void view_job(const struct daemon *daemon, msgpack_packer *packer, const struct record *record, bool whole)
{
    struct view view = {0};
    msgpack_sbuffer_init(&view.buffer);
    msgpack_packer_init(&view.packer, &view.buffer, msgpack_sbuffer_write);
    add_uint(&view, "id", record->id);
    if (record->key.size > 0)
        add_text(&view, "key", record->key.data, record->key.size);
    add_text(&view, "name", record->name.data, record->name.size);
    add_text(&view, "group", record->group.data, record->group.size);
    add_int(&view, "priority", record->priority);
    add_work(&view, record, whole);
    add_state(daemon, &view, record);
    add_double(&view, "submitted_at", record->submitted_at);
    if (record->start_at > 0)
        add_double(&view, "start_at", record->start_at);
    if (record->end.started_at > 0)
        add_double(&view, "started_at", record->end.started_at);
    add_uint(&view, "attempt", record->attempt);
    if (record->interruptions > 0)
        add_uint(&view, "interruptions", record->interruptions);
    if (record->evictions > 0)
        add_uint(&view, "evictions", record->evictions);
    add_end(&view, record);
    if (whole)
        add_after(daemon, &view, record->id);
    msgpack_pack_map(packer, view.fields);
    msgpack_pack_str_body(packer, view.buffer.data, view.buffer.size); /* the packed bytes, as they are */
    msgpack_sbuffer_destroy(&view.buffer);
}
