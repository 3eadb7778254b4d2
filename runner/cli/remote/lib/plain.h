/* plain.h - text from anybody, as it may stand on a terminal: one line, no escapes, so many columns wide. */
#ifndef PLAIN_H
#define PLAIN_H

#include "text.h"

#include <reclaim/map.h>
#include <stddef.h>

/* Adds what is printable as UTF-8; other bytes are added as \xNN. What is wider than `most` columns is cut, and ends in
 * "...". Returns the columns that were added. */
size_t plain_put(struct text *text, const char *data, size_t size, size_t most);

/* The same of a field that is a text. */
size_t plain_put_field(struct text *text, const msgpack_object *map, const char *name, size_t most);

#endif
