#include "quote.h"

#include <string.h>

/* NAME=value as the first word would be an assignment. */
static bool is_plain(const char *word, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%";
    size_t at = 0;
    while (at < size && word[at] != '\0' && strchr(plain, word[at]) != NULL)
        at++;
    return size > 0 && at == size;
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

bool quote_has_control(const char *word, size_t size)
{
    size_t at = 0;
    while (at < size && !is_control(word[at]))
        at++;
    return at < size;
}

void quote_shell(struct text *text, const char *word, size_t size)
{
    if (is_plain(word, size)) {
        text_put(text, word, size);
        return;
    }
    text_puts(text, "'");
    for (size_t i = 0; i < size; i++)
        if (word[i] == '\'')
            text_puts(text, "'\\''");
        else
            text_put(text, word + i, 1);
    text_puts(text, "'");
}

void quote_line(struct text *text, const char *word, size_t size)
{
    if (!quote_has_control(word, size)) {
        quote_shell(text, word, size);
        return;
    }
    text_puts(text, "$'");
    for (size_t i = 0; i < size; i++) {
        if (word[i] == '\n')
            text_puts(text, "\\n");
        else if (word[i] == '\t')
            text_puts(text, "\\t");
        else if (is_control(word[i])) /* octal, of three digits: what follows cannot be taken for part of it */
            text_printf(text, "\\%03o", (unsigned char)word[i]);
        else if (word[i] == '\'' || word[i] == '\\')
            text_printf(text, "\\%c", word[i]);
        else
            text_put(text, word + i, 1);
    }
    text_puts(text, "'");
}

void quote_command(struct text *text, const char *const *argv)
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (i > 0)
            text_puts(text, " ");
        quote_line(text, argv[i], strlen(argv[i]));
    }
}
