/* The scan: exactly the whole objects that msgpack-c takes pass, and no byte outside them is read. */
#include "scan.h"

#include "support.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

/* A string literal that may hold NULs, as bytes and size. */
#define BYTES(literal)               \
    {                                \
        literal, sizeof(literal) - 1 \
    }

struct sample {
    const char *bytes;
    size_t size;
};

/* One of every type of https://github.com/msgpack/msgpack/blob/master/spec.md. */
static const struct sample samples[] = {
    BYTES("\x00"),
    BYTES("\x7f"),
    BYTES("\xe0"),
    BYTES("\xff"), /* fixint */
    BYTES("\x80"),
    BYTES("\x81\x01\x02"),
    BYTES("\x82\x01\x02\x03\xc0"), /* fixmap */
    BYTES("\x90"),
    BYTES("\x93\x01\x02\x03"),
    BYTES("\x92\x91\xc0\x90"), /* fixarray */
    BYTES("\xa0"),
    BYTES("\xa3"
          "abc"), /* fixstr */
    BYTES("\xc0"),
    BYTES("\xc2"),
    BYTES("\xc3"), /* nil, bool */
    BYTES("\xc4\x00"),
    BYTES("\xc4\x02"
          "ab"), /* bin 8 */
    BYTES("\xc5\x00\x01"
          "a"),
    BYTES("\xc6\x00\x00\x00\x02"
          "ab"), /* bin 16, 32 */
    BYTES("\xc7\x00\x05"),
    BYTES("\xc7\x02\x05"
          "ab"), /* ext 8 */
    BYTES("\xc8\x00\x01\x05"
          "a"),
    BYTES("\xc9\x00\x00\x00\x01\xff"
          "a"), /* ext 16, 32 */
    BYTES("\xca\x7f\xc0\x00\x00"),
    BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), /* float */
    BYTES("\xcc\xff"),
    BYTES("\xcd\xff\xff"),
    BYTES("\xce\xff\xff\xff\xff"), /* uint */
    BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
    BYTES("\xd0\x80"),
    BYTES("\xd1\x80\x00"),
    BYTES("\xd2\x80\x00\x00\x00"), /* int */
    BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
    BYTES("\xd4\x01"
          "a"),
    BYTES("\xd5\x01"
          "ab"),
    BYTES("\xd6\x01"
          "abcd"), /* fixext */
    BYTES("\xd7\x01"
          "abcdefgh"),
    BYTES("\xd8\x01"
          "abcdefghijklmnop"),
    BYTES("\xd9\x01"
          "a"),
    BYTES("\xda\x00\x01"
          "a"),
    BYTES("\xdb\x00\x00\x00\x01"
          "a"), /* str */
    BYTES("\xdc\x00\x00"),
    BYTES("\xdc\x00\x02\x01\x02"),
    BYTES("\xdd\x00\x00\x00\x01\xc0"), /* array 16, 32 */
    BYTES("\xde\x00\x00"),
    BYTES("\xde\x00\x01\x01\x02"),
    BYTES("\xdf\x00\x00\x00\x01\x01\xc0"), /* map 16, 32 */
};

#define SAMPLES (sizeof samples / sizeof samples[0])

/* Scans a copy that ends where the bytes end, so that the address sanitizer sees a read beyond. */
static int scan_exactly(const void *bytes, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    const int rc = scan_object(size > 0 ? copy : (char *)copy + 1, size);
    free(copy);
    return rc;
}

/* Whether msgpack-c takes the bytes as one whole object. */
static bool unpacks(const void *bytes, size_t size)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    msgpack_unpacked_init(&unpacked);
    const bool good = msgpack_unpack_next(&unpacked, bytes, size, &offset) == MSGPACK_UNPACK_SUCCESS && offset == size;
    msgpack_unpacked_destroy(&unpacked);
    return good;
}

static void test_scan_takes_every_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_true(unpacks(samples[i].bytes, samples[i].size));
        if (scan_exactly(samples[i].bytes, samples[i].size) != 0)
            fail_msg("sample %zu refused", i);
    }
}

static void test_scan_refuses_truncations_and_trailing_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        char longer[64] = {0};
        for (size_t size = 0; size < samples[i].size; size++)
            assert_int_equal(scan_exactly(samples[i].bytes, size), -EBADMSG);
        memcpy(longer, samples[i].bytes, samples[i].size);
        assert_int_equal(scan_exactly(longer, samples[i].size + 1), -EBADMSG);
    }
}

static void test_scan_refuses_what_is_not_there(void **state)
{
    (void)state;
    static const struct sample hostile[] = {
        BYTES(""),
        BYTES("\xc1"),
        BYTES("\x91\xc1"),
        BYTES("\xdd\xff\xff\xff\xff"),
        BYTES("\xdf\xff\xff\xff\xff"),
        BYTES("\xdf\x80\x00\x00\x00"),
        BYTES("\xdb\xff\xff\xff\xff"),
        BYTES("\xc6\xff\xff\xff\xff"),
        BYTES("\xc9\xff\xff\xff\xff"),
        BYTES("\xc9\xff\xff\xff\xff\x01"),
        BYTES("\xdd\x00\x00\x00\x05\x01\x02\x03\x04"),
        BYTES("\xdc\xff\xff\xdc\xff\xff\xdc\xff\xff"),
        BYTES("\xdf\x00\x00\x00\x02\x01\x02\x03"),
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        assert_int_equal(scan_exactly(hostile[i].bytes, hostile[i].size), -EBADMSG);
}

/* Arrays, or one-pair maps, inside each other, around one last object. */
static size_t nest(char *bytes, size_t depth, bool maps, const struct sample *leaf)
{
    size_t size = 0;
    for (size_t i = 0; i < depth; i++) {
        bytes[size++] = maps ? '\x81' : '\x91';
        if (maps)
            bytes[size++] = '\xc0';
    }
    memcpy(bytes + size, leaf->bytes, leaf->size);
    return size + leaf->size;
}

/* As deep as msgpack-c goes and no deeper: an empty container takes a level, too. */
static void test_scan_nesting_is_as_msgpack_has_it(void **state)
{
    (void)state;
    static const struct {
        struct sample bytes;
        unsigned levels;
    } leaves[] = {
        {BYTES("\xc0"), 0},
        {BYTES("\xa0"), 0},
        {BYTES("\xc4\x01\x91"), 0},
        {BYTES("\x90"), 1},
        {BYTES("\x80"), 1},
        {BYTES("\x9f\1\2\3\4\5\6\7\1\2\3\4\5\6\7\1"), 1},
        {BYTES("\xdc\x00\x00"), 1},
        {BYTES("\xdd\x00\x00\x00\x01\x90"), 2},
        {BYTES("\xde\x00\x01\x01\x80"), 2},
        {BYTES("\xdf\x00\x00\x00\x00"), 1},
    };
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        for (size_t depth = 0; depth < 40; depth++)
            for (int maps = 0; maps < 2; maps++) {
                char bytes[2 * 40 + 20];
                const size_t size = nest(bytes, depth, maps != 0, &leaves[i].bytes);
                const bool legal = depth + leaves[i].levels <= SCAN_DEPTH_MAX;
                assert_int_equal(unpacks(bytes, size), legal);
                assert_int_equal(scan_exactly(bytes, size), legal ? 0 : -EBADMSG);
            }
}

static void test_scan_stops_deep_nesting_at_once(void **state)
{
    (void)state;
    const size_t size = 1000000;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 0x91, size);
    assert_int_equal(scan_object(bytes, size), -EBADMSG);
    free(bytes);
}

/* Goes over bytes in pieces. What was looked at is overwritten: it must not be needed again. */
static int scan_in_pieces(const void *bytes, size_t size, size_t piece, struct scan *scan)
{
    uint8_t *grown = malloc(size > 0 ? size : 1);
    int rc = 0;
    assert_non_null(grown);
    scan_begin(scan, UINT64_MAX);
    for (size_t at = 0; at < size && rc == 0; at += piece) {
        const size_t more = piece < size - at ? piece : size - at;
        uint8_t *moved = malloc(at + more);
        assert_non_null(moved);
        memset(moved, 0xc1, at);
        if (scan->at < at)
            memcpy(moved + scan->at, grown + scan->at, at - (size_t)scan->at);
        memcpy(moved + at, (const uint8_t *)bytes + at, more);
        free(grown);
        grown = moved;
        rc = scan_step(scan, grown, at + more);
        if (rc == 0)
            assert_true(scan_least(scan) + 9 > at + more); /* a header has at most 9 bytes */
    }
    free(grown);
    return rc;
}

static void test_scan_goes_on_in_pieces(void **state)
{
    (void)state;
    struct scan scan;
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t piece = 1; piece <= samples[i].size; piece++) {
            assert_int_equal(scan_in_pieces(samples[i].bytes, samples[i].size, piece, &scan), 1);
            assert_int_equal(scan.at, samples[i].size);
            assert_int_equal(scan_least(&scan), samples[i].size);
            assert_int_equal(scan_in_pieces(samples[i].bytes, samples[i].size - 1, piece, &scan), 0);
        }
}

/* What follows is another object's. */
static void test_scan_ends_where_the_object_ends(void **state)
{
    (void)state;
    char two[64];
    struct scan scan;
    for (size_t i = 0; i < SAMPLES; i++) {
        memcpy(two, samples[i].bytes, samples[i].size);
        memset(two + samples[i].size, 0xc1, samples[i].size);
        assert_int_equal(scan_in_pieces(two, 2 * samples[i].size, 64, &scan), 1);
        assert_int_equal(scan.at, samples[i].size);
    }
}

/* A header is enough to know that what it announces is too much. */
static void test_scan_knows_what_is_announced(void **state)
{
    (void)state;
    struct scan scan;
    static const struct {
        struct sample bytes;
        uint64_t least;
    } announced[] = {
        {BYTES("\xdd\xff\xff\xff\xff"), 5 + UINT64_C(0xffffffff)},
        {BYTES("\xdf\xff\xff\xff\xff"), 5 + 2 * UINT64_C(0xffffffff)},
        {BYTES("\xdb\xff\xff\xff\xff"), 5 + UINT64_C(0xffffffff)},
        {BYTES("\xc9\xff\xff\xff\xff"), 6 + UINT64_C(0xffffffff)},
        {BYTES("\x93\xdc\x01\x00"), 4 + 256 + 2},
        {BYTES("\x93\x01\xda\x01"), 1 + 1 + 2},
        {BYTES(""), 1},
    };
    for (size_t i = 0; i < sizeof announced / sizeof announced[0]; i++) {
        scan_begin(&scan, UINT64_MAX);
        assert_int_equal(scan_step(&scan, announced[i].bytes.bytes, announced[i].bytes.size), 0);
        assert_int_equal(scan_least(&scan), announced[i].least);
    }
    scan_begin(&scan, 4);
    assert_int_equal(scan_step(&scan, "\x92\x91\x01\x02", 4), 1);
    scan_begin(&scan, 3);
    assert_int_equal(scan_step(&scan, "\x92\x91\x01\x02", 4), -E2BIG);
    scan_begin(&scan, 1000000);
    assert_int_equal(scan_step(&scan, "\xdd\xff\xff\xff\xff", 5), -E2BIG);
}

/* Few small numbers among the bytes, so that containers are likely to be whole. */
static void fill_random(unsigned char *bytes, size_t size)
{
    static const unsigned char often[] = {0x81, 0x91, 0x92, 0xa1, 0xc4, 0xc7, 0xd4, 0xd9, 0xdc, 0xde, 0, 1, 2};
    for (size_t i = 0; i < size; i++)
        bytes[i] = random() % 2 == 0 ? (unsigned char)random() : often[(size_t)random() % sizeof often];
}

static void test_scan_in_pieces_refuses_the_same(void **state)
{
    (void)state;
    unsigned char bytes[24];
    struct scan scan;
    size_t counts[3] = {0};
    srandom(3);
    for (int i = 0; i < 30000; i++) {
        const size_t size = 1 + (size_t)random() % sizeof bytes;
        fill_random(bytes, size);
        const int whole = scan_in_pieces(bytes, size, size, &scan);
        const uint64_t at = scan.at;
        assert_int_equal(scan_in_pieces(bytes, size, 1, &scan), whole);
        if (whole == 1)
            assert_int_equal(scan.at, at);
        assert_int_equal(scan_exactly(bytes, size), whole == 1 && at == size ? 0 : -EBADMSG);
        counts[whole < 0 ? 2 : whole]++;
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(counts[i] > 100);
}

/* Everything that msgpack-c packs, at the sizes where the encoding changes. */
static void pack_sizes(msgpack_packer *packer, size_t size, const char *filler)
{
    msgpack_pack_array(packer, 5);
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, filler, size);
    msgpack_pack_bin(packer, size);
    msgpack_pack_bin_body(packer, filler, size);
    msgpack_pack_ext(packer, size, -5);
    msgpack_pack_ext_body(packer, filler, size);
    msgpack_pack_array(packer, size);
    for (size_t i = 0; i < size; i++)
        msgpack_pack_int64(packer, -(int64_t)(i * i * i * 7919));
    msgpack_pack_map(packer, size);
    for (size_t i = 0; i < size; i++) {
        msgpack_pack_uint64(packer, (uint64_t)i << (i % 50));
        msgpack_pack_double(packer, (double)i);
    }
}

static void test_scan_takes_what_msgpack_packs(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 4, 8, 15, 16, 17, 31, 32, 255, 256, 65535, 65536, 70000};
    static const char filler[70000];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        msgpack_sbuffer buffer;
        msgpack_packer packer;
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        pack_sizes(&packer, sizes[i], filler);
        assert_int_equal(scan_exactly(buffer.data, buffer.size), 0);
        assert_int_equal(scan_exactly(buffer.data, buffer.size - 1), -EBADMSG);
        assert_true(unpacks(buffer.data, buffer.size));
        msgpack_sbuffer_destroy(&buffer);
    }
}

static void test_scan_of_random_bytes(void **state)
{
    (void)state;
    unsigned char bytes[24];
    size_t taken = 0;
    srandom(2);
    for (int i = 0; i < 300000; i++) {
        const size_t size = (size_t)random() % (sizeof bytes + 1);
        fill_random(bytes, size);
        if (scan_exactly(bytes, size) != 0)
            continue;
        assert_true(unpacks(bytes, size));
        taken++;
    }
    assert_true(taken > 1000); /* or it tests nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_scan_takes_every_type),
        SUPPORT_TEST(test_scan_refuses_truncations_and_trailing_bytes),
        SUPPORT_TEST(test_scan_refuses_what_is_not_there),
        SUPPORT_TEST(test_scan_nesting_is_as_msgpack_has_it),
        SUPPORT_TEST(test_scan_stops_deep_nesting_at_once),
        SUPPORT_TEST(test_scan_takes_what_msgpack_packs),
        SUPPORT_TEST(test_scan_of_random_bytes),
        SUPPORT_TEST(test_scan_goes_on_in_pieces),
        SUPPORT_TEST(test_scan_ends_where_the_object_ends),
        SUPPORT_TEST(test_scan_knows_what_is_announced),
        SUPPORT_TEST(test_scan_in_pieces_refuses_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
