/* scan.h - looks at MessagePack bytes before msgpack-c may unpack them.
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

/* The same for an object that comes in pieces: each byte is looked at once, however small the pieces are. */
struct scan {
    uint64_t at;                       /* bytes that its elements so far take; beyond what is there within a long one */
    uint64_t pending;                  /* elements that are still to come */
    uint64_t elements, elements_max;   /* announced so far, and how many may be */
    uint64_t left[SCAN_DEPTH_MAX + 1]; /* of pending, a level each */
    unsigned depth;
};

void scan_begin(struct scan *scan, uint64_t elements_max);

/* Goes on in the object's bytes from its first on; data may have moved and grown, not changed. 1: it is whole, and
 * scan->at bytes long, whatever follows. 0: there is more to come. -EBADMSG: no MessagePack, or too deep. -E2BIG: more
 * than elements_max elements are announced, whether or not they will come. After a negative one: scan_begin. */
int scan_step(struct scan *scan, const void *data, size_t size);

/* How many bytes the object will have at least, by the headers that are whole. */
uint64_t scan_least(const struct scan *scan);

#endif
