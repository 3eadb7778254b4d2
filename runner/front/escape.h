/* escape.h - bytes from anybody, for a reader: the bytes that a class names become \xNN, the others stay. Pure. */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stddef.h>

#define ESCAPE_SIZE 4 /* of one byte: \xNN */

/* Classes of bytes, to be joined by |. */
enum escape {
    ESCAPE_CONTROL = 1, /* below 0x20, and 0x7f */
    ESCAPE_HIGH = 2,    /* 0x80 and above */
    ESCAPE_QUOTES = 4   /* " and \ */
};

/* Writes the byte as \xNN, with a NUL behind it. Returns ESCAPE_SIZE. */
size_t escape_byte(char byte, char out[ESCAPE_SIZE + 1]);

/* Writes size bytes to out, those of the given classes as \xNN, with a NUL behind them. Stops before the byte that does
 * not fit into `room` bytes (at least 1; ESCAPE_SIZE * size + 1 are always enough). Returns the length written. */
size_t escape_bytes(const char *data, size_t size, unsigned classes, char *out, size_t room);

#endif
