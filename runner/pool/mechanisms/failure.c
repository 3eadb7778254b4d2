#include "failure.h"

#include <reclaim/pool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last[512];

int failure(int code, const char *format, ...)
{
    char text[sizeof last]; /* the last message may be among the arguments */
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    memcpy(last, text, sizeof last);
    return code;
}

const char *pool_message(void)
{
    return last;
}

void log_hook_say(const struct log_hook *hook, const char *format, ...)
{
    char line[512];
    va_list args;
    if (hook->log == NULL)
        return;
    va_start(args, format);
    const int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length >= 0)
        hook->log(line, hook->user);
}
