#include "log_hook.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

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
