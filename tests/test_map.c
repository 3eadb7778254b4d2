/* MessagePack maps: what is written is read again, in the shortest form; what is missing or of another type is none. */
#include "support.h"

#include <errno.h>
#include <reclaim/map.h>
#include <stdio.h>
#include <string.h>

static void unpack(pool_bytes_t bytes, msgpack_unpacked *unpacked)
{
    msgpack_unpacked_init(unpacked);
    size_t offset = 0;
    assert_int_equal(msgpack_unpack_next(unpacked, bytes.data, bytes.size, &offset), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, bytes.size);
}

static void test_map_every_type(void **state)
{
    (void)state;
    pool_fields_t fields;
    pool_bytes_t bytes;
    msgpack_unpacked unpacked;
    char text[4];
    pool_fields_begin(&fields);
    pool_fields_text(&fields, "text", "words");
    pool_fields_text(&fields, "no text", NULL);
    pool_fields_str(&fields, "str", "a\0b", 3);
    pool_fields_bin(&fields, "bin", "\xff\0", 2);
    pool_fields_uint(&fields, "uint", UINT64_MAX);
    pool_fields_int(&fields, "int", INT64_MIN);
    pool_fields_double(&fields, "double", 0.5);
    pool_fields_bool(&fields, "true", true);
    pool_fields_bool(&fields, "false", false);
    pool_fields_packed(&fields, "packed", (pool_bytes_t){"\x92\x01\x02", 3});
    msgpack_pack_array(pool_fields_packer(&fields, "array"), 0);
    assert_int_equal(pool_fields_end(&fields, &bytes), 0);
    unpack(bytes, &unpacked);
    const msgpack_object *map = &unpacked.data;
    assert_int_equal(map->via.map.size, 11);
    assert_true(pool_field_is(map, "text", "words"));
    assert_false(pool_field_is(map, "text", "word"));
    assert_int_equal(pool_field(map, "no text")->type, MSGPACK_OBJECT_NIL);
    assert_int_equal(pool_field_str(map, "str").size, 3);
    assert_int_equal(pool_field(map, "bin")->via.bin.size, 2);
    assert_true(pool_field_uint(map, "uint") == UINT64_MAX);
    assert_true(pool_field_int(map, "uint") == INT64_MAX);
    assert_true(pool_field_int(map, "int") == INT64_MIN);
    assert_true(pool_field_double(map, "int") == (double)INT64_MIN);
    assert_true(pool_field_double(map, "double") == 0.5);
    assert_true(pool_field_bool(map, "true"));
    assert_false(pool_field_bool(map, "false"));
    assert_int_equal(pool_field_array(map, "packed").size, 2);
    assert_int_equal(pool_field_array(map, "array").size, 0);
    pool_field_text(map, "text", text, sizeof text);
    assert_string_equal(text, "wor");
    msgpack_unpacked_destroy(&unpacked);
    pool_fields_free(&fields);
}

static void test_map_what_is_not_there_is_none(void **state)
{
    (void)state;
    pool_fields_t fields;
    pool_bytes_t bytes;
    msgpack_unpacked unpacked;
    char text[4] = "xxx";
    pool_fields_begin(&fields);
    pool_fields_int(&fields, "number", -1);
    assert_int_equal(pool_fields_end(&fields, &bytes), 0);
    unpack(bytes, &unpacked);
    const msgpack_object *number = pool_field(&unpacked.data, "number");
    for (int i = 0; i < 2; i++) {
        const msgpack_object *map = i == 0 ? &unpacked.data : number; /* which is no map at all */
        const char *name = i == 0 ? "none" : "number";
        assert_null(pool_field(map, name));
        assert_int_equal(pool_field_uint(map, name), 0);
        assert_int_equal(pool_field_int(map, name), 0);
        assert_true(pool_field_double(map, name) == 0);
        assert_false(pool_field_bool(map, name));
        assert_int_equal(pool_field_str(map, name).size, 0);
        assert_int_equal(pool_field_array(map, name).size, 0);
        pool_field_text(map, name, text, sizeof text);
        assert_string_equal(text, "");
    }
    assert_int_equal(pool_field_uint(&unpacked.data, "number"), 0);
    assert_false(pool_field_bool(&unpacked.data, "number"));
    msgpack_unpacked_destroy(&unpacked);
    pool_fields_free(&fields);
}

/* As msgpack-c itself packs it: bytes that are kept are compared. */
static void test_map_header_is_the_shortest(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 15, 16, 65535, 65536};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        pool_fields_t fields;
        pool_bytes_t bytes;
        msgpack_sbuffer expected;
        msgpack_packer packer;
        msgpack_sbuffer_init(&expected);
        msgpack_packer_init(&packer, &expected, msgpack_sbuffer_write);
        msgpack_pack_map(&packer, counts[i]);
        pool_fields_begin(&fields);
        for (uint32_t n = 0; n < counts[i]; n++) {
            char name[16];
            snprintf(name, sizeof name, "%u", n);
            pool_fields_uint(&fields, name, n);
            msgpack_pack_str_with_body(&packer, name, strlen(name));
            msgpack_pack_uint64(&packer, n);
        }
        assert_int_equal(pool_fields_end(&fields, &bytes), 0);
        assert_int_equal(bytes.size, expected.size);
        assert_memory_equal(bytes.data, expected.data, expected.size);
        msgpack_sbuffer_destroy(&expected);
        pool_fields_free(&fields);
    }
}

static void test_map_in_a_map(void **state)
{
    (void)state;
    pool_fields_t outer, inner;
    pool_bytes_t bytes;
    msgpack_unpacked unpacked;
    pool_fields_begin(&outer);
    msgpack_packer *packer = pool_fields_packer(&outer, "jobs");
    msgpack_pack_array(packer, 2);
    for (uint64_t id = 1; id <= 2; id++) {
        pool_fields_begin(&inner);
        pool_fields_uint(&inner, "id", id);
        assert_int_equal(pool_fields_append(&inner, packer), 0);
    }
    pool_fields_text(&outer, "next", "3");
    assert_int_equal(pool_fields_end(&outer, &bytes), 0);
    unpack(bytes, &unpacked);
    const msgpack_object_array jobs = pool_field_array(&unpacked.data, "jobs");
    assert_int_equal(jobs.size, 2);
    assert_int_equal(pool_field_uint(&jobs.ptr[1], "id"), 2);
    assert_true(pool_field_is(&unpacked.data, "next", "3"));
    msgpack_unpacked_destroy(&unpacked);
    pool_fields_free(&outer);
}

static void test_map_without_memory_says_so_at_its_end(void **state)
{
    (void)state;
    pool_fields_t fields, outer;
    pool_bytes_t bytes;
    pool_fields_begin(&fields);
    fields.failed = true; /* as the first allocation that fails leaves it */
    pool_fields_text(&fields, "text", "words");
    assert_int_equal(pool_fields_end(&fields, &bytes), -ENOMEM);
    assert_int_equal(bytes.size, 0);
    pool_fields_begin(&outer);
    assert_int_equal(pool_fields_append(&fields, pool_fields_packer(&outer, "inner")), -ENOMEM);
    assert_int_equal(pool_fields_end(&outer, &bytes), 0);
    msgpack_unpacked unpacked;
    unpack(bytes, &unpacked);
    assert_int_equal(pool_field(&unpacked.data, "inner")->type, MSGPACK_OBJECT_NIL);
    msgpack_unpacked_destroy(&unpacked);
    pool_fields_free(&outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_map_every_type),
        SUPPORT_TEST(test_map_what_is_not_there_is_none),
        SUPPORT_TEST(test_map_header_is_the_shortest),
        SUPPORT_TEST(test_map_in_a_map),
        SUPPORT_TEST(test_map_without_memory_says_so_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
