/* Messages: every type there and back, and nothing but what the table says is taken. */
#include "message.h"

#include "support.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

/* The fields of each message in order: U unsigned, S signed, B bytes. Said a second time here, on purpose. */
static const struct shape {
    enum message_type type;
    const char *fields;
    size_t size;
} shapes[] = {
    {MESSAGE_SERVER, "UU", sizeof(struct message_server)},
    {MESSAGE_SERVER_LOST, "US", sizeof(struct message_server_lost)},
    {MESSAGE_HELLO, "SUUB", sizeof(struct message_hello)},
    {MESSAGE_FORK, "UU", sizeof(struct message_fork)},
    {MESSAGE_KILL, "UUS", sizeof(struct message_kill)},
    {MESSAGE_SIGNAL, "UU", sizeof(struct message_signal)},
    {MESSAGE_WATCH, "USSSSUSSU", sizeof(struct message_watch)},
    {MESSAGE_BORN, "UUUUU", sizeof(struct message_born)},
    {MESSAGE_MEMORY, "UUU", sizeof(struct message_memory)},
    {MESSAGE_GONE, "USUUUUUUUUUUUUUUUUUUBB", sizeof(struct message_gone)},
    {MESSAGE_COMMAND, "BBBSB", sizeof(struct message_command)},
    {MESSAGE_PROGRESS, "UU", sizeof(struct message_progress)},
    {MESSAGE_PIECE, "UUB", sizeof(struct message_piece)},
    {MESSAGE_PARTIAL, "UUB", sizeof(struct message_partial)},
    {MESSAGE_HALTED, "U", sizeof(struct message_halted)},
    {MESSAGE_RESULT, "SUUBUBUUUUU", sizeof(struct message_result)},
};

#define SHAPES (sizeof shapes / sizeof shapes[0])

union value {
    uint64_t u;
    int64_t s;
};

/* Any message: larger than each of them. */
union message {
    struct message_gone gone;
    struct message_result result;
    unsigned char bytes[512];
};

static uint8_t storage[FRAME_HEADER_SIZE + FRAME_BODY_MAX];

static const uint64_t unsigneds[] = {0, 1, 127, 128, UINT8_MAX + 1, UINT32_MAX, INT64_MAX, UINT64_MAX};
static const int64_t signeds[] = {0, -1, -33, 127, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
static const char filler[30000] = "some bytes\0more";

static size_t field_size(char kind)
{
    return kind == 'B' ? sizeof(struct message_slice) : sizeof(union value);
}

/* Fills every field with an extreme, another one for each n. */
static void fill(const struct shape *shape, size_t n, union message *message)
{
    static const uint64_t lengths[] = {0, 1, 31, 255, 256, sizeof filler};
    unsigned char *at = message->bytes;
    for (const char *kind = shape->fields; *kind != '\0'; at += field_size(*kind), kind++, n++) {
        union value number = {.u = unsigneds[n % 8]};
        const struct message_slice slice = {filler, lengths[n % 6]};
        if (*kind == 'S')
            number.s = signeds[n % 8];
        memcpy(at, *kind == 'B' ? (const void *)&slice : (const void *)&number, field_size(*kind));
    }
    assert_int_equal(at - message->bytes, shape->size);
}

static void assert_same(const struct shape *shape, const union message *a, const union message *b)
{
    size_t at = 0;
    for (const char *kind = shape->fields; *kind != '\0'; at += field_size(*kind), kind++) {
        struct message_slice x, y;
        if (*kind != 'B') {
            assert_memory_equal(a->bytes + at, b->bytes + at, field_size(*kind));
            continue;
        }
        memcpy(&x, a->bytes + at, sizeof x);
        memcpy(&y, b->bytes + at, sizeof y);
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, x.size);
    }
}

/* Packs message n of a shape into storage: the length of the body. */
static size_t pack(const struct shape *shape, size_t n, union message *message)
{
    struct frame_header header;
    fill(shape, n, message);
    const ssize_t packed = message_pack(storage, sizeof storage, shape->type, message);
    assert_int_equal(frame_header_read(storage, &header), 0);
    assert_int_equal(header.type, shape->type);
    assert_int_equal(FRAME_HEADER_SIZE + header.length, packed);
    return header.length;
}

/* Unpacks from a copy that ends where the body ends. */
static int unpack_exactly(enum message_type type, const void *body, size_t size)
{
    union message message;
    void *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, body, size);
    const int rc = message_unpack(type, copy, size, &message);
    free(copy);
    return rc;
}

static void test_message_round_trip(void **state)
{
    (void)state;
    assert_int_equal(SHAPES, MESSAGE_TYPE_COUNT_ - 1);
    for (size_t i = 0; i < SHAPES; i++)
        for (size_t n = 0; n < 24; n++) {
            union message sent, got;
            const size_t size = pack(&shapes[i], n, &sent);
            memset(&got, 0xee, sizeof got);
            assert_int_equal(message_unpack(shapes[i].type, storage + FRAME_HEADER_SIZE, size, &got), 0);
            assert_same(&shapes[i], &sent, &got);
        }
}

/* Slices point into the body, never anywhere else. */
static void test_message_slices_are_borrowed_from_the_body(void **state)
{
    (void)state;
    const struct message_hello sent = {.code = 1, .message = {"hello", 5}};
    struct message_hello got;
    const ssize_t size = message_pack(storage, sizeof storage, MESSAGE_HELLO, &sent);
    assert_true(size > 0);
    assert_int_equal(message_unpack(MESSAGE_HELLO, storage + FRAME_HEADER_SIZE, (size_t)size - FRAME_HEADER_SIZE, &got),
                     0);
    const uint8_t *data = got.message.data;
    assert_true(data > storage && data + 5 <= storage + size);
}

static void test_message_refuses_truncations_and_trailing_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        union message message;
        const size_t size = pack(&shapes[i], 1, &message);
        const uint8_t *body = storage + FRAME_HEADER_SIZE;
        const size_t step = size > 2000 ? 97 : 1;
        for (size_t part = 0; part < size; part += part + 100 < size && part > 100 ? step : 1)
            assert_int_equal(unpack_exactly(shapes[i].type, body, part), -EBADMSG);
        storage[FRAME_HEADER_SIZE + size] = 0xc0;
        assert_int_equal(unpack_exactly(shapes[i].type, body, size + 1), -EBADMSG);
        assert_int_equal(unpack_exactly(shapes[i].type, body, size), 0);
    }
}

/* How a field is spoilt. */
enum spoilt { SPOILT_NOT = 0, SPOILT_NIL, SPOILT_FLOAT, SPOILT_STR, SPOILT_ARRAY, SPOILT_NUMBER, SPOILT_COUNT_ };

/* For numbers: one out of range; for bytes: a number. */
static void pack_bad_number(msgpack_packer *packer, char kind)
{
    if (kind == 'U')
        msgpack_pack_int64(packer, -1);
    else
        msgpack_pack_uint64(packer, (uint64_t)INT64_MAX + 1);
}

static void pack_field(msgpack_packer *packer, char kind, enum spoilt spoilt)
{
    switch (spoilt) {
    case SPOILT_NIL:
        msgpack_pack_nil(packer);
        break;
    case SPOILT_FLOAT:
        msgpack_pack_double(packer, 1);
        break;
    case SPOILT_STR:
        msgpack_pack_str_with_body(packer, "a", 1);
        break;
    case SPOILT_ARRAY:
        msgpack_pack_array(packer, 0);
        break;
    case SPOILT_NUMBER:
        pack_bad_number(packer, kind);
        break;
    case SPOILT_NOT:
    case SPOILT_COUNT_:
        if (kind == 'B')
            msgpack_pack_bin_with_body(packer, "a", 1);
        else
            msgpack_pack_int(packer, 5);
        break;
    }
}

/* Packs count fields of a shape by hand, field `which` spoilt, and unpacks that. */
static int unpack_by_hand(const struct shape *shape, size_t count, size_t which, enum spoilt spoilt)
{
    const size_t fields = strlen(shape->fields);
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, count);
    for (size_t i = 0; i < count; i++)
        pack_field(&packer, i < fields ? shape->fields[i] : 'U', i == which ? spoilt : SPOILT_NOT);
    const int rc = unpack_exactly(shape->type, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return rc;
}

static void test_message_refuses_fields_of_another_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        const size_t fields = strlen(shapes[i].fields);
        assert_int_equal(unpack_by_hand(&shapes[i], fields, 0, SPOILT_NOT), 0);
        for (size_t which = 0; which < fields; which++)
            for (enum spoilt how = SPOILT_NIL; how < SPOILT_COUNT_; how++)
                assert_int_equal(unpack_by_hand(&shapes[i], fields, which, how), -EBADMSG);
    }
}

static void test_message_refuses_another_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        const size_t fields = strlen(shapes[i].fields);
        for (size_t count = 0; count < fields + 4; count++)
            assert_int_equal(unpack_by_hand(&shapes[i], count, 0, SPOILT_NOT), count == fields ? 0 : -EBADMSG);
    }
}

/* Whole objects that are no array, and one that msgpack-c cannot unpack. */
static void test_message_refuses_other_objects(void **state)
{
    (void)state;
    char deep[34];
    memset(deep, 0x91, sizeof deep);
    deep[32] = '\x90';
    for (size_t i = 0; i < SHAPES; i++) {
        assert_int_equal(unpack_exactly(shapes[i].type, "\xc0", 1), -EBADMSG);
        assert_int_equal(unpack_exactly(shapes[i].type, "\x82\x01\x02\x03\x04", 5), -EBADMSG);
        assert_int_equal(unpack_exactly(shapes[i].type, "\xdd\xff\xff\xff\xff", 5), -EBADMSG);
        assert_int_equal(unpack_exactly(shapes[i].type, deep, 33), -EBADMSG);
    }
}

static void test_message_pack_into_too_little(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        union message message;
        const size_t size = FRAME_HEADER_SIZE + pack(&shapes[i], 3, &message);
        for (size_t capacity = 1; capacity <= size; capacity += capacity < 300 || capacity > size - 100 ? 1 : 50) {
            uint8_t *exact = malloc(capacity);
            assert_non_null(exact);
            const ssize_t packed = message_pack(exact, capacity, shapes[i].type, &message);
            assert_int_equal(packed, capacity < size ? -EMSGSIZE : (ssize_t)size);
            free(exact);
        }
    }
}

static void test_message_pack_of_an_absurd_slice(void **state)
{
    (void)state;
    const struct message_hello hello = {.message = {filler, (uint64_t)UINT32_MAX + 2}};
    assert_int_equal(message_pack(storage, sizeof storage, MESSAGE_HELLO, &hello), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_message_round_trip),
        SUPPORT_TEST(test_message_slices_are_borrowed_from_the_body),
        SUPPORT_TEST(test_message_refuses_truncations_and_trailing_bytes),
        SUPPORT_TEST(test_message_refuses_fields_of_another_type),
        SUPPORT_TEST(test_message_refuses_another_count),
        SUPPORT_TEST(test_message_refuses_other_objects),
        SUPPORT_TEST(test_message_pack_into_too_little),
        SUPPORT_TEST(test_message_pack_of_an_absurd_slice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
