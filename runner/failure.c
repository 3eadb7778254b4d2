#include "failure.h"

#include <reclaim/pool.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last[512];

int failure(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vsnprintf(last, sizeof last, format, args) < 0)
        last[0] = '\0';
    va_end(args);
    return code;
}

const char *pool_message(void)
{
    return last;
}
