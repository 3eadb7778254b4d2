/* answer.h - fields of a map that came from reclaimd. Pure. What is missing, or of another type, is as good as none. */
#ifndef ANSWER_H
#define ANSWER_H

#include <msgpack.h>
#include <stdbool.h>

const msgpack_object *answer_field(const msgpack_object *map, const char *name);       /* NULL: none. *Borrowed* */
const msgpack_object_array *answer_array(const msgpack_object *map, const char *name); /* an empty one: none */
uint64_t answer_uint(const msgpack_object *map, const char *name);
int64_t answer_int(const msgpack_object *map, const char *name);
double answer_double(const msgpack_object *map, const char *name);
bool answer_bool(const msgpack_object *map, const char *name);
msgpack_object_str answer_str(const msgpack_object *map, const char *name); /* size 0: none */
bool answer_is(const msgpack_object *map, const char *name, const char *text);

#endif
