#include "value.h"

#include "report.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- base64 (RFC 4648) ------------------------------------------------------------------------------------------- */

static json_t *base64_of(const char *data, size_t size)
{
    char *text = malloc(size / 3 * 4 + 5), *at = text;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < size ? (unsigned char)data[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *at++ = (char)(i + k <= size ? letters[bits >> (18 - 6 * k) & 63] : '=');
    }
    json_t *json = json_stringn(text, (size_t)(at - text));
    free(text);
    return json;
}

/* Four letters to three bytes. How many of them count; -EINVAL. */
static int read_four(const char *four, char bytes[3])
{
    uint32_t bits = 0;
    int count = 3;
    for (int k = 0; k < 4; k++) {
        const char *letter = four[k] != '\0' ? strchr(letters, four[k]) : NULL;
        if (letter == NULL && (four[k] != '=' || k < 2 || (k == 2 && four[3] != '=')))
            return -EINVAL;
        count -= letter == NULL;
        bits = bits << 6 | (letter != NULL ? (uint32_t)(letter - letters) : 0);
    }
    for (int k = 0; k < 3; k++)
        bytes[k] = (char)(bits >> (16 - 8 * k));
    return count;
}

static int pack_base64(msgpack_packer *packer, const json_t *json)
{
    const char *text = json_string_value(json);
    const size_t size = json_string_length(json);
    struct text bytes = {0};
    int rc = size % 4 == 0 ? 0 : -EINVAL;
    for (size_t i = 0; rc == 0 && i < size; i += 4) {
        char three[3];
        const int count = read_four(text + i, three);
        if (count < 0 || (count < 3 && i + 4 < size))
            rc = -EINVAL;
        else
            text_put(&bytes, three, (size_t)count);
    }
    if (rc == 0)
        rc = bytes.failed || msgpack_pack_bin(packer, bytes.size) < 0 ||
                     (bytes.size > 0 && msgpack_pack_bin_body(packer, bytes.data, bytes.size) < 0)
                 ? -ENOMEM
                 : 0;
    text_deinit(&bytes);
    return rc;
}

/* ---- to JSON ----------------------------------------------------------------------------------------------------- */

/* The caller's, for json_decref. NULL: out of memory. */
static json_t *json_of(const msgpack_object *object);

static json_t *array_of(const msgpack_object_array *array)
{
    json_t *json = json_array();
    for (uint32_t i = 0; json != NULL && i < array->size; i++)
        if (json_array_append_new(json, json_of(&array->ptr[i])) < 0) {
            json_decref(json);
            json = NULL;
        }
    return json;
}

static int set_key(json_t *json, const msgpack_object *key, json_t *value)
{
    if (value == NULL)
        return -1;
    json_t *name = json_of(key);
    char *line = name != NULL && !json_is_string(name) ? json_dumps(name, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    int rc = -1;
    if (line != NULL)
        rc = json_object_set_nocheck(json, line, value);
    else if (json_is_string(name))
        rc = json_object_setn_nocheck(json, json_string_value(name), json_string_length(name), value);
    free(line);
    json_decref(name);
    json_decref(value);
    return rc;
}

static json_t *map_of(const msgpack_object_map *map)
{
    json_t *json = json_object();
    for (uint32_t i = 0; json != NULL && i < map->size; i++)
        if (set_key(json, &map->ptr[i].key, json_of(&map->ptr[i].val)) < 0) {
            json_decref(json);
            json = NULL;
        }
    return json;
}

/* JSON's readers, jansson too, have no whole numbers above 2^63-1. */
static json_t *large_of(uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    return json_pack_ex(NULL, 0, "{s:s}", "$uint", digits);
}

static json_t *json_of(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64) : large_of(object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isfinite(object->via.f64) ? json_real(object->via.f64) : json_null();
    case MSGPACK_OBJECT_STR:
        return report_text(object->via.str.size > 0 ? object->via.str.ptr : "", object->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        return array_of(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return map_of(&object->via.map);
    case MSGPACK_OBJECT_BIN:
        return json_pack_ex(NULL, 0, "{s:o}", "$bin", base64_of(object->via.bin.ptr, object->via.bin.size));
    case MSGPACK_OBJECT_EXT:
        return json_pack_ex(NULL, 0, "{s:i,s:o}", "$ext", object->via.ext.type, "$bin",
                            base64_of(object->via.ext.ptr, object->via.ext.size));
    default:
        return json_null();
    }
}

/* jansson escapes what JSON wants escaped. A terminal takes orders from the rest of the control characters, too: DEL,
 * and C1, which UTF-8 writes as C2 80 to C2 9F. */
static char *escape_rest(const char *line)
{
    struct text text = {0};
    for (const char *at = line; *at != '\0'; at++) {
        const unsigned char byte = (unsigned char)at[0], next = (unsigned char)at[1];
        if (byte == 0x7f)
            text_puts(&text, "\\u007f");
        else if (byte == 0xc2 && next < 0xa0) {
            text_printf(&text, "\\u%04x", next);
            at++;
        } else
            text_put(&text, at, 1);
    }
    if (!text.failed)
        return text.data;
    text_deinit(&text);
    return NULL;
}

char *value_line(const msgpack_object *object)
{
    json_t *json = json_of(object);
    char *dump = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    char *line = dump == NULL ? NULL : escape_rest(dump);
    free(dump);
    json_decref(json);
    return line;
}

/* ---- and back ---------------------------------------------------------------------------------------------------- */

static int pack_text(msgpack_packer *packer, const char *text, size_t size)
{
    return msgpack_pack_str_with_body(packer, text, size) < 0 ? -ENOMEM : 0;
}

static int pack_array(msgpack_packer *packer, json_t *json)
{
    int rc = msgpack_pack_array(packer, json_array_size(json)) < 0 ? -ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(json); i++)
        rc = value_pack(packer, json_array_get(json, i));
    return rc;
}

static int pack_large(msgpack_packer *packer, const char *digits)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(digits, &end, 10);
    if (digits[0] < '0' || digits[0] > '9' || *end != '\0' || errno != 0)
        return -EINVAL;
    return msgpack_pack_uint64(packer, value) < 0 ? -ENOMEM : 0;
}

static int pack_object(msgpack_packer *packer, json_t *json)
{
    const json_t *bytes = json_object_get(json, "$bin"), *large = json_object_get(json, "$uint");
    if (json_object_size(json) == 1 && json_is_string(bytes))
        return pack_base64(packer, bytes);
    if (json_object_size(json) == 1 && json_is_string(large))
        return pack_large(packer, json_string_value(large));
    int rc = msgpack_pack_map(packer, json_object_size(json)) < 0 ? -ENOMEM : 0;
    void *at = json_object_iter(json);
    for (; rc == 0 && at != NULL; at = json_object_iter_next(json, at)) {
        rc = pack_text(packer, json_object_iter_key(at), json_object_iter_key_len(at));
        if (rc == 0)
            rc = value_pack(packer, json_object_iter_value(at));
    }
    return rc;
}

int value_pack(msgpack_packer *packer, json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return pack_object(packer, json);
    case JSON_ARRAY:
        return pack_array(packer, json);
    case JSON_STRING:
        return pack_text(packer, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return msgpack_pack_int64(packer, json_integer_value(json)) < 0 ? -ENOMEM : 0;
    case JSON_REAL:
        return msgpack_pack_double(packer, json_real_value(json)) < 0 ? -ENOMEM : 0;
    case JSON_TRUE:
        return msgpack_pack_true(packer) < 0 ? -ENOMEM : 0;
    case JSON_FALSE:
        return msgpack_pack_false(packer) < 0 ? -ENOMEM : 0;
    default:
        return msgpack_pack_nil(packer) < 0 ? -ENOMEM : 0;
    }
}
