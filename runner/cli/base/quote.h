/* quote.h - words as a shell reads them back. Pure. */
#ifndef QUOTE_H
#define QUOTE_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

/* For sh: puts the word in '...' if it needs that. */
void quote_shell(struct text *text, const char *word, size_t size);

/* For people and logs: the same on one line: a word with control characters becomes $'...', as bash reads it. */
void quote_line(struct text *text, const char *word, size_t size);

bool quote_has_control(const char *word, size_t size);

/* A whole command, one space between words; argv ends in NULL. */
void quote_command(struct text *text, const char *const *argv);

#endif
