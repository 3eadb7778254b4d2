/* quote.h - words as a shell, or JSON, reads them back. Pure. */
#ifndef QUOTE_H
#define QUOTE_H

#include "text.h"

#include <jansson.h>
#include <stddef.h>

/* For sh: '...' where it is needed, whatever is in the word. */
void quote_shell(struct text *text, const char *word, size_t size);

/* For people and logs: the same, but on one line: a word with control characters is written $'...', as bash reads it.
 */
void quote_line(struct text *text, const char *word, size_t size);

/* A whole command, one space between words; argv ends in NULL. */
void quote_command(struct text *text, const char *const *argv);

/* A string of JSON, which is Unicode: if the bytes are no UTF-8, those above 0x7f become \xNN. The caller's, for
 * json_decref. NULL: out of memory. */
json_t *quote_json(const char *data, size_t size);

#endif
