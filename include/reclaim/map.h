/* SPDX-License-Identifier: MIT
 *
 * reclaim/map.h - MessagePack maps with text keys, as in requests to reclaimd and its answers. You write them field by
 * field and read them by name. Needs msgpack-c, as reclaim/msgpack.h.
 *
 *     pool_fields_t fields;
 *     pool_bytes_t request, answer;
 *     pool_fields_begin(&fields);
 *     pool_fields_uint(&fields, "id", 7);
 *     int rc = pool_fields_end(&fields, &request);
 *     if (rc == 0)
 *         rc = pool_client_call(client, "status", request, &answer, &error);
 *     pool_fields_free(&fields);
 */
#ifndef RECLAIM_MAP_H
#define RECLAIM_MAP_H

#include <msgpack.h>
#include <reclaim/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A map that is being written. Lack of memory in any call shows only in pool_fields_end. */
typedef struct pool_fields {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    uint32_t count;
    bool failed;
} pool_fields_t;

POOL_API void pool_fields_begin(pool_fields_t *fields); /* do not move it before pool_fields_free */
POOL_API void pool_fields_free(pool_fields_t *fields);

/* Each adds a field: a name (UTF-8, NUL-terminated) and a value, both *copied*. */
POOL_API void pool_fields_text(pool_fields_t *fields, const char *name, const char *text); /* NULL: nil */
POOL_API void pool_fields_str(pool_fields_t *fields, const char *name, const void *text, size_t size);
POOL_API void pool_fields_bin(pool_fields_t *fields, const char *name, const void *data, size_t size);
POOL_API void pool_fields_uint(pool_fields_t *fields, const char *name, uint64_t value);
POOL_API void pool_fields_int(pool_fields_t *fields, const char *name, int64_t value);
POOL_API void pool_fields_double(pool_fields_t *fields, const char *name, double value);
POOL_API void pool_fields_bool(pool_fields_t *fields, const char *name, bool value);
POOL_API void pool_fields_nil(pool_fields_t *fields, const char *name);

/* Adds a field's name; the caller packs its value, exactly one, with the packer that this returns (*borrowed*). */
POOL_API msgpack_packer *pool_fields_packer(pool_fields_t *fields, const char *name);

/* Adds a field whose value is MessagePack already. */
POOL_API void pool_fields_packed(pool_fields_t *fields, const char *name, pool_bytes_t value);

/* Ends and frees the map, and packs it as the next value of a packer (of another map's field, or of an array). -ENOMEM:
 * the value is nil. */
POOL_API int pool_fields_append(pool_fields_t *fields, msgpack_packer *packer);

/* Ends the map: *map is all of it, *borrowed* until pool_fields_free. No field may follow. -ENOMEM. */
POOL_API int pool_fields_end(pool_fields_t *fields, pool_bytes_t *map);

/* The value of a field, *borrowed* from map. NULL: there is no such field, or map is no map. The calls below give 0,
 * false, or an empty text or array for a value of another type. Integers are cut to the type's range and convert to
 * double. */
POOL_API const msgpack_object *pool_field(const msgpack_object *map, const char *name);
POOL_API uint64_t pool_field_uint(const msgpack_object *map, const char *name);
POOL_API int64_t pool_field_int(const msgpack_object *map, const char *name);
POOL_API double pool_field_double(const msgpack_object *map, const char *name);
POOL_API bool pool_field_bool(const msgpack_object *map, const char *name);
POOL_API msgpack_object_str pool_field_str(const msgpack_object *map, const char *name); /* not terminated */
POOL_API msgpack_object_array pool_field_array(const msgpack_object *map, const char *name);

/* True if the field is this text. */
POOL_API bool pool_field_is(const msgpack_object *map, const char *name, const char *text);

/* Copies a text, cut to fit, with its NUL; size is at least 1. */
POOL_API void pool_field_text(const msgpack_object *map, const char *name, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
