#include "answer.h"

#include <string.h>

static bool is_text(const msgpack_object *object, const char *text)
{
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, object->via.str.size) == 0;
}

const msgpack_object *answer_field(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++)
        if (is_text(&map->via.map.ptr[i].key, name))
            return &map->via.map.ptr[i].val;
    return NULL;
}

const msgpack_object_array *answer_array(const msgpack_object *map, const char *name)
{
    static const msgpack_object_array none;
    const msgpack_object *value = answer_field(map, name);
    return value != NULL && value->type == MSGPACK_OBJECT_ARRAY ? &value->via.array : &none;
}

uint64_t answer_uint(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = answer_field(map, name);
    return value != NULL && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64 : 0;
}

int64_t answer_int(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = answer_field(map, name);
    if (value != NULL && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return value->via.i64;
    const uint64_t number = answer_uint(map, name);
    return number <= INT64_MAX ? (int64_t)number : INT64_MAX;
}

double answer_double(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = answer_field(map, name);
    if (value != NULL && (value->type == MSGPACK_OBJECT_FLOAT64 || value->type == MSGPACK_OBJECT_FLOAT32))
        return value->via.f64;
    return (double)answer_int(map, name);
}

bool answer_bool(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = answer_field(map, name);
    return value != NULL && value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
}

msgpack_object_str answer_str(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = answer_field(map, name);
    return value != NULL && value->type == MSGPACK_OBJECT_STR ? value->via.str : (msgpack_object_str){.ptr = ""};
}

bool answer_is(const msgpack_object *map, const char *name, const char *text)
{
    const msgpack_object *value = answer_field(map, name);
    return value != NULL && is_text(value, text);
}
