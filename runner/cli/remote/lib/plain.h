/* plain.h - text from anybody, as it may stand on a terminal: one line, no escapes, so many columns wide. */
#ifndef PLAIN_H
#define PLAIN_H

#include "text.h"

#include <stddef.h>

/* Adds what is printable as UTF-8; other bytes are added as \xNN. What is wider than `most` columns is cut, and ends in
 * "...". Returns the columns that were added. */
size_t plain_put(struct text *text, const char *data, size_t size, size_t most);

#endif
