/* fuzz_rpc.c - what a hostile client may send to the daemon: bytes in pieces, messages, requests, named fields.
 *
 * The first byte is the size of the pieces, the rest is the stream. */
#include "fields.h"
#include "scan.h"

#include "fuzz.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#define ELEMENTS_MAX 1000

struct out {
    bool boolean;
    int64_t whole;
    double seconds, number;
    struct rpc_text text, bytes;
    const msgpack_object *texts, *array, *job, *jobs, *any;
    struct field_maybe_int maybe;
    int32_t count;
    int word;
};

static const char *const words[] = {"fail", "run"};

/* One of every type. */
static const struct field table[] = {
    {"boolean", FIELD_BOOL, .offset = offsetof(struct out, boolean)},
    {"whole", FIELD_INT, .offset = offsetof(struct out, whole), .least = -5, .most = 100},
    {"seconds", FIELD_SECONDS, .offset = offsetof(struct out, seconds)},
    {"number", FIELD_NUMBER, .offset = offsetof(struct out, number)},
    {"text", FIELD_TEXT, .offset = offsetof(struct out, text), .least = 1, .most = 64},
    {"bytes", FIELD_BYTES, .offset = offsetof(struct out, bytes)},
    {"texts", FIELD_TEXTS, .offset = offsetof(struct out, texts), .least = 1},
    {"array", FIELD_ARRAY, .offset = offsetof(struct out, array), .most = 3},
    {"job", FIELD_JOB, .offset = offsetof(struct out, job)},
    {"jobs", FIELD_JOBS, .offset = offsetof(struct out, jobs), .least = 1, .most = 10},
    {"maybe", FIELD_INT_OR_NIL, .offset = offsetof(struct out, maybe)},
    {"any", FIELD_ANY, .offset = offsetof(struct out, any)},
    {"count", FIELD_COUNT, .offset = offsetof(struct out, count), .least = -40, .most = INT32_MAX},
    {"word", FIELD_WORD, .offset = offsetof(struct out, word), .words = words},
};

/* One printable line, whatever was sent. */
static void check_error(const struct rpc_error *error)
{
    const size_t size = strlen(error->message);
    FUZZ_REQUIRE(size > 0 && size < sizeof error->message);
    for (size_t i = 0; i < size; i++)
        FUZZ_REQUIRE(error->message[i] >= 0x20 && error->message[i] < 0x7f);
    FUZZ_REQUIRE(rpc_code_name(error->code) != NULL);
}

/* What is borrowed is a part of the message. */
static void check_text(const struct rpc_text *text, const uint8_t *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)text->data;
    if (text->size > 0)
        FUZZ_REQUIRE(at >= data && text->size <= size && at + text->size <= data + size);
}

static void check_fields(const msgpack_object *map, const uint8_t *data, size_t size)
{
    struct out out = {0};
    struct rpc_error error = {0};
    uint64_t given;
    if (fields_read(map, "submit", table, sizeof table / sizeof table[0], &out, &given, &error) < 0) {
        check_error(&error);
        return;
    }
    FUZZ_REQUIRE(given >> (sizeof table / sizeof table[0]) == 0);
    check_text(&out.text, data, size);
    check_text(&out.bytes, data, size);
    FUZZ_REQUIRE((out.text.size >= 1 && out.text.size <= 64) == ((given >> 4 & 1) != 0));
    FUZZ_REQUIRE(out.seconds >= 0 && out.seconds <= 1e9);
    FUZZ_REQUIRE(out.whole >= -5 && out.whole <= 100);
    FUZZ_REQUIRE(out.count >= -40 && (out.word == 0 || out.word == 1));
    FUZZ_REQUIRE((out.any != NULL) == ((given >> 11 & 1) != 0));
}

/* A whole message, as the scan has it. */
static void check_message(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_copy(data, size);
    msgpack_unpacked unpacked;
    struct rpc_request request;
    struct rpc_error error = {0};
    size_t offset = 0;
    FUZZ_REQUIRE(scan_object(exact, size) == 0);
    msgpack_unpacked_init(&unpacked);
    FUZZ_REQUIRE(msgpack_unpack_next(&unpacked, (const char *)exact, size, &offset) == MSGPACK_UNPACK_SUCCESS);
    FUZZ_REQUIRE(offset == size);
    if (rpc_parse(&unpacked.data, &request, &error) < 0) {
        check_error(&error);
    } else {
        check_text(&request.method, exact, size);
        check_fields(request.params, exact, size);
    }
    check_fields(&unpacked.data, exact, size); /* as a part of a message, which may be anything */
    msgpack_unpacked_destroy(&unpacked);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan scan;
    size_t start = 1, end = 1;
    int rc = 0;
    scan_begin(&scan, ELEMENTS_MAX);
    while (end < size && rc >= 0) {
        const size_t piece = (size_t)data[0] + 1;
        end += piece < size - end ? piece : size - end;
        while (start < end && (rc = scan_step(&scan, data + start, end - start)) == 1) {
            FUZZ_REQUIRE(scan.elements <= ELEMENTS_MAX && scan.at <= end - start);
            check_message(data + start, (size_t)scan.at);
            start += (size_t)scan.at;
            scan_begin(&scan, ELEMENTS_MAX);
        }
    }
    return 0;
}
