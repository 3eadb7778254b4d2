/* Frames: what a header may say, a buffer that is full, and a reader that gets its bytes in any pieces. */
#include "frame.h"

#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX (FRAME_HEADER_SIZE + FRAME_BODY_MAX)

/* Builds a frame whose body is size bytes of a pattern: its whole length. */
static size_t build(uint8_t *storage, size_t capacity, uint16_t type, size_t size)
{
    struct frame_buffer buffer;
    frame_buffer_init(&buffer, storage, capacity);
    for (size_t i = 0; i < size; i++) {
        const char byte = (char)(i * 7 + type);
        assert_int_equal(frame_buffer_write(&buffer, &byte, 1), 0);
    }
    frame_buffer_finish(&buffer, type);
    return buffer.size;
}

static void assert_pattern(const struct frame_header *header, const uint8_t *body, uint16_t type, size_t size)
{
    assert_int_equal(header->type, type);
    assert_int_equal(header->length, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(body[i], (uint8_t)(i * 7 + type));
}

/* Puts at most size bytes, as many as there is room for: how many. */
static size_t put_some(struct frame_reader *reader, const uint8_t *data, size_t size)
{
    size_t room;
    void *space = frame_reader_space(reader, &room);
    assert_non_null(space);
    assert_true(room > 0);
    const size_t now = room < size ? room : size;
    memcpy(space, data, now);
    frame_reader_filled(reader, now);
    return now;
}

static void put(struct frame_reader *reader, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const size_t now = put_some(reader, data, size);
        data += now;
        size -= now;
    }
}

static void test_frame_header_round_trip(void **state)
{
    (void)state;
    uint8_t storage[64];
    struct frame_header header;
    assert_int_equal(build(storage, sizeof storage, UINT16_MAX, 5), FRAME_HEADER_SIZE + 5);
    assert_int_equal(frame_header_read(storage, &header), 0);
    assert_pattern(&header, storage + FRAME_HEADER_SIZE, UINT16_MAX, 5);
}

/* Each bit of magic and flags counts. */
static void test_frame_header_refuses_bad_magic_and_flags(void **state)
{
    (void)state;
    uint8_t storage[64];
    struct frame_header header;
    build(storage, sizeof storage, 3, 0);
    for (size_t bit = 0; bit < 64; bit++) {
        if (bit / 8 == 4 || bit / 8 == 5) /* the type: any */
            continue;
        storage[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(frame_header_read(storage, &header), -EBADMSG);
        storage[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(frame_header_read(storage, &header), 0);
}

static void test_frame_header_refuses_long_bodies(void **state)
{
    (void)state;
    static const uint32_t bad[] = {FRAME_BODY_MAX + 1, UINT32_C(1) << 31, UINT32_MAX};
    uint8_t storage[64];
    struct frame_header header;
    const uint32_t most = FRAME_BODY_MAX;
    build(storage, sizeof storage, 3, 0);
    memcpy(storage + 8, &most, 4);
    assert_int_equal(frame_header_read(storage, &header), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(storage + 8, &bad[i], 4);
        assert_int_equal(frame_header_read(storage, &header), -EBADMSG);
    }
}

static void test_frame_buffer_takes_all_or_nothing(void **state)
{
    (void)state;
    struct frame_buffer buffer;
    uint8_t *storage = malloc(FRAME_HEADER_SIZE + 4);
    frame_buffer_init(&buffer, storage, FRAME_HEADER_SIZE + 4);
    assert_int_equal(frame_buffer_write(&buffer, "abcde", 5), -1);
    assert_int_equal(frame_buffer_write(&buffer, "ab", 2), 0);
    assert_int_equal(frame_buffer_write(&buffer, "cde", 3), -1);
    assert_int_equal(frame_buffer_write(&buffer, "cd", 2), 0);
    assert_int_equal(frame_buffer_write(&buffer, "e", 1), -1);
    assert_int_equal(frame_buffer_write(&buffer, "", 0), 0);
    assert_int_equal(frame_buffer_write(&buffer, "e", SIZE_MAX), -1);
    assert_memory_equal(storage + FRAME_HEADER_SIZE, "abcd", 4);
    free(storage);
}

static void test_frame_buffer_without_room_for_a_header(void **state)
{
    (void)state;
    for (size_t capacity = 1; capacity < FRAME_HEADER_SIZE; capacity++) {
        struct frame_buffer buffer;
        uint8_t *storage = malloc(capacity);
        frame_buffer_init(&buffer, storage, capacity);
        assert_int_equal(frame_buffer_write(&buffer, "a", 1), -1);
        free(storage);
    }
}

static void test_frame_reader_byte_by_byte(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 300, 5000, 0};
    static uint8_t storage[FRAME_MAX];
    struct frame_reader reader;
    struct frame_header header;
    const uint8_t *body;
    frame_reader_init(&reader);
    for (uint16_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        const size_t size = build(storage, sizeof storage, n, sizes[n]);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(frame_reader_next(&reader, &header, &body), 0);
            put(&reader, storage + i, 1);
        }
        assert_int_equal(frame_reader_next(&reader, &header, &body), 1);
        assert_pattern(&header, body, n, sizes[n]);
    }
    assert_int_equal(frame_reader_next(&reader, &header, &body), 0);
    frame_reader_deinit(&reader);
}

/* Frames of all sizes through pieces of all sizes: bytes move inside the reader and it grows. */
static void test_frame_reader_in_any_pieces(void **state)
{
    (void)state;
    static uint8_t stream[1 << 20];
    size_t length = 0, frames = 0, seen = 0;
    struct frame_reader reader;
    srandom(1);
    while (length + FRAME_MAX < sizeof stream) {
        const size_t size = (size_t)random() % (frames % 5 == 0 ? FRAME_BODY_MAX : 500);
        length += build(stream + length, sizeof stream - length, (uint16_t)size, size);
        frames++;
    }
    frame_reader_init(&reader);
    for (size_t at = 0; at < length;) {
        struct frame_header header;
        const uint8_t *body;
        size_t piece = (size_t)random() % 9000 + 1;
        piece = piece < length - at ? piece : length - at;
        at += put_some(&reader, stream + at, piece);
        for (; frame_reader_next(&reader, &header, &body) == 1; seen++)
            assert_pattern(&header, body, (uint16_t)header.length, header.length);
    }
    assert_int_equal(seen, frames);
    frame_reader_deinit(&reader);
}

static void test_frame_reader_takes_the_largest(void **state)
{
    (void)state;
    static uint8_t storage[FRAME_MAX];
    struct frame_reader reader;
    struct frame_header header;
    const uint8_t *body;
    frame_reader_init(&reader);
    for (uint16_t n = 0; n < 3; n++) {
        assert_int_equal(build(storage, sizeof storage, n, FRAME_BODY_MAX), FRAME_MAX);
        put(&reader, storage, FRAME_MAX);
        assert_int_equal(frame_reader_next(&reader, &header, &body), 1);
        assert_pattern(&header, body, n, FRAME_BODY_MAX);
    }
    assert_true(reader.capacity <= FRAME_MAX);
    frame_reader_deinit(&reader);
}

/* A header that claims much does not make it reserve much. */
static void test_frame_reader_grows_by_what_arrives(void **state)
{
    (void)state;
    static uint8_t storage[FRAME_MAX];
    struct frame_reader reader;
    struct frame_header header;
    const uint8_t *body;
    build(storage, sizeof storage, 1, FRAME_BODY_MAX);
    frame_reader_init(&reader);
    put(&reader, storage, FRAME_HEADER_SIZE + 1);
    assert_int_equal(frame_reader_next(&reader, &header, &body), 0);
    for (size_t at = FRAME_HEADER_SIZE + 1; at < FRAME_MAX; at++) {
        put(&reader, storage + at, 1);
        assert_true(reader.capacity <= (at < 1024 ? 1024 : 4 * at));
    }
    assert_int_equal(frame_reader_next(&reader, &header, &body), 1);
    frame_reader_deinit(&reader);
}

static void test_frame_reader_stays_refusing(void **state)
{
    (void)state;
    uint8_t storage[64];
    struct frame_reader reader;
    struct frame_header header;
    const uint8_t *body;
    const size_t size = build(storage, sizeof storage, 1, 3);
    frame_reader_init(&reader);
    put(&reader, storage, size);
    put(&reader, (const uint8_t *)"no frame at all", 15);
    assert_int_equal(frame_reader_next(&reader, &header, &body), 1);
    assert_int_equal(frame_reader_next(&reader, &header, &body), -EBADMSG);
    put(&reader, storage, size);
    assert_int_equal(frame_reader_next(&reader, &header, &body), -EBADMSG);
    frame_reader_deinit(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_frame_header_round_trip),
        SUPPORT_TEST(test_frame_header_refuses_bad_magic_and_flags),
        SUPPORT_TEST(test_frame_header_refuses_long_bodies),
        SUPPORT_TEST(test_frame_buffer_takes_all_or_nothing),
        SUPPORT_TEST(test_frame_buffer_without_room_for_a_header),
        SUPPORT_TEST(test_frame_reader_byte_by_byte),
        SUPPORT_TEST(test_frame_reader_in_any_pieces),
        SUPPORT_TEST(test_frame_reader_takes_the_largest),
        SUPPORT_TEST(test_frame_reader_grows_by_what_arrives),
        SUPPORT_TEST(test_frame_reader_stays_refusing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
