/* scan.h - checks MessagePack bytes before msgpack-c unpacks them.
 *
 * msgpack-c reserves what an array or map header claims: five bytes cost gigabytes. A scan that only moves forward
 * proves that every declared element and byte is there. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
#ifndef SCAN_H
#define SCAN_H

#include <stddef.h>
#include <stdint.h>

#define SCAN_DEPTH_MAX 32 /* as msgpack-c's own stack */

/* 0 when data is exactly one whole MessagePack object; -EBADMSG otherwise. Allocates nothing. */
int scan_object(const void *data, size_t size);

/* The same for an object that comes in pieces: reads each byte once, however small the pieces are. */
struct scan {
    uint64_t at;                       /* bytes of the elements so far, also those still to come of a long one */
    uint64_t pending;                  /* elements still to come */
    uint64_t elements, elements_max;   /* announced so far; allowed */
    uint64_t left[SCAN_DEPTH_MAX + 1]; /* of pending, on each level */
    unsigned depth;
};

void scan_begin(struct scan *scan, uint64_t elements_max);

/* Continues in the object's bytes, which start at data; they may have moved and grown. 1: it is whole, scan->at bytes
 * long. 0: more is to come. -EBADMSG: no MessagePack, or too deep. -E2BIG: it announces more than elements_max. After
 * an error: scan_begin. */
int scan_step(struct scan *scan, const void *data, size_t size);

/* How many bytes the object will have at least, by the headers that are whole. */
uint64_t scan_least(const struct scan *scan);

#endif
