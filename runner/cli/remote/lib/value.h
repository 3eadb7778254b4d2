/* value.h - MessagePack as JSON, and back (jansson).
 *
 * JSON has fewer types. Bytes become {"$bin": "base64"}, an extension {"$ext": TYPE, "$bin": "base64"}, a whole number
 * above 2^63-1 {"$uint": "digits"}, NaN and infinity null. Text that is not UTF-8 has \xNN for its bytes above 0x7f. A
 * key that is not a text becomes its JSON. On the way back only {"$bin": ...} and {"$uint": ...} have a meaning. */
#ifndef VALUE_H
#define VALUE_H

#include <jansson.h>
#include <msgpack.h>

/* JSON on one line, every control character escaped; the caller's for free(3). NULL: out of memory. */
char *value_line(const msgpack_object *object);

/* Packs JSON. -EINVAL: the text of a {"$bin": ...} is no base64, of a {"$uint": ...} no number; -ENOMEM. */
int value_pack(msgpack_packer *packer, json_t *json);

#endif
