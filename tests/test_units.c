/* Sizes, durations, numbers and times as people write them; and words that are nearly right. */
#include "suggest.h"
#include "units.h"

#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void test_units_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t bytes;
    } table[] = {
        {"0", 0, 0},
        {"100", 0, 100},
        {"512K", 0, 524288},
        {"2G", 0, INT64_C(2) << 30},
        {"1.5G", 0, INT64_C(3) << 29},
        {"1g", 0, 1 << 30},
        {"3KiB", 0, 3072},
        {"3Ki", 0, 3072},
        {"2MB", 0, 2000000},
        {"1kB", 0, 1000},
        {"7B", 0, 7},
        {"1T", 0, INT64_C(1) << 40},
        {".5K", 0, 512},
        {"", -EINVAL, 0},
        {"K", -EINVAL, 0},
        {"12Q", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 K", -EINVAL, 0},
        {"1KK", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"inf", -EINVAL, 0},
        {"nan", -EINVAL, 0},
        {"1e400", -ERANGE, 0},
        {"9999999T", -ERANGE, 0},
        {"1.2.3", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t bytes = 0;
        const int rc = units_parse_size(table[i].text, &bytes);
        if (rc != table[i].rc || (rc == 0 && bytes != table[i].bytes))
            fail_msg("%s: %d, %lld", table[i].text, rc, (long long)bytes);
    }
}

static void test_units_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t ms;
    } table[] = {
        {"1.5", 0, 1500},   {"30s", 0, 30000},    {"5m", 0, 300000},      {"2h", 0, 7200000}, {"1d", 0, 86400000},
        {"250ms", 0, 250},  {"0", 0, 0},          {"", -EINVAL, 0},       {"s", -EINVAL, 0},  {"5x", -EINVAL, 0},
        {"-5", -EINVAL, 0}, {"1h30", -EINVAL, 0}, {"1e300d", -ERANGE, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t ms = 0;
        const int rc = units_parse_duration(table[i].text, &ms);
        if (rc != table[i].rc || (rc == 0 && ms != table[i].ms))
            fail_msg("%s: %d, %lld", table[i].text, rc, (long long)ms);
    }
}

static void test_units_numbers(void **state)
{
    (void)state;
    int64_t number;
    double decimal;
    assert_int_equal(units_parse_number("17", 1, 20, &number), 0);
    assert_int_equal(number, 17);
    assert_int_equal(units_parse_number("-3", -40, 40, &number), 0);
    assert_int_equal(number, -3);
    assert_int_equal(units_parse_number("21", 1, 20, &number), -ERANGE);
    assert_int_equal(units_parse_number("99999999999999999999", 1, 20, &number), -ERANGE);
    assert_int_equal(units_parse_number("1x", 1, 20, &number), -EINVAL);
    assert_int_equal(units_parse_number("", 1, 20, &number), -EINVAL);
    assert_int_equal(units_parse_number(" 1", 1, 20, &number), -EINVAL);
    assert_int_equal(units_parse_decimal("1.5", 1.1, 100, &decimal), 0);
    assert_true(decimal > 1.49 && decimal < 1.51);
    assert_int_equal(units_parse_decimal("1", 1.1, 100, &decimal), -ERANGE);
    assert_int_equal(units_parse_decimal("two", 1.1, 100, &decimal), -EINVAL);
}

static int utc_begin(void **state)
{
    (void)state;
    setenv("TZ", "UTC0", 1);
    tzset();
    return 0;
}

static void test_units_times(void **state)
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
        if (units_parse_time(table[i].text, noon, &seconds) != 0 || seconds != table[i].seconds)
            fail_msg("%s: %f", table[i].text, seconds);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (units_parse_time(bad[i], noon, &seconds) != -EINVAL)
            fail_msg("%s: %f", bad[i], seconds);
}

static void test_units_formats(void **state)
{
    (void)state;
    char text[64];
    assert_string_equal(units_format_size(0, text, sizeof text), "0 B");
    assert_string_equal(units_format_size(1023, text, sizeof text), "1023 B");
    assert_string_equal(units_format_size(1536, text, sizeof text), "1.50 KiB");
    assert_string_equal(units_format_size(UINT64_C(300) << 20, text, sizeof text), "300.0 MiB");
    assert_string_equal(units_format_size(UINT64_MAX, text, sizeof text), "16.0 EiB");
    assert_string_equal(units_format_duration(1.5, text, sizeof text), "1.500 s");
    assert_string_equal(units_format_duration(125, text, sizeof text), "2 min 5 s");
    assert_string_equal(units_format_duration(7320, text, sizeof text), "2 h 2 min");
}

static void test_units_suggestions(void **state)
{
    (void)state;
    static const char *const words[] = {"memory", "timeout", "report", "retries", "run", NULL};
    assert_string_equal(suggest_word("memroy", words), "memory");
    assert_string_equal(suggest_word("timout", words), "timeout");
    assert_string_equal(suggest_word("rum", words), "run");
    assert_null(suggest_word("xylophone", words));
    assert_null(suggest_word("", (const char *const[]){NULL}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_units_sizes),       SUPPORT_TEST(test_units_durations),
        SUPPORT_TEST(test_units_numbers),     SUPPORT_TEST(test_units_formats),
        SUPPORT_TEST(test_units_suggestions), cmocka_unit_test_setup(test_units_times, utc_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
