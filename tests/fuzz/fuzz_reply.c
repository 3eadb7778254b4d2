/* fuzz_reply.c - what a daemon sends, read by the client: each part is one whole object inside the message, and an
 * error is a negative errno and a sentence. */
#include "reply.h"

#include "scan.h"

#include "fuzz.h"
#include <reclaim/map.h>

/* Whether a part is one object, and inside. */
static void require_part(pool_bytes_t part, const uint8_t *data, size_t size)
{
    const uint8_t *start = part.data;
    FUZZ_REQUIRE(start >= data && part.size <= size && start + part.size <= data + size);
    FUZZ_REQUIRE(scan_object(part.data, part.size) == 0);
}

static void read_error(pool_bytes_t bytes)
{
    char code[32] = "";
    pool_error_t error;
    FUZZ_REQUIRE(reply_fail(bytes, code, &error) < 0);
    FUZZ_REQUIRE(memchr(code, '\0', sizeof code) != NULL);
    FUZZ_REQUIRE(memchr(error.message, '\0', sizeof error.message) != NULL && error.message[0] != '\0');
}

/* As a job is read. */
static void read_fields(pool_bytes_t bytes)
{
    char text[16];
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    FUZZ_REQUIRE(msgpack_unpack_next(&unpacked, bytes.data, bytes.size, NULL) == MSGPACK_UNPACK_SUCCESS);
    pool_field_text(&unpacked.data, "state", text, sizeof text);
    FUZZ_REQUIRE(memchr(text, '\0', sizeof text) != NULL);
    FUZZ_REQUIRE(pool_field_uint(&unpacked.data, "id") == 0 || pool_field(&unpacked.data, "id") != NULL);
    (void)pool_field_int(&unpacked.data, "exit_code");
    (void)pool_field_double(&unpacked.data, "wall_seconds");
    msgpack_unpacked_destroy(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply reply;
    uint8_t *exact = fuzz_copy(data, size);
    if (scan_object(exact, size) == 0 && reply_parse(exact, size, &reply) == 0) {
        require_part(reply.result, exact, size);
        read_fields(reply.result);
        if (reply.error.size > 0) {
            require_part(reply.error, exact, size);
            read_error(reply.error);
        }
    }
    free(exact);
    return 0;
}
