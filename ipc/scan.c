#include "scan.h"

#include <errno.h>
#include <stdbool.h>

/* What follows a tag of 0xc0 to 0xdf. */
struct form {
    uint8_t width;  /* bytes of a number that counts bytes or elements */
    uint8_t body;   /* bytes after it, beside those that are counted */
    uint8_t counts; /* elements for each one counted: 1 in arrays, 2 in maps; 0: bytes are counted */
};

#define TAG_FIRST 0xc0
#define TAG_NEVER 0xc1

static const struct form forms[] = {
    {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0},             /* c0: nil, never used, false, true */
    {1, 0, 0}, {2, 0, 0}, {4, 0, 0},                        /* c4: bin 8, 16, 32 */
    {1, 1, 0}, {2, 1, 0}, {4, 1, 0},                        /* c7: ext 8, 16, 32, with a type */
    {0, 4, 0}, {0, 8, 0},                                   /* ca: float 32, 64 */
    {0, 1, 0}, {0, 2, 0}, {0, 4, 0}, {0, 8, 0},             /* cc: uint 8, 16, 32, 64 */
    {0, 1, 0}, {0, 2, 0}, {0, 4, 0}, {0, 8, 0},             /* d0: int 8, 16, 32, 64 */
    {0, 2, 0}, {0, 3, 0}, {0, 5, 0}, {0, 9, 0}, {0, 17, 0}, /* d4: fixext 1, 2, 4, 8, 16, with a type */
    {1, 0, 0}, {2, 0, 0}, {4, 0, 0},                        /* d9: str 8, 16, 32 */
    {2, 0, 1}, {4, 0, 1},                                   /* dc: array 16, 32 */
    {2, 0, 2}, {4, 0, 2},                                   /* de: map 16, 32 */
};

struct element {
    uint64_t size; /* bytes, without what a container holds */
    uint64_t inside;
    bool is_container;
};

/* An element with its number in the tag itself. */
static struct element element_fixed(uint8_t tag)
{
    if (tag >= 0xa0 && tag <= 0xbf) /* fixstr */
        return (struct element){.size = 1U + (tag & 0x1f)};
    if (tag >= 0x90 && tag <= 0x9f) /* fixarray */
        return (struct element){.size = 1, .inside = tag & 0x0f, .is_container = true};
    if (tag >= 0x80 && tag <= 0x8f) /* fixmap */
        return (struct element){.size = 1, .inside = UINT64_C(2) * (tag & 0x0f), .is_container = true};
    return (struct element){.size = 1}; /* fixint */
}

/* Reads the header at data: 1, 0 where it is not whole, -EBADMSG. */
static int element_read(const uint8_t *data, size_t size, struct element *element)
{
    if (size == 0)
        return 0;
    const uint8_t tag = data[0];
    if (tag == TAG_NEVER)
        return -EBADMSG;
    const unsigned index = tag - (unsigned)TAG_FIRST;
    if (tag < TAG_FIRST || index >= sizeof forms / sizeof forms[0]) {
        *element = element_fixed(tag);
        return 1;
    }
    const struct form *form = &forms[index];
    if (size <= form->width)
        return 0;
    uint64_t number = 0;
    for (unsigned i = 1; i <= form->width; i++)
        number = number << 8 | data[i];
    element->is_container = form->counts > 0;
    element->inside = number * form->counts;
    element->size = 1U + form->width + form->body + (element->is_container ? 0 : number);
    return 1;
}

void scan_begin(struct scan *scan, uint64_t elements_max)
{
    *scan = (struct scan){.pending = 1, .elements = 1, .elements_max = elements_max, .left = {1}};
}

uint64_t scan_least(const struct scan *scan)
{
    return scan->at + scan->pending;
}

/* Counts an element in, and what it holds. */
static int descend(struct scan *scan, const struct element *element)
{
    while (scan->left[scan->depth] == 0)
        scan->depth--;
    if (element->is_container && scan->depth == SCAN_DEPTH_MAX) /* an empty one takes a level, too */
        return -EBADMSG;
    scan->left[scan->depth]--;
    scan->pending += element->inside - 1;
    scan->elements += element->inside;
    if (scan->elements > scan->elements_max)
        return -E2BIG;
    if (element->inside > 0)
        scan->left[++scan->depth] = element->inside;
    scan->at += element->size;
    return 0;
}

int scan_step(struct scan *scan, const void *data, size_t size)
{
    while (scan->pending > 0 && scan->at < size) {
        struct element element;
        int rc = element_read((const uint8_t *)data + scan->at, size - (size_t)scan->at, &element);
        if (rc <= 0)
            return rc;
        rc = descend(scan, &element);
        if (rc < 0)
            return rc;
    }
    return scan->pending == 0 && scan->at <= size;
}

int scan_object(const void *data, size_t size)
{
    struct scan scan;
    scan_begin(&scan, size); /* each takes a byte */
    return scan_step(&scan, data, size) == 1 && scan.at == size ? 0 : -EBADMSG;
}
