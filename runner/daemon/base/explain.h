/* explain.h - errors in words. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdarg.h>
#include <stdio.h>

/* Writes a sentence into message, and returns error. */
__attribute__((format(printf, 3, 4))) static inline int explain(char message[512], int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, 512, format, arguments);
    va_end(arguments);
    return error;
}

#endif
