/* say.h - lines on standard error. */
#ifndef SAY_H
#define SAY_H

#include <stdarg.h>

extern const char *say_program; /* "reclaim"; the daemon's main says otherwise, first of all */

/* "reclaim WHO: ..." and a newline; who NULL: "reclaim: ...". What it tells of may come from anybody, so that control
 * characters are shown as ?: it is one line, and no terminal takes orders from it. */
void say(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_list(const char *who, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

#endif
