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
