#include "fields.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_MOST 1e9
#define KEY_MOST     128

/* One field that is being read; reports name all of it. */
struct reading {
    const char *what;
    const struct field *field;
    const msgpack_object *value;
    void *out;
    struct rpc_error *error;
};

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* The value as it may stand in a message. */
static const char *describe(const msgpack_object *value, char out[300])
{
    char quoted[256];
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        return "nil";
    case MSGPACK_OBJECT_BOOLEAN:
        return value->via.boolean ? "true" : "false";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        snprintf(out, 300, "%" PRIu64, value->via.u64);
        return out;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        snprintf(out, 300, "%" PRId64, value->via.i64);
        return out;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        snprintf(out, 300, "%g", value->via.f64);
        return out;
    case MSGPACK_OBJECT_STR:
        snprintf(out, 300, "\"%s\"", rpc_quote(value->via.str.ptr, value->via.str.size, quoted));
        return out;
    case MSGPACK_OBJECT_BIN:
        snprintf(out, 300, "bin of %" PRIu32 " bytes", value->via.bin.size);
        return out;
    case MSGPACK_OBJECT_ARRAY:
        snprintf(out, 300, "an array of %" PRIu32, value->via.array.size);
        return out;
    case MSGPACK_OBJECT_MAP:
        return "a map";
    default:
        return "an ext";
    }
}

/* "submit: priority has to be a whole number, not nil" */
static int refuse(const struct reading *reading, enum rpc_code code, const char *expected)
{
    char value[300];
    return rpc_fail(reading->error, code, "%s: %s has to be %s, not %s", reading->what, reading->field->name, expected,
                    describe(reading->value, value));
}

static int refuse_size(const struct reading *reading, uint64_t size, const char *unit)
{
    const struct field *field = reading->field;
    if (field->most == 0)
        return rpc_fail(reading->error, RPC_INVALID_VALUE, "%s: %s has to have at least %" PRId64 " %s, not %" PRIu64,
                        reading->what, field->name, field->least, unit, size);
    return rpc_fail(reading->error, RPC_INVALID_VALUE, "%s: %s has to have %" PRId64 " to %" PRId64 " %s, not %" PRIu64,
                    reading->what, field->name, field->least, field->most, unit, size);
}

/* ---- the types -------------------------------------------------------------------------------------------------- */

static int put(const struct reading *reading, const void *value, size_t size)
{
    memcpy((char *)reading->out + reading->field->offset, value, size);
    return 0;
}

static int put_object(const struct reading *reading)
{
    return put(reading, &reading->value, sizeof reading->value);
}

static bool has_size(const struct field *field, uint64_t size)
{
    return size >= (uint64_t)field->least && (field->most == 0 || size <= (uint64_t)field->most);
}

static bool is_text(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR &&
           (object->via.str.size == 0 || memchr(object->via.str.ptr, '\0', object->via.str.size) == NULL);
}

static bool is_job(const msgpack_object *object)
{
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return object->via.u64 >= 1 && object->via.u64 <= INT64_MAX;
    return is_text(object) && object->via.str.size >= 1 && object->via.str.size <= KEY_MOST;
}

static int read_bool(const struct reading *reading)
{
    if (reading->value->type != MSGPACK_OBJECT_BOOLEAN)
        return refuse(reading, RPC_WRONG_TYPE, "true or false");
    return put(reading, &reading->value->via.boolean, sizeof reading->value->via.boolean);
}

static int whole_number(const struct reading *reading, int64_t *number)
{
    const struct field *field = reading->field;
    const msgpack_object *value = reading->value;
    const bool any = field->least == 0 && field->most == 0;
    const int64_t least = any ? INT64_MIN : field->least;
    const int64_t most = any ? INT64_MAX : field->most;
    char expected[100];
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER && value->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return refuse(reading, RPC_WRONG_TYPE, "a whole number");
    const bool fits = value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER || value->via.u64 <= INT64_MAX;
    *number = value->via.i64;
    if (fits && *number >= least && *number <= most)
        return 0;
    snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, least, most);
    return refuse(reading, RPC_INVALID_VALUE, expected);
}

static int read_int(const struct reading *reading)
{
    int64_t number;
    return whole_number(reading, &number) < 0 ? -1 : put(reading, &number, sizeof number);
}

static int read_count(const struct reading *reading)
{
    int64_t number;
    if (whole_number(reading, &number) < 0)
        return -1;
    return put(reading, &(int32_t){(int32_t)number}, sizeof(int32_t));
}

static int read_int_or_nil(const struct reading *reading)
{
    struct field_maybe_int maybe = {.nil = reading->value->type == MSGPACK_OBJECT_NIL};
    if (!maybe.nil && whole_number(reading, &maybe.value) < 0)
        return -1;
    return put(reading, &maybe, sizeof maybe);
}

static int read_number(const struct reading *reading)
{
    const struct field *field = reading->field;
    const msgpack_object *value = reading->value;
    const bool seconds = field->type == FIELD_SECONDS, any = !seconds && field->least == 0 && field->most == 0;
    const double least = any ? -INFINITY : seconds ? 0 : (double)field->least;
    const double most = any ? INFINITY : seconds ? SECONDS_MOST : (double)field->most;
    double number;
    char expected[100];
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        number = (double)value->via.u64;
    else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        number = (double)value->via.i64;
    else if (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)
        number = value->via.f64;
    else
        return refuse(reading, RPC_WRONG_TYPE, "a number");
    if (isfinite(number) && number >= least && number <= most)
        return put(reading, &number, sizeof number);
    if (!any)
        snprintf(expected, sizeof expected, "a number from %g to %g", least, most);
    else
        snprintf(expected, sizeof expected, "a finite number");
    return refuse(reading, RPC_INVALID_VALUE, expected);
}

static int read_text(const struct reading *reading)
{
    const msgpack_object *value = reading->value;
    if (value->type != MSGPACK_OBJECT_STR)
        return refuse(reading, RPC_WRONG_TYPE, "a str");
    if (!is_text(value))
        return refuse(reading, RPC_INVALID_VALUE, "without NUL bytes");
    if (!has_size(reading->field, value->via.str.size))
        return refuse_size(reading, value->via.str.size, "bytes");
    return put(reading, &(struct rpc_text){.data = value->via.str.ptr, .size = value->via.str.size},
               sizeof(struct rpc_text));
}

static int read_word(const struct reading *reading)
{
    const msgpack_object *value = reading->value;
    const char *const *words = reading->field->words;
    char quoted[300];
    if (value->type != MSGPACK_OBJECT_STR)
        return refuse(reading, RPC_WRONG_TYPE, "a str");
    for (int i = 0; i < 2; i++)
        if (value->via.str.size == strlen(words[i]) && memcmp(value->via.str.ptr, words[i], strlen(words[i])) == 0)
            return put(reading, &i, sizeof i);
    return rpc_fail(reading->error, RPC_INVALID_VALUE, "%s: %s is %s: it is \"%s\" or \"%s\"", reading->what,
                    reading->field->name, describe(value, quoted), words[0], words[1]);
}

static int read_bytes(const struct reading *reading)
{
    const msgpack_object *value = reading->value;
    struct rpc_text bytes;
    if (value->type == MSGPACK_OBJECT_BIN)
        bytes = (struct rpc_text){.data = value->via.bin.ptr, .size = value->via.bin.size};
    else if (value->type == MSGPACK_OBJECT_STR)
        bytes = (struct rpc_text){.data = value->via.str.ptr, .size = value->via.str.size};
    else
        return refuse(reading, RPC_WRONG_TYPE, "bin");
    if (!has_size(reading->field, bytes.size))
        return refuse_size(reading, bytes.size, "bytes");
    return put(reading, &bytes, sizeof bytes);
}

/* An array of good elements (NULL: of any). */
static int read_array_of(const struct reading *reading, bool (*good)(const msgpack_object *), const char *expected)
{
    const msgpack_object *value = reading->value;
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return refuse(reading, RPC_WRONG_TYPE, expected);
    if (!has_size(reading->field, value->via.array.size))
        return refuse_size(reading, value->via.array.size, "elements");
    for (uint32_t i = 0; good != NULL && i < value->via.array.size; i++) {
        char element[300];
        const bool is_str = value->via.array.ptr[i].type == MSGPACK_OBJECT_STR;
        if (!good(&value->via.array.ptr[i]))
            return rpc_fail(reading->error, is_str ? RPC_INVALID_VALUE : RPC_WRONG_TYPE,
                            "%s: %s has to be %s; its element %" PRIu32 " is %s", reading->what, reading->field->name,
                            expected, i, describe(&value->via.array.ptr[i], element));
    }
    return put_object(reading);
}

static int read_job(const struct reading *reading)
{
    static const char expected[] = "a job's id, from 1, or its key, a str of 1 to 128 bytes";
    const msgpack_object_type type = reading->value->type;
    if (is_job(reading->value))
        return put_object(reading);
    const bool right = type == MSGPACK_OBJECT_STR || type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                       type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    return refuse(reading, right ? RPC_INVALID_VALUE : RPC_WRONG_TYPE, expected);
}

static int read_field(const struct reading *reading)
{
    switch (reading->field->type) {
    case FIELD_BOOL:
        return read_bool(reading);
    case FIELD_INT:
        return read_int(reading);
    case FIELD_COUNT:
        return read_count(reading);
    case FIELD_SECONDS:
    case FIELD_NUMBER:
        return read_number(reading);
    case FIELD_TEXT:
        return read_text(reading);
    case FIELD_WORD:
        return read_word(reading);
    case FIELD_BYTES:
        return read_bytes(reading);
    case FIELD_TEXTS:
        return read_array_of(reading, is_text, "an array of str without NUL bytes");
    case FIELD_ARRAY:
        return read_array_of(reading, NULL, "an array");
    case FIELD_JOB:
        return read_job(reading);
    case FIELD_JOBS:
        return read_array_of(reading, is_job, "an array of jobs, ids from 1 or keys of 1 to 128 bytes");
    case FIELD_INT_OR_NIL:
        return read_int_or_nil(reading);
    case FIELD_ANY:
        return put_object(reading);
    }
    assert(false);
    return -1;
}

/* ---- the map ---------------------------------------------------------------------------------------------------- */

static const struct field *find(const struct field *table, size_t count, const msgpack_object_str *name)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].name) == name->size && memcmp(table[i].name, name->ptr, name->size) == 0)
            return &table[i];
    return NULL;
}

/* "stats has no field \"x\"", and the names of its fields. */
static int refuse_unknown(const char *what, const struct field *table, size_t count, const msgpack_object_str *name,
                          struct rpc_error *error)
{
    char quoted[256];
    rpc_fail(error, RPC_UNKNOWN_FIELD, "%s has no field \"%s\"%s", what, rpc_quote(name->ptr, name->size, quoted),
             count > 0 ? ", only:" : ": it has none");
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof error->message - used, " %s", table[i].name);
    }
    return -1;
}

static int read_pair(const char *what, const struct field *table, size_t count, const msgpack_object_kv *pair,
                     void *out, uint64_t *given, struct rpc_error *error)
{
    if (pair->key.type != MSGPACK_OBJECT_STR)
        return rpc_fail(error, RPC_WRONG_TYPE, "%s: the name of each field has to be a str", what);
    const struct field *field = find(table, count, &pair->key.via.str);
    if (field == NULL)
        return refuse_unknown(what, table, count, &pair->key.via.str, error);
    const uint64_t bit = UINT64_C(1) << (field - table);
    if ((*given & bit) != 0)
        return rpc_fail(error, RPC_INVALID_VALUE, "%s: %s is given twice", what, field->name);
    *given |= bit;
    return read_field(&(struct reading){.what = what, .field = field, .value = &pair->val, .out = out, .error = error});
}

int fields_read(const msgpack_object *map, const char *what, const struct field *table, size_t count, void *out,
                uint64_t *given, struct rpc_error *error)
{
    assert(count <= 64);
    *given = 0;
    if (map != NULL && map->type != MSGPACK_OBJECT_MAP)
        return rpc_fail(error, RPC_WRONG_TYPE, "%s: has to be a map of named fields", what);
    for (uint32_t i = 0; map != NULL && i < map->via.map.size; i++)
        if (read_pair(what, table, count, &map->via.map.ptr[i], out, given, error) < 0)
            return -1;
    for (size_t i = 0; i < count; i++)
        if (table[i].required && (*given >> i & 1) == 0)
            return rpc_fail(error, RPC_MISSING_FIELD, "%s: %s is missing", what, table[i].name);
    return 0;
}
