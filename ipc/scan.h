/* scan.h - looks at MessagePack bytes before msgpack-c may unpack them.
 *
 * msgpack-c reserves what an array or map header claims: five bytes cost gigabytes. A scan that only moves forward
 * proves that every declared element and byte is there. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
#ifndef SCAN_H
#define SCAN_H

#include <stddef.h>

#define SCAN_DEPTH_MAX 32 /* as msgpack-c's own stack */

/* 0 when data is exactly one whole MessagePack object; -EBADMSG otherwise. Allocates nothing. */
int scan_object(const void *data, size_t size);

#endif
