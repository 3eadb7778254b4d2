/* map.c - reclaim/map.h. A map's fields are written behind room for the longest header, which is put in at the end. */
#include <reclaim/map.h>

#include <errno.h>
#include <string.h>

#define HEADER_MOST 5 /* map 32 */

/* ---- writing --------------------------------------------------------------------------------------------------- */

static int write_checked(void *data, const char *bytes, size_t size)
{
    pool_fields_t *fields = data;
    if (!fields->failed && msgpack_sbuffer_write(&fields->buffer, bytes, size) < 0)
        fields->failed = true;
    return fields->failed ? -1 : 0;
}

void pool_fields_begin(pool_fields_t *fields)
{
    static const char room[HEADER_MOST];
    fields->count = 0;
    fields->failed = false;
    msgpack_sbuffer_init(&fields->buffer);
    msgpack_packer_init(&fields->packer, fields, write_checked);
    write_checked(fields, room, sizeof room);
}

void pool_fields_free(pool_fields_t *fields)
{
    msgpack_sbuffer_destroy(&fields->buffer);
}

msgpack_packer *pool_fields_packer(pool_fields_t *fields, const char *name)
{
    fields->count++;
    msgpack_pack_str_with_body(&fields->packer, name, strlen(name));
    return &fields->packer;
}

void pool_fields_str(pool_fields_t *fields, const char *name, const void *text, size_t size)
{
    msgpack_pack_str_with_body(pool_fields_packer(fields, name), text, size);
}

void pool_fields_text(pool_fields_t *fields, const char *name, const char *text)
{
    if (text == NULL)
        pool_fields_nil(fields, name);
    else
        pool_fields_str(fields, name, text, strlen(text));
}

void pool_fields_bin(pool_fields_t *fields, const char *name, const void *data, size_t size)
{
    msgpack_pack_bin_with_body(pool_fields_packer(fields, name), data, size);
}

void pool_fields_uint(pool_fields_t *fields, const char *name, uint64_t value)
{
    msgpack_pack_uint64(pool_fields_packer(fields, name), value);
}

void pool_fields_int(pool_fields_t *fields, const char *name, int64_t value)
{
    msgpack_pack_int64(pool_fields_packer(fields, name), value);
}

void pool_fields_double(pool_fields_t *fields, const char *name, double value)
{
    msgpack_pack_double(pool_fields_packer(fields, name), value);
}

void pool_fields_bool(pool_fields_t *fields, const char *name, bool value)
{
    msgpack_packer *packer = pool_fields_packer(fields, name);
    if (value)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

void pool_fields_nil(pool_fields_t *fields, const char *name)
{
    msgpack_pack_nil(pool_fields_packer(fields, name));
}

void pool_fields_packed(pool_fields_t *fields, const char *name, pool_bytes_t value)
{
    pool_fields_packer(fields, name);
    write_checked(fields, value.data, value.size);
}

/* Writes the shortest header of a map (MessagePack's "map format family") so that it ends at `end`; its size. */
static size_t put_header(char *end, uint32_t count)
{
    const size_t size = count < 16 ? 1 : count < 65536 ? 3 : HEADER_MOST;
    char *at = end - size;
    *at = (char)(size == 1 ? 0x80 | count : size == 3 ? 0xde : 0xdf);
    for (size_t i = 1; i < size; i++)
        at[i] = (char)(count >> 8 * (size - 1 - i));
    return size;
}

int pool_fields_end(pool_fields_t *fields, pool_bytes_t *map)
{
    *map = (pool_bytes_t){0};
    if (fields->failed)
        return -ENOMEM;
    char *begin = fields->buffer.data + HEADER_MOST;
    const size_t header = put_header(begin, fields->count);
    *map = (pool_bytes_t){begin - header, fields->buffer.size - HEADER_MOST + header};
    return 0;
}

int pool_fields_append(pool_fields_t *fields, msgpack_packer *packer)
{
    pool_bytes_t map;
    int rc = pool_fields_end(fields, &map);
    if (rc == 0 && msgpack_pack_str_body(packer, map.data, map.size) < 0) /* which appends bytes as they are */
        rc = -ENOMEM;
    else if (rc < 0)
        msgpack_pack_nil(packer);
    pool_fields_free(fields);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static bool is_text(const msgpack_object *object, const char *text)
{
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, object->via.str.size) == 0;
}

const msgpack_object *pool_field(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++)
        if (is_text(&map->via.map.ptr[i].key, name))
            return &map->via.map.ptr[i].val;
    return NULL;
}

/* The same, of one type. */
static const msgpack_object *find(const msgpack_object *map, const char *name, msgpack_object_type type)
{
    const msgpack_object *value = pool_field(map, name);
    return value != NULL && value->type == type ? value : NULL;
}

uint64_t pool_field_uint(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = find(map, name, MSGPACK_OBJECT_POSITIVE_INTEGER);
    return value != NULL ? value->via.u64 : 0;
}

int64_t pool_field_int(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = find(map, name, MSGPACK_OBJECT_NEGATIVE_INTEGER);
    const uint64_t positive = pool_field_uint(map, name);
    return value != NULL ? value->via.i64 : positive <= INT64_MAX ? (int64_t)positive : INT64_MAX;
}

double pool_field_double(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = pool_field(map, name);
    if (value != NULL && (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64))
        return value->via.f64;
    return (double)pool_field_int(map, name);
}

bool pool_field_bool(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = find(map, name, MSGPACK_OBJECT_BOOLEAN);
    return value != NULL && value->via.boolean;
}

msgpack_object_str pool_field_str(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = find(map, name, MSGPACK_OBJECT_STR);
    return value != NULL ? value->via.str : (msgpack_object_str){.ptr = ""};
}

msgpack_object_array pool_field_array(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = find(map, name, MSGPACK_OBJECT_ARRAY);
    return value != NULL ? value->via.array : (msgpack_object_array){0};
}

bool pool_field_is(const msgpack_object *map, const char *name, const char *text)
{
    const msgpack_object *value = pool_field(map, name);
    return value != NULL && is_text(value, text);
}

void pool_field_text(const msgpack_object *map, const char *name, char *text, size_t size)
{
    const msgpack_object_str value = pool_field_str(map, name);
    const size_t length = value.size < size ? value.size : size - 1;
    memcpy(text, value.ptr, length);
    text[length] = '\0';
}
