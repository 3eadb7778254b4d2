/* plain.h - untrusted text for a terminal: one line, no escape sequences, at most a number of columns wide. */
#ifndef PLAIN_H
#define PLAIN_H

#include "text.h"

#include <reclaim/map.h>
#include <stddef.h>

/* Adds the printable UTF-8 characters, and other bytes as \xNN. Text wider than `most` columns is cut, and ends in
 * "...". Returns the columns added. */
size_t plain_put(struct text *text, const char *data, size_t size, size_t most);

/* The same of a field that is a text. */
size_t plain_put_field(struct text *text, const msgpack_object *map, const char *name, size_t most);

#endif
