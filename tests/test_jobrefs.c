/* Jobs as people name them. */
#include "jobrefs.h"

#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_jobrefs_name_ids_ranges_and_keys(void **state)
{
    struct jobrefs refs = {0};
    static const uint64_t ids[] = {7, 1, 2, 3, 4, 5, 5, 9, 9007199254740993};
    (void)state;
    assert_int_equal(jobrefs_add(&refs, "7"), 0);
    assert_int_equal(jobrefs_add(&refs, "1,2,3-5"), 0);
    assert_int_equal(jobrefs_add(&refs, "5-5,9"), 0);
    assert_int_equal(jobrefs_add(&refs, "9007199254740993"), 0);
    assert_int_equal(jobrefs_add(&refs, "nightly-2026"), 0);
    assert_int_equal(refs.count, 10);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(refs.items[i].id, ids[i]);
    assert_int_equal(refs.items[9].id, 0);
    assert_string_equal(refs.items[9].key, "nightly-2026");
    jobrefs_deinit(&refs);
}

static void test_jobrefs_refuse_what_is_no_range(void **state)
{
    static const char *const words[] = {
        "", "0", "0-3", "5-3", "-3", "3-", "1,,2", ",", "1-2-3", "-", "99999999999999999999", "1,"};
    struct jobrefs refs = {0};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (jobrefs_add(&refs, words[i]) != -EINVAL)
            fail_msg("%s", words[i]);
    jobrefs_deinit(&refs);
}

static void test_jobrefs_are_bounded(void **state)
{
    struct jobrefs refs = {0};
    (void)state;
    assert_int_equal(jobrefs_add(&refs, "1-9000000000000000000"), -E2BIG);
    assert_int_equal(jobrefs_add(&refs, "1-10000"), 0);
    assert_int_equal(refs.count, JOBREFS_MOST);
    assert_int_equal(jobrefs_add(&refs, "one-more"), -E2BIG);
    jobrefs_deinit(&refs);
}

static void test_jobrefs_pack_as_they_are(void **state)
{
    struct jobrefs refs = {0};
    pool_fields_t fields;
    pool_bytes_t map;
    (void)state;
    assert_int_equal(jobrefs_add(&refs, "1,2"), 0);
    assert_int_equal(jobrefs_add(&refs, "k"), 0);
    pool_fields_begin(&fields);
    jobrefs_pack(&fields, &refs);
    assert_int_equal(pool_fields_end(&fields, &map), 0);
    assert_int_equal(map.size, 10);
    assert_memory_equal(map.data, "\x81\xa3ids\x93\x01\x02\xa1k", 10);
    pool_fields_free(&fields);
    jobrefs_deinit(&refs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobrefs_name_ids_ranges_and_keys),
        cmocka_unit_test(test_jobrefs_refuse_what_is_no_range),
        cmocka_unit_test(test_jobrefs_are_bounded),
        cmocka_unit_test(test_jobrefs_pack_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
