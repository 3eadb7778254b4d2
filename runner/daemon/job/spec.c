/* spec.c - one table of fields, read by fields.h and packed again in its order. */
#include "spec.h"

#include "retry.h"
#include "scan.h"

#include <errno.h>
#include <reclaim/pool.h>
#include <stddef.h>
#include <string.h>

#define KILL_AFTER_DEFAULT 2.0 /* seconds, as the library's */
#define NAME_MAX_SIZE      255
#define MEMORY_LEAST       ((int64_t)1024 * 1024) /* the library takes no lower limit */
#define MEMORY_MOST        (INT64_MAX / 4)
#define START_AT_MOST      INT64_C(253402300799) /* the last second of the year 9999 */
#define RETRY_OOM_LEAST    1.1
#define RETRY_OOM_MOST     100

/* A specification, and those of its fields that are words outside. */
struct fields {
    struct spec spec;
    struct rpc_text after_failure, on_crash;
};

#define AT(field) offsetof(struct fields, field)

static const struct field table[SPEC_FIELD_COUNT_] = {
    [SPEC_COMMAND] = {"command", FIELD_TEXTS, false, AT(spec.command), 1, 0},
    [SPEC_TASK] = {"task", FIELD_TEXT, false, AT(spec.task), 1, NAME_MAX_SIZE},
    [SPEC_ARGUMENT] = {"argument", FIELD_ANY, false, AT(spec.argument), 0, 0},
    [SPEC_ENV] = {"env", FIELD_TEXTS, false, AT(spec.env), 0, 0},
    [SPEC_CWD] = {"cwd", FIELD_TEXT, false, AT(spec.cwd), 1, 0},
    [SPEC_STDIN] = {"stdin", FIELD_BYTES, false, AT(spec.stdin_bytes), 0, 0},
    [SPEC_KEY] = {"key", FIELD_TEXT, false, AT(spec.key), 1, 128},
    [SPEC_NAME] = {"name", FIELD_TEXT, false, AT(spec.name), 1, NAME_MAX_SIZE},
    [SPEC_GROUP] = {"group", FIELD_TEXT, false, AT(spec.group), 1, 64},
    [SPEC_PRIORITY] = {"priority", FIELD_INT, false, AT(spec.priority), INT32_MIN, INT32_MAX},
    [SPEC_TIMEOUT] = {"timeout", FIELD_SECONDS, false, AT(spec.timeout), 0, 0},
    [SPEC_KILL_AFTER] = {"kill_after", FIELD_SECONDS, false, AT(spec.kill_after), 0, 0},
    [SPEC_CPU_TIME] = {"cpu_time", FIELD_SECONDS, false, AT(spec.cpu_time), 0, 0},
    [SPEC_MEMORY] = {"memory", FIELD_INT, false, AT(spec.memory), MEMORY_LEAST, MEMORY_MOST},
    [SPEC_EXPECTED] = {"expected", FIELD_INT, false, AT(spec.expected), 0, INT64_MAX},
    [SPEC_PIDS] = {"pids", FIELD_INT, false, AT(spec.pids), 1, INT32_MAX},
    [SPEC_NOFILE] = {"nofile", FIELD_INT, false, AT(spec.nofile), 1, INT32_MAX},
    [SPEC_NICE] = {"nice", FIELD_INT, false, AT(spec.nice), -40, 40},
    [SPEC_OUTPUT_LIMIT] = {"output_limit", FIELD_INT, false, AT(spec.output_limit), 0, INT64_MAX},
    [SPEC_HUGE_PAGES] = {"huge_pages", FIELD_BOOL, false, AT(spec.huge_pages), 0, 0},
    [SPEC_RERUNNABLE] = {"rerunnable", FIELD_BOOL, false, AT(spec.rerunnable), 0, 0},
    [SPEC_RETRIES] = {"retries", FIELD_INT, false, AT(spec.retries), 1, INT32_MAX},
    [SPEC_RETRY_DELAY] = {"retry_delay", FIELD_SECONDS, false, AT(spec.retry_delay), 0, 0},
    [SPEC_RETRY_OOM] = {"retry_oom", FIELD_NUMBER, false, AT(spec.retry_oom), 1, RETRY_OOM_MOST},
    [SPEC_DELAY] = {"delay", FIELD_SECONDS, false, AT(spec.delay), 0, 0},
    [SPEC_START_AT] = {"start_at", FIELD_NUMBER, false, AT(spec.start_at), 0, START_AT_MOST},
    [SPEC_AFTER] = {"after", FIELD_JOBS, false, AT(spec.after), 0, 0},
    [SPEC_AFTER_FAILURE] = {"after_failure", FIELD_TEXT, false, AT(after_failure), 0, 0},
    [SPEC_ON_CRASH] = {"on_crash", FIELD_TEXT, false, AT(on_crash), 0, 0},
    [SPEC_KEEP] = {"keep", FIELD_SECONDS, false, AT(spec.keep), 0, 0},
};

static const char *const after_failure_words[] = {[SPEC_FAIL] = "fail", [SPEC_RUN] = "run"};
static const char *const on_crash_words[] = {[SPEC_INTERRUPTED] = "interrupted", [SPEC_REQUEUE] = "requeue"};

static struct rpc_text text_of(const char *text)
{
    return (struct rpc_text){text, strlen(text)};
}

static bool is_given(const struct spec *spec, enum spec_given field)
{
    return (spec->given >> field & 1) != 0;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The index of a word; -1 and error. */
static int find_word(const char *const words[2], struct rpc_text text, const char *name, struct rpc_error *error)
{
    char quoted[256];
    for (int i = 0; i < 2; i++)
        if (text.size == strlen(words[i]) && memcmp(text.data, words[i], text.size) == 0)
            return i;
    return rpc_fail(error, RPC_INVALID_VALUE, "job: %s is \"%s\": it is \"%s\" or \"%s\"", name,
                    rpc_quote(text.data, text.size, quoted), words[0], words[1]);
}

static int read_words(struct fields *fields, struct rpc_error *error)
{
    if (is_given(&fields->spec, SPEC_AFTER_FAILURE)) {
        const int word = find_word(after_failure_words, fields->after_failure, "after_failure", error);
        if (word < 0)
            return -1;
        fields->spec.after_failure = (enum spec_after_failure)word;
    }
    if (is_given(&fields->spec, SPEC_ON_CRASH)) {
        const int word = find_word(on_crash_words, fields->on_crash, "on_crash", error);
        if (word < 0)
            return -1;
        fields->spec.on_crash = (enum spec_on_crash)word;
    }
    return 0;
}

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

/* Fields that mean nothing beside another. */
static int check_pairs(const struct spec *spec, struct rpc_error *error)
{
    static const struct {
        enum spec_given field, other;
        bool excludes; /* else: needs */
        const char *why;
    } pairs[] = {
        {SPEC_COMMAND, SPEC_TASK, true, "it is one or the other"},
        {SPEC_ARGUMENT, SPEC_TASK, false, "a command's arguments stand in command"},
        {SPEC_STDIN, SPEC_TASK, true, "a task gets its input as argument"},
        {SPEC_ENV, SPEC_TASK, true, "a task runs in the daemon's environment"},
        {SPEC_CWD, SPEC_TASK, true, "a task runs in the daemon's directory"},
        {SPEC_HUGE_PAGES, SPEC_TASK, true, "a task takes memory on huge pages from pool_call_alloc"},
        {SPEC_RETRY_OOM, SPEC_MEMORY, false, "there is no limit to raise"},
        {SPEC_DELAY, SPEC_START_AT, true, "give one of them"},
    };
    if (!is_given(spec, SPEC_COMMAND) && !is_given(spec, SPEC_TASK))
        return rpc_fail(error, RPC_MISSING_FIELD, "job: command or task is missing: what is to run");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (is_given(spec, pairs[i].field) && is_given(spec, pairs[i].other) == pairs[i].excludes)
            return rpc_fail(error, RPC_INVALID_VALUE, "job: %s is given %s %s: %s", table[pairs[i].field].name,
                            pairs[i].excludes ? "beside" : "without", table[pairs[i].other].name, pairs[i].why);
    return 0;
}

static int check_values(const struct spec *spec, struct rpc_error *error)
{
    char quoted[256];
    if (spec->command != NULL && spec->command->via.array.ptr[0].via.str.size == 0)
        return rpc_fail(error, RPC_INVALID_VALUE, "job: command has an empty text as its program");
    if (is_given(spec, SPEC_CWD) && spec->cwd.data[0] != '/')
        return rpc_fail(error, RPC_INVALID_VALUE, "job: cwd is \"%s\": give an absolute path",
                        rpc_quote(spec->cwd.data, spec->cwd.size, quoted));
    if (is_given(spec, SPEC_RETRY_OOM) && spec->retry_oom < RETRY_OOM_LEAST)
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
    if (name.size > NAME_MAX_SIZE)
        name.size = NAME_MAX_SIZE;
    return name;
}

int spec_read(const msgpack_object *map, struct spec *spec, struct rpc_error *error)
{
    struct fields fields = {.spec = {
                                .group = text_of("default"),
                                .kill_after = KILL_AFTER_DEFAULT,
                                .retries = 1,
                                .retry_delay = RETRY_DELAY_DEFAULT,
                                .keep = -1,
                            }};
    uint64_t given = 0;
    if (fields_read(map, "job", table, SPEC_FIELD_COUNT_, &fields, &given, error) < 0)
        return -1;
    fields.spec.given = given;
    if (check_pairs(&fields.spec, error) < 0 || check_values(&fields.spec, error) < 0 || read_words(&fields, error) < 0)
        return -1;
    if (!is_given(&fields.spec, SPEC_NAME))
        fields.spec.name = default_name(&fields.spec);
    *spec = fields.spec;
    return 0;
}

/* ---- kept bytes -------------------------------------------------------------------------------------------------- */

static int pack_text(msgpack_packer *packer, const struct rpc_text *text)
{
    return msgpack_pack_str_with_body(packer, text->data, text->size);
}

static int pack_value(msgpack_packer *packer, enum field_type type, const void *value)
{
    const struct rpc_text *bytes = value;
    switch (type) {
    case FIELD_BOOL:
        return *(const bool *)value ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    case FIELD_INT:
        return msgpack_pack_int64(packer, *(const int64_t *)value);
    case FIELD_SECONDS:
    case FIELD_NUMBER:
        return msgpack_pack_double(packer, *(const double *)value);
    case FIELD_TEXT:
        return pack_text(packer, bytes);
    case FIELD_BYTES:
        return msgpack_pack_bin_with_body(packer, bytes->data, bytes->size);
    default:
        return msgpack_pack_object(packer, **(const msgpack_object *const *)value);
    }
}

int spec_encode(const struct spec *spec, msgpack_sbuffer *buffer)
{
    const uint64_t kept = spec->given & ~(UINT64_C(1) << SPEC_KEY);
    const struct fields fields = {
        .spec = *spec,
        .after_failure = text_of(after_failure_words[spec->after_failure]),
        .on_crash = text_of(on_crash_words[spec->on_crash]),
    };
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    int rc = msgpack_pack_map(&packer, (size_t)__builtin_popcountll(kept));
    for (int i = 0; rc == 0 && i < SPEC_FIELD_COUNT_; i++) {
        const struct rpc_text name = text_of(table[i].name);
        if ((kept >> i & 1) == 0)
            continue;
        rc = pack_text(&packer, &name);
        if (rc == 0)
            rc = pack_value(&packer, table[i].type, (const char *)&fields + table[i].offset);
    }
    return rc == 0 ? 0 : -ENOMEM;
}

int spec_decode(const void *data, size_t size, struct spec *spec, msgpack_unpacked *unpacked)
{
    struct rpc_error error;
    size_t offset = 0;
    msgpack_unpacked_init(unpacked);
    if (size == 0 || scan_object(data, size) < 0)
        return -EBADMSG;
    const msgpack_unpack_return rc = msgpack_unpack_next(unpacked, data, size, &offset);
    if (rc == MSGPACK_UNPACK_NOMEM_ERROR)
        return -ENOMEM;
    if (rc != MSGPACK_UNPACK_SUCCESS || unpacked->data.type != MSGPACK_OBJECT_MAP)
        return -EBADMSG;
    return spec_read(&unpacked->data, spec, &error) < 0 ? -EBADMSG : 0;
}
