#include "escape.h"

#include <stdbool.h>

static bool is_of(unsigned char byte, unsigned classes)
{
    if (byte < 0x20 || byte == 0x7f)
        return (classes & ESCAPE_CONTROL) != 0;
    if (byte >= 0x80)
        return (classes & ESCAPE_HIGH) != 0;
    return (byte == '"' || byte == '\\') && (classes & ESCAPE_QUOTES) != 0;
}

size_t escape_byte(char byte, char out[ESCAPE_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[(unsigned char)byte >> 4];
    out[3] = digits[(unsigned char)byte & 0xf];
    out[4] = '\0';
    return ESCAPE_SIZE;
}

size_t escape_bytes(const char *data, size_t size, unsigned classes, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        const bool escapes = is_of((unsigned char)data[i], classes);
        if (used + (escapes ? ESCAPE_SIZE : 1) >= room)
            break;
        if (escapes)
            used += escape_byte(data[i], out + used);
        else
            out[used++] = data[i];
    }
    out[used] = '\0';
    return used;
}
