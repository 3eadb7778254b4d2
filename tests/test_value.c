/* MessagePack as JSON, and back. */
#include "value.h"

#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_value_becomes_json(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *json;
    } table[] = {
        {"\xc0", 1, "null"},
        {"\xc3", 1, "true"},
        {"\x07", 1, "7"},
        {"\xff", 1, "-1"},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "{\"$uint\":\"18446744073709551615\"}"},
        {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, "-9223372036854775808"},
        {"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 9, "1.5"},
        {"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", 9, "null"}, /* not a number */
        {"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", 9, "null"}, /* infinity */
        {"\xa0", 1, "\"\""},
        {"\x82\xa0\x01\xa1"
         "a\xa0",
         6, "{\"\":1,\"a\":\"\"}"},
        {"\xa2\"\n", 3, "\"\\\"\\n\""},
        {"\xa3"
         "a\0b",
         4, "\"a\\u0000b\""},
        {"\xa6\x7f\xc2\x80\xc2\xa0\x1b", 7, "\"\\u007f\\u0080\xc2\xa0\\u001B\""}, /* what a terminal obeys */
        {"\xa2\xc3\xa4", 3, "\"\xc3\xa4\""},
        {"\xa3"
         "a\xff\xc3",
         4, "\"a\\\\xff\\\\xc3\""}, /* no UTF-8 */
        {"\xc4\x00", 2, "{\"$bin\":\"\"}"},
        {"\xc4\x01"
         "f",
         3, "{\"$bin\":\"Zg==\"}"},
        {"\xc4\x02"
         "fo",
         4, "{\"$bin\":\"Zm8=\"}"},
        {"\xc4\x03"
         "foo",
         5, "{\"$bin\":\"Zm9v\"}"},
        {"\xc4\x04\xff\xfe\xfd\xfc", 6, "{\"$bin\":\"//79/A==\"}"},
        {"\xd4\x05\x01", 3, "{\"$ext\":5,\"$bin\":\"AQ==\"}"},
        {"\x92\x01\x90", 3, "[1,[]]"},
        {"\x82\xa1"
         "a\x01\x02\x80",
         6, "{\"a\":1,\"2\":{}}"},
        {"\x81\x92\x01\xc0\xc2", 5, "{\"[1,null]\":false}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(msgpack_unpack_next(&unpacked, table[i].bytes, table[i].size, NULL), MSGPACK_UNPACK_SUCCESS);
        char *line = value_line(&unpacked.data);
        assert_non_null(line);
        assert_string_equal(line, table[i].json);
        free(line);
        msgpack_unpacked_destroy(&unpacked);
    }
}

static int pack(const char *json, msgpack_sbuffer *buffer)
{
    msgpack_packer packer;
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    msgpack_sbuffer_init(buffer);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    const int rc = value_pack(&packer, value);
    json_decref(value);
    return rc;
}

static void test_value_becomes_messagepack(void **state)
{
    static const struct {
        const char *json, *bytes;
        size_t size;
    } table[] = {
        {"null", "\xc0", 1},
        {"true", "\xc3", 1},
        {"false", "\xc2", 1},
        {"-1", "\xff", 1},
        {"300", "\xcd\x01\x2c", 3},
        {"1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 9},
        {"\"a\\u0000b\"",
         "\xa3"
         "a\0b",
         4},
        {"[1,[]]", "\x92\x01\x90", 3},
        {"{\"b\":1,\"a\":{}}",
         "\x82\xa1"
         "b\x01\xa1"
         "a\x80",
         7},
        {"{\"$bin\":\"Zm8=\"}",
         "\xc4\x02"
         "fo",
         4},
        {"{\"$bin\":\"\"}", "\xc4\x00", 2},
        {"{\"$uint\":\"18446744073709551615\"}", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9},
        {"{\"$uint\":7}", "\x81\xa5$uint\x07", 8},
        {"{\"$bin\":1}", "\x81\xa4$bin\x01", 7},
        {"{\"$bin\":\"Zg==\",\"x\":1}", "\x82\xa4$bin\xa4Zg==\xa1x\x01", 14},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        msgpack_sbuffer buffer;
        assert_int_equal(pack(table[i].json, &buffer), 0);
        assert_int_equal(buffer.size, table[i].size);
        assert_memory_equal(buffer.data, table[i].bytes, table[i].size);
        msgpack_sbuffer_destroy(&buffer);
    }
}

static void expect_refused(const char *json)
{
    msgpack_sbuffer buffer;
    if (pack(json, &buffer) != -EINVAL)
        fail_msg("%s", json);
    msgpack_sbuffer_destroy(&buffer);
}

static void test_value_refuses_what_is_no_base64(void **state)
{
    static const char *const texts[] = {"Z", "Zg", "Zg=", "Z===", "=g==", "Zg=a", "Zg==Zg==", "Zm8*", "Zm 8"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char json[64];
        snprintf(json, sizeof json, "[1,{\"k\":{\"$bin\":\"%s\"}}]", texts[i]);
        expect_refused(json);
    }
}

static void test_value_refuses_what_is_no_number(void **state)
{
    static const char *const texts[] = {"", "x", "-1", "1 ", "18446744073709551616"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"$uint\":\"%s\"}", texts[i]);
        expect_refused(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_becomes_json),
        cmocka_unit_test(test_value_becomes_messagepack),
        cmocka_unit_test(test_value_refuses_what_is_no_base64),
        cmocka_unit_test(test_value_refuses_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
