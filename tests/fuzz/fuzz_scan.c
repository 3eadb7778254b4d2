/* fuzz_scan.c - what the scan lets through is what msgpack-c unpacks, without being asked for more memory than the
 * bytes are worth; what it refuses msgpack-c would not have taken either. */
#include "scan.h"

#include "fuzz.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Objects inside and including this one. */
static size_t count_objects(const msgpack_object *object)
{
    size_t count = 1;
    if (object->type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t i = 0; i < object->via.array.size; i++)
            count += count_objects(&object->via.array.ptr[i]);
    if (object->type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < object->via.map.size; i++)
            count += count_objects(&object->via.map.ptr[i].key) + count_objects(&object->via.map.ptr[i].val);
    return count;
}

/* Whether msgpack-c takes the bytes as one whole object; it must not find more objects in them than there are bytes. */
static bool unpacks(const uint8_t *data, size_t size)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    msgpack_unpacked_init(&unpacked);
    const bool good = msgpack_unpack_next(&unpacked, (const char *)data, size, &offset) == MSGPACK_UNPACK_SUCCESS;
    if (good)
        FUZZ_REQUIRE(count_objects(&unpacked.data) <= size);
    msgpack_unpacked_destroy(&unpacked);
    return good && offset == size;
}

/* Bytes that may be headers for which msgpack-c alone would reserve gigabytes. */
static bool is_safe_unscanned(const uint8_t *data, size_t size)
{
    return size <= 4096 && memchr(data, 0xdd, size) == NULL && memchr(data, 0xdf, size) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_copy(data, size);
    const bool good = scan_object(exact, size) == 0;
    if (good || (size > 0 && is_safe_unscanned(exact, size)))
        FUZZ_REQUIRE(unpacks(exact, size) == good);
    free(exact);
    return 0;
}
