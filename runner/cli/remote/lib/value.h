/* value.h - MessagePack as JSON, and back (jansson).
 *
 * JSON has less: bytes become {"$bin": "base64"}, an extension {"$ext": TYPE, "$bin": "base64"}; text that is no UTF-8
 * is written with \xNN for its bytes above 0x7f; a key that is no text is the JSON of it; what is no number (NaN,
 * infinity) is null; a whole number above 2^63-1 is {"$uint": "digits"}. Back, {"$bin": ...} and {"$uint": ...} become
 * what they were. */
#ifndef VALUE_H
#define VALUE_H

#include <jansson.h>
#include <msgpack.h>

/* The caller's, for json_decref. NULL: out of memory. */
json_t *value_json(const msgpack_object *object);

/* A msgpack object of it: *borrowed*. */
msgpack_object value_text(const char *text);

/* One line, in which every control character is escaped; the caller's for free(3). NULL: out of memory. */
char *value_line(const msgpack_object *object);

/* 0; -EINVAL: the text in a {"$bin": ...} is no base64, in a {"$uint": ...} no number; -ENOMEM. */
int value_pack(msgpack_packer *packer, json_t *json);

#endif
