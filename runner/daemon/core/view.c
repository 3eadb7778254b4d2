#include "view.h"

#include "live.h"

#include <stdlib.h>
#include <string.h>

#define VIEW_COMMAND_MAX 4096 /* bytes of a command that lists and events show */

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

/* On disk waiting and queued are one state: only memory knows whether time or other jobs hold a job back. */
static void add_state(const struct daemon *daemon, pool_fields_t *fields, const struct record *record)
{
    const struct job *job = record_has_ended(record->state) ? NULL : live_find(daemon, record->id);
    if (job == NULL) {
        pool_fields_text(fields, "state", record_state_name(record->state));
        return;
    }
    const enum schedule_state state = job->schedule.state;
    pool_fields_text(fields, "state",
                     state == SCHEDULE_RUNNING ? "running"
                     : state == SCHEDULE_READY ? "queued"
                                               : "waiting");
    if (state != SCHEDULE_RUNNING || !job->started)
        pool_fields_text(fields, "waits", waits_for(daemon, job));
}

static void add_end(pool_fields_t *fields, const struct record *record)
{
    const struct record_end *end = &record->end;
    if (!record_has_ended(record->state))
        return;
    pool_fields_text(fields, "outcome", record_cause_name(end->cause));
    pool_fields_int(fields, "exit_code", end->exit_code);
    pool_fields_int(fields, "code", end->code);
    if (end->signal != 0)
        pool_fields_int(fields, "signal", end->signal);
    pool_fields_text(fields, "message", end->message);
    pool_fields_double(fields, "ended_at", end->ended_at);
    pool_fields_double(fields, "wall_seconds", end->wall_seconds);
    pool_fields_double(fields, "user_seconds", end->user_seconds);
    pool_fields_double(fields, "system_seconds", end->system_seconds);
    pool_fields_uint(fields, "peak_memory_bytes", end->peak_memory);
    pool_fields_text(fields, "memory_method", pool_memory_method_name((pool_memory_method_t)end->memory_method));
    if (end->memory_limit != 0)
        pool_fields_uint(fields, "memory_limit_bytes", end->memory_limit);
    pool_fields_uint(fields, "processes", end->processes);
    pool_fields_uint(fields, "killed_processes", end->killed_processes);
    pool_fields_uint(fields, "result_size", end->result_size);
    pool_fields_uint(fields, "stdout_size", end->stdout_size);
    pool_fields_uint(fields, "stderr_size", end->stderr_size);
    if (end->unkillable)
        pool_fields_bool(fields, "unkillable", true);
    if (end->truncated)
        pool_fields_bool(fields, "truncated", true);
}

static void add_command(pool_fields_t *fields, const msgpack_object *command, bool whole)
{
    uint32_t count = 0;
    size_t size = 0;
    for (; count < command->via.array.size; count++) {
        size += command->via.array.ptr[count].via.str.size + 1;
        if (!whole && size > VIEW_COMMAND_MAX)
            break;
    }
    msgpack_packer *packer = pool_fields_packer(fields, "command");
    msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count; i++)
        msgpack_pack_object(packer, command->via.array.ptr[i]);
    if (count < command->via.array.size)
        pool_fields_bool(fields, "command_cut", true);
}

/* Whether a status shows a field of the specification as it was given. The record shows some others; its environment,
 * input and argument may be large. NULL: no; else the name. */
static const char *shown_name(const msgpack_object_str *field)
{
    static const char *const names[] = {"cwd",           "retries",  "retry_delay", "retry_oom",
                                        "after_failure", "on_crash", "keep"};
    const size_t own = sizeof names / sizeof names[0];
    for (size_t i = 0; i < own + SETTING_ROW_COUNT_; i++) {
        const char *name = i < own ? names[i] : settings[i - own].name;
        if (field->size == strlen(name) && memcmp(field->ptr, name, field->size) == 0)
            return name;
    }
    return NULL;
}

static void add_settings(pool_fields_t *fields, const msgpack_object_map *given)
{
    for (uint32_t i = 0; i < given->size; i++) {
        const char *name = shown_name(&given->ptr[i].key.via.str); /* a str: spec_decode has checked that */
        if (name != NULL)
            msgpack_pack_object(pool_fields_packer(fields, name), given->ptr[i].val);
    }
}

static void add_work(const struct daemon *daemon, pool_fields_t *fields, uint64_t id, bool whole)
{
    struct spec_kept kept;
    if (live_spec(daemon, id, &kept) < 0)
        return;
    if (kept.spec.command != NULL)
        add_command(fields, kept.spec.command, whole);
    else
        pool_fields_str(fields, "task", kept.spec.task.data, kept.spec.task.size);
    if (whole)
        add_settings(fields, &kept.unpacked.data.via.map);
    spec_free(&kept);
}

static void add_after(const struct daemon *daemon, pool_fields_t *fields, uint64_t id)
{
    size_t count;
    uint64_t *after;
    if (store_job_after(daemon->store, id, &after, &count) == 0 && count > 0) {
        msgpack_packer *packer = pool_fields_packer(fields, "after");
        msgpack_pack_array(packer, count);
        for (size_t i = 0; i < count; i++)
            msgpack_pack_uint64(packer, after[i]);
    }
    free(after);
}

void view_job(const struct daemon *daemon, msgpack_packer *packer, const struct record *record, bool whole)
{
    pool_fields_t fields;
    pool_fields_begin(&fields);
    pool_fields_uint(&fields, "id", record->id);
    if (record->key.size > 0)
        pool_fields_str(&fields, "key", record->key.data, record->key.size);
    pool_fields_str(&fields, "name", record->name.data, record->name.size);
    pool_fields_str(&fields, "group", record->group.data, record->group.size);
    pool_fields_int(&fields, "priority", record->priority);
    add_work(daemon, &fields, record->id, whole);
    add_state(daemon, &fields, record);
    pool_fields_double(&fields, "submitted_at", record->submitted_at);
    if (record->start_at > 0)
        pool_fields_double(&fields, "start_at", record->start_at);
    if (record->end.started_at > 0)
        pool_fields_double(&fields, "started_at", record->end.started_at);
    pool_fields_uint(&fields, "attempt", record->attempt);
    if (record->interruptions > 0)
        pool_fields_uint(&fields, "interruptions", record->interruptions);
    if (record->evictions > 0)
        pool_fields_uint(&fields, "evictions", record->evictions);
    add_end(&fields, record);
    if (whole)
        add_after(daemon, &fields, record->id);
    pool_fields_append(&fields, packer);
}
