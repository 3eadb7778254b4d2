#include "scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

struct cursor {
    const uint8_t *at, *end;
};

static bool skip(struct cursor *c, uint64_t size)
{
    if (size > (uint64_t)(c->end - c->at))
        return false;
    c->at += size;
    return true;
}

/* Reads a big-endian unsigned number of width bytes. */
static bool number(struct cursor *c, unsigned width, uint64_t *value)
{
    if ((size_t)(c->end - c->at) < width)
        return false;
    *value = 0;
    for (unsigned i = 0; i < width; i++)
        *value = *value << 8 | *c->at++;
    return true;
}

/* Skips a length of width bytes and what it announces, plus extra (the type byte of an ext). */
static bool skip_counted(struct cursor *c, unsigned width, uint64_t extra)
{
    uint64_t length;
    return number(c, width, &length) && skip(c, length + extra);
}

/* Reads one element; containers put the number of elements inside them into *inside. */
static bool element(struct cursor *c, uint64_t *inside)
{
    *inside = 0;
    if (c->at == c->end)
        return false;
    const uint8_t tag = *c->at++;
    if (tag <= 0x7f || tag >= 0xe0) /* fixint */
        return true;
    if (tag <= 0x8f) { /* fixmap */
        *inside = (uint64_t)(tag & 0x0f) * 2;
        return true;
    }
    if (tag <= 0x9f) { /* fixarray */
        *inside = tag & 0x0f;
        return true;
    }
    if (tag <= 0xbf) /* fixstr */
        return skip(c, tag & 0x1f);
    switch (tag) {
    case 0xc0: /* nil */
    case 0xc2: /* false */
    case 0xc3: /* true */
        return true;
    case 0xc4: /* bin 8, 16, 32 */
    case 0xc5:
    case 0xc6:
        return skip_counted(c, 1U << (tag - 0xc4), 0);
    case 0xc7: /* ext 8, 16, 32 */
    case 0xc8:
    case 0xc9:
        return skip_counted(c, 1U << (tag - 0xc7), 1);
    case 0xca: /* float 32 */
        return skip(c, 4);
    case 0xcb: /* float 64 */
        return skip(c, 8);
    case 0xcc: /* uint 8 to 64 */
    case 0xcd:
    case 0xce:
    case 0xcf:
        return skip(c, UINT64_C(1) << (tag - 0xcc));
    case 0xd0: /* int 8 to 64 */
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return skip(c, UINT64_C(1) << (tag - 0xd0));
    case 0xd4: /* fixext 1 to 16 */
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return skip(c, (UINT64_C(1) << (tag - 0xd4)) + 1);
    case 0xd9: /* str 8, 16, 32 */
    case 0xda:
    case 0xdb:
        return skip_counted(c, 1U << (tag - 0xd9), 0);
    case 0xdc: /* array 16, 32 */
    case 0xdd:
        return number(c, 2U << (tag - 0xdc), inside);
    case 0xde: /* map 16, 32 */
    case 0xdf:
        if (!number(c, 2U << (tag - 0xde), inside))
            return false;
        *inside *= 2;
        return true;
    default: /* 0xc1 is never used */
        return false;
    }
}

static bool is_container(uint8_t tag)
{
    return (tag >= 0x80 && tag <= 0x9f) || (tag >= 0xdc && tag <= 0xdf);
}

int scan_object(const void *data, size_t size)
{
    struct cursor c = {.at = data, .end = (const uint8_t *)data + size};
    uint64_t left[SCAN_DEPTH_MAX + 1]; /* elements still to come, a level each */
    unsigned depth = 0;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0)
                return c.at == c.end ? 0 : -EBADMSG;
            depth--;
        }
        left[depth]--;
        uint64_t inside;
        if (depth == SCAN_DEPTH_MAX && c.at < c.end && is_container(*c.at)) /* an empty one takes a level, too */
            return -EBADMSG;
        if (!element(&c, &inside) || inside > (uint64_t)(c.end - c.at))
            return -EBADMSG;
        if (inside > 0)
            left[++depth] = inside;
    }
}
