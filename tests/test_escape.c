/* Bytes for a reader: what is escaped, and where it is cut. */
#include "escape.h"

#include "support.h"

#include <string.h>

#define ALL (ESCAPE_CONTROL | ESCAPE_HIGH | ESCAPE_QUOTES)

static void test_escape_classes(void **state)
{
    (void)state;
    static const char bytes[] = "a\n\x1f\x7f\"\\\x80\xff \0z";
    static const struct {
        unsigned classes;
        const char *text;
    } table[] = {
        {ALL, "a\\x0a\\x1f\\x7f\\x22\\x5c\\x80\\xff \\x00z"},
        {ESCAPE_CONTROL, "a\\x0a\\x1f\\x7f\"\\\x80\xff \\x00z"},
        {ESCAPE_QUOTES | ESCAPE_CONTROL, "a\\x0a\\x1f\\x7f\\x22\\x5c\x80\xff \\x00z"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const size_t size = escape_bytes(bytes, sizeof bytes - 1, table[i].classes, out, sizeof out);
        assert_string_equal(out, table[i].text);
        assert_int_equal(size, strlen(table[i].text));
    }
    assert_int_equal(escape_bytes(bytes, sizeof bytes - 1, ESCAPE_HIGH, out, sizeof out), sizeof bytes - 1 + 6);
    assert_memory_equal(out, "a\n\x1f\x7f\"\\\\x80\\xff \0z", sizeof bytes + 6);
}

static void test_escape_cuts_between_bytes(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(escape_bytes("ab\ncd", 5, ALL, out, 9), 8);
    assert_string_equal(out, "ab\\x0acd");
    assert_int_equal(escape_bytes("ab\ncd", 5, ALL, out, 8), 7);
    assert_string_equal(out, "ab\\x0ac");
    assert_int_equal(escape_bytes("ab\ncd", 5, ALL, out, 6), 2);
    assert_string_equal(out, "ab");
    assert_int_equal(escape_bytes("ab", 2, ALL, out, 1), 0);
    assert_string_equal(out, "");
    assert_int_equal(escape_bytes(NULL, 0, ALL, out, sizeof out), 0);
    assert_string_equal(out, "");
}

static void test_escape_of_a_byte(void **state)
{
    (void)state;
    char out[ESCAPE_SIZE + 1];
    assert_int_equal(escape_byte('\xc3', out), ESCAPE_SIZE);
    assert_string_equal(out, "\\xc3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_escape_classes),
        SUPPORT_TEST(test_escape_cuts_between_bytes),
        SUPPORT_TEST(test_escape_of_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
