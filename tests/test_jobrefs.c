/* Jobs as people name them; and points in time. */
#include "jobrefs.h"
#include "when.h"

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

static int utc_begin(void **state)
{
    (void)state;
    setenv("TZ", "UTC0", 1);
    tzset();
    return 0;
}

static void test_when_reads_times(void **state)
{
    const time_t noon = 1767268800; /* 2026-01-01 12:00 UTC */
    static const struct {
        const char *text;
        double seconds;
    } table[] = {
        {"12:30", 1767270600},
        {"12:00", 1767268800},
        {"11:30", 1767353400}, /* tomorrow */
        {"2026-01-02", 1767312000},
        {"2026-01-02 03:04", 1767323040},
        {"2026-01-02T03:04", 1767323040},
        {"2026-01-02T03:04:05", 1767323045},
        {"@1767270600.5", 1767270600.5},
    };
    static const char *const bad[] = {
        "",  "noon", "25:00",  "12", "2026-13-01", "2026-02-30", "2026-04-31 10:00", "2026-01-02 03",
        "@", "@-1",  "12:30 x"};
    double seconds;
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (when_parse(table[i].text, noon, &seconds) != 0 || seconds != table[i].seconds)
            fail_msg("%s: %f", table[i].text, seconds);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (when_parse(bad[i], noon, &seconds) != -EINVAL)
            fail_msg("%s: %f", bad[i], seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobrefs_name_ids_ranges_and_keys),
        cmocka_unit_test(test_jobrefs_refuse_what_is_no_range),
        cmocka_unit_test(test_jobrefs_are_bounded),
        cmocka_unit_test(test_jobrefs_pack_as_they_are),
        cmocka_unit_test_setup(test_when_reads_times, utc_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
