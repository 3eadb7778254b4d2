#include "quote.h"

#include <string.h>

static int is_safe(char byte)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%=";
    return byte != '\0' && strchr(safe, byte) != NULL;
}

static int is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

static size_t count(const char *word, size_t size, int (*is)(char))
{
    size_t found = 0;
    for (size_t i = 0; i < size; i++)
        found += is(word[i]) != 0;
    return found;
}

void quote_shell(struct text *text, const char *word, size_t size)
{
    /* NAME=value as the first word would be an assignment */
    if (size > 0 && count(word, size, is_safe) == size && memchr(word, '=', size) == NULL) {
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
    if (count(word, size, is_control) == 0) {
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
