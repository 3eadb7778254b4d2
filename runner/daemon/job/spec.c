/* spec.c - one table of fields, read by fields.h and packed again in its order. */
#include "spec.h"

#include "retry.h"
#include "scan.h"

#include <errno.h>
#include <reclaim/pool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define START_AT_MOST   INT64_C(253402300799) /* the last second of the year 9999 */
#define RETRY_OOM_LEAST 1.1
#define RETRY_OOM_MOST  100

#define AT(field) .offset = offsetof(struct spec, field)

static const char *const after_failure_words[] = {[SPEC_FAIL] = "fail", [SPEC_RUN] = "run"};
static const char *const on_crash_words[] = {[SPEC_INTERRUPTED] = "interrupted", [SPEC_REQUEUE] = "requeue"};

/* All but the settings. */
static const struct field own_fields[SPEC_FIELD_COUNT_] = {
    [SPEC_COMMAND] = {"command", FIELD_TEXTS, AT(command), .least = 1},
    [SPEC_TASK] = {"task", FIELD_TEXT, AT(task), .least = 1, .most = RECORD_NAME_MAX},
    [SPEC_ARGUMENT] = {"argument", FIELD_ANY, AT(argument)},
    [SPEC_ENV] = {"env", FIELD_TEXTS, AT(env)},
    [SPEC_CWD] = {"cwd", FIELD_TEXT, AT(cwd), .least = 1},
    [SPEC_STDIN] = {"stdin", FIELD_BYTES, AT(stdin_bytes)},
    [SPEC_KEY] = {"key", FIELD_TEXT, AT(key), .least = 1, .most = RECORD_KEY_MAX},
    [SPEC_NAME] = {"name", FIELD_TEXT, AT(name), .least = 1, .most = RECORD_NAME_MAX},
    [SPEC_GROUP] = {"group", FIELD_TEXT, AT(group), .least = 1, .most = RECORD_GROUP_MAX},
    [SPEC_PRIORITY] = {"priority", FIELD_INT, AT(priority), .least = INT32_MIN, .most = INT32_MAX},
    [SPEC_RETRIES] = {"retries", FIELD_INT, AT(retries), .least = 1, .most = INT32_MAX},
    [SPEC_RETRY_DELAY] = {"retry_delay", FIELD_SECONDS, AT(retry_delay)},
    [SPEC_RETRY_OOM] = {"retry_oom", FIELD_NUMBER, AT(retry_oom), .least = 1, .most = RETRY_OOM_MOST},
    [SPEC_DELAY] = {"delay", FIELD_SECONDS, AT(delay)},
    [SPEC_START_AT] = {"start_at", FIELD_NUMBER, AT(start_at), .most = START_AT_MOST},
    [SPEC_AFTER] = {"after", FIELD_JOBS, AT(after)},
    [SPEC_AFTER_FAILURE] = {"after_failure", FIELD_WORD, AT(after_failure), .words = after_failure_words},
    [SPEC_ON_CRASH] = {"on_crash", FIELD_WORD, AT(on_crash), .words = on_crash_words},
    [SPEC_KEEP] = {"keep", FIELD_SECONDS, AT(keep)},
};

static void make_table(struct field table[SPEC_FIELD_COUNT_])
{
    static const enum field_type types[] = {
        [SETTING_SECONDS] = FIELD_SECONDS, [SETTING_NUMBER] = FIELD_INT, [SETTING_COUNT] = FIELD_COUNT,
        [SETTING_FACTOR] = FIELD_NUMBER,   [SETTING_FLAG] = FIELD_BOOL,
    };
    memcpy(table, own_fields, sizeof own_fields);
    for (int i = 0; i < SETTING_ROW_COUNT_; i++)
        table[SPEC_SETTINGS + i] = (struct field){.name = settings[i].name,
                                                  .type = types[settings[i].type],
                                                  .offset = offsetof(struct spec, settings) + settings[i].in_client,
                                                  .least = settings[i].least,
                                                  .most = settings[i].most};
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int check_env(const msgpack_object *env, struct rpc_error *error)
{
    char quoted[256];
    for (uint32_t i = 0; env != NULL && i < env->via.array.size; i++) {
        const msgpack_object_str *entry = &env->via.array.ptr[i].via.str;
        const char *equals = memchr(entry->ptr, '=', entry->size);
        if (equals == NULL || equals == entry->ptr)
            return rpc_fail(error, RPC_INVALID_VALUE, "job: env has \"%s\": each entry is NAME=value",
                            rpc_quote(entry->ptr, entry->size, quoted));
    }
    return 0;
}

/* Whether the field is given, or, for memory, its other form. */
static bool is_there(const struct spec *spec, unsigned field)
{
    return spec_has(spec, field) ||
           (field == SPEC_SETTINGS + SETTING_MEMORY && spec_has(spec, SPEC_SETTINGS + SETTING_MEMORY_SHARE));
}

/* Fields that mean nothing beside another. */
static int check_pairs(const struct spec *spec, const struct field *table, struct rpc_error *error)
{
    static const struct {
        unsigned field, other;
        bool excludes; /* else: needs */
        const char *why;
    } pairs[] = {
        {SPEC_COMMAND, SPEC_TASK, true, "it is one or the other"},
        {SPEC_ARGUMENT, SPEC_TASK, false, "a command's arguments stand in command"},
        {SPEC_STDIN, SPEC_TASK, true, "a task gets its input as argument"},
        {SPEC_ENV, SPEC_TASK, true, "a task runs in the daemon's environment"},
        {SPEC_CWD, SPEC_TASK, true, "a task runs in the daemon's directory"},
        {SPEC_SETTINGS + SETTING_HUGE_PAGES, SPEC_TASK, true, "a task takes memory on huge pages from pool_call_alloc"},
        {SPEC_SETTINGS + SETTING_RESULT_LIMIT, SPEC_COMMAND, true, "a command's output has an output_limit"},
        {SPEC_RETRY_OOM, SPEC_SETTINGS + SETTING_MEMORY, false, "there is no limit to raise"},
        {SPEC_SETTINGS + SETTING_MEMORY_BACKSTOP, SPEC_SETTINGS + SETTING_MEMORY, false, "there is no limit to back"},
        {SPEC_DELAY, SPEC_START_AT, true, "give one of them"},
    };
    if (!spec_has(spec, SPEC_COMMAND) && !spec_has(spec, SPEC_TASK))
        return rpc_fail(error, RPC_MISSING_FIELD, "job: command or task is missing: what is to run");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (spec_has(spec, pairs[i].field) && is_there(spec, pairs[i].other) == pairs[i].excludes)
            return rpc_fail(error, RPC_INVALID_VALUE, "job: %s is given %s %s: %s", table[pairs[i].field].name,
                            pairs[i].excludes ? "beside" : "without", table[pairs[i].other].name, pairs[i].why);
    return 0;
}

static int check_values(const struct spec *spec, struct rpc_error *error)
{
    char quoted[256];
    if (spec->command != NULL && spec->command->via.array.ptr[0].via.str.size == 0)
        return rpc_fail(error, RPC_INVALID_VALUE, "job: command has an empty text as its program");
    if (spec_has(spec, SPEC_CWD) && spec->cwd.data[0] != '/')
        return rpc_fail(error, RPC_INVALID_VALUE, "job: cwd is \"%s\": give an absolute path",
                        rpc_quote(spec->cwd.data, spec->cwd.size, quoted));
    if (spec_has(spec, SPEC_RETRY_OOM) && spec->retry_oom < RETRY_OOM_LEAST)
        return rpc_fail(error, RPC_INVALID_VALUE, "job: retry_oom is %g: it is a factor from %g to %d", spec->retry_oom,
                        RETRY_OOM_LEAST, RETRY_OOM_MOST);
    return check_env(spec->env, error);
}

/* The program's file name, or the task. */
static struct rpc_text default_name(const struct spec *spec)
{
    if (spec->command == NULL)
        return spec->task;
    const msgpack_object_str *program = &spec->command->via.array.ptr[0].via.str;
    struct rpc_text name = {program->ptr, program->size};
    const char *slash = memrchr(name.data, '/', name.size);
    if (slash != NULL && slash + 1 < name.data + name.size) {
        name.size -= (size_t)(slash + 1 - name.data);
        name.data = slash + 1;
    }
    if (name.size > RECORD_NAME_MAX)
        name.size = RECORD_NAME_MAX;
    return name;
}

int spec_read(const msgpack_object *map, struct spec *spec, struct rpc_error *error)
{
    struct field table[SPEC_FIELD_COUNT_];
    *spec = (struct spec){.group = {"default", 7}, .retries = 1, .retry_delay = RETRY_DELAY_DEFAULT, .keep = -1};
    make_table(table);
    if (fields_read(map, "job", table, SPEC_FIELD_COUNT_, spec, &spec->given, error) < 0 ||
        check_pairs(spec, table, error) < 0 || check_values(spec, error) < 0)
        return -1;
    if (!spec_has(spec, SPEC_NAME))
        spec->name = default_name(spec);
    return 0;
}

void spec_to_options(const struct spec *spec, pool_job_options_t *options)
{
    settings_to_options(&spec->settings, options);
    for (unsigned i = 0; i < SETTING_ROW_COUNT_; i++) {
        int64_t *value = (int64_t *)((char *)options + settings[i].in_options);
        if (settings[i].has_zero && spec_has(spec, SPEC_SETTINGS + i) && *value == 0)
            *value = POOL_NONE;
    }
}

/* ---- kept bytes -------------------------------------------------------------------------------------------------- */

static int pack_value(msgpack_packer *packer, const struct field *field, const void *value)
{
    const struct rpc_text *bytes = value;
    switch (field->type) {
    case FIELD_BOOL:
        return *(const bool *)value ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    case FIELD_INT:
        return msgpack_pack_int64(packer, *(const int64_t *)value);
    case FIELD_COUNT:
        return msgpack_pack_int64(packer, *(const int32_t *)value);
    case FIELD_SECONDS:
    case FIELD_NUMBER:
        return msgpack_pack_double(packer, *(const double *)value);
    case FIELD_TEXT:
        return msgpack_pack_str_with_body(packer, bytes->data, bytes->size);
    case FIELD_WORD:
        return rpc_pack_text(packer, field->words[*(const int *)value]);
    case FIELD_BYTES:
        return msgpack_pack_bin_with_body(packer, bytes->data, bytes->size);
    default:
        return msgpack_pack_object(packer, **(const msgpack_object *const *)value);
    }
}

int spec_encode(const struct spec *spec, msgpack_sbuffer *buffer)
{
    const uint64_t kept = spec->given & ~(UINT64_C(1) << SPEC_KEY);
    struct field table[SPEC_FIELD_COUNT_];
    msgpack_packer packer;
    make_table(table);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    int rc = msgpack_pack_map(&packer, (size_t)__builtin_popcountll(kept));
    for (int i = 0; rc == 0 && i < SPEC_FIELD_COUNT_; i++) {
        if ((kept >> i & 1) == 0)
            continue;
        rc = rpc_pack_text(&packer, table[i].name);
        if (rc == 0)
            rc = pack_value(&packer, &table[i], (const char *)spec + table[i].offset);
    }
    return rc == 0 ? 0 : -ENOMEM;
}

static int unpack(const void *bytes, size_t size, msgpack_unpacked *unpacked)
{
    size_t offset = 0;
    if (size == 0 || scan_object(bytes, size) < 0)
        return -EBADMSG;
    const msgpack_unpack_return rc = msgpack_unpack_next(unpacked, bytes, size, &offset);
    if (rc == MSGPACK_UNPACK_NOMEM_ERROR)
        return -ENOMEM;
    return rc == MSGPACK_UNPACK_SUCCESS && unpacked->data.type == MSGPACK_OBJECT_MAP ? 0 : -EBADMSG;
}

/* memory says all of the limit where it is known how much the machine has. */
static void apply_memory_share(pool_client_job_t *job, uint64_t machine)
{
    if (machine == 0)
        return;
    job->memory = settings_memory(job->memory, job->memory_share, machine);
    job->memory_share = 0;
}

int spec_decode(void *bytes, size_t size, uint64_t machine, struct spec_kept *kept)
{
    struct rpc_error error;
    kept->bytes = bytes;
    msgpack_unpacked_init(&kept->unpacked);
    int r = unpack(bytes, size, &kept->unpacked);
    if (r == 0 && spec_read(&kept->unpacked.data, &kept->spec, &error) < 0)
        r = -EBADMSG;
    if (r == 0)
        apply_memory_share(&kept->spec.settings, machine);
    else
        spec_free(kept);
    return r;
}

void spec_free(struct spec_kept *kept)
{
    msgpack_unpacked_destroy(&kept->unpacked);
    free(kept->bytes);
}
