/* say.h - messages on standard error. */
#ifndef SAY_H
#define SAY_H

#include <stdarg.h>

extern const char *say_program; /* "reclaim"; the daemon sets it first of all */

/* Prints "reclaim WHO: ..." and a newline; who NULL: "reclaim: ...". Control characters become ?, because the text may
 * come from anybody: the message stays one line, and cannot control a terminal. Returns -1, for a caller that fails. */
int say(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
int say_list(const char *who, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

#endif
