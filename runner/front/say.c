#include "say.h"

#include <stdio.h>
#include <stdlib.h>

const char *say_program = "reclaim";

int say_list(const char *who, const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        return -1;
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    fprintf(stderr, "%s%s%s: %s\n", say_program, who == NULL ? "" : " ", who == NULL ? "" : who, text);
    free(text);
    return -1;
}

int say(const char *who, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_list(who, format, arguments);
    va_end(arguments);
    return -1;
}
