/* Tables for people, and that nothing in them reaches the terminal as it came. */
#include "grid.h"
#include "plain.h"

#include "support.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void expect_plain(const char *data, size_t size, size_t most, const char *shown, size_t columns)
{
    struct text text = {0};
    const size_t added = plain_put(&text, data, size, most);
    assert_string_equal(text.data != NULL ? text.data : "", shown);
    assert_int_equal(added, columns);
    text_deinit(&text);
}

static void test_plain_shows_what_is_printable(void **state)
{
    (void)state;
    expect_plain("two words", 9, SIZE_MAX, "two words", 9);
    expect_plain("a\nb\033[31m", 8, SIZE_MAX, "a\\x0ab\\x1b[31m", 14);
    expect_plain("a\0b\x7f", 4, SIZE_MAX, "a\\x00b\\x7f", 10);
    expect_plain("\xc3\xa4", 2, SIZE_MAX, "\xc3\xa4", 1);             /* a letter */
    expect_plain("\xe6\x97\xa5", 3, SIZE_MAX, "\xe6\x97\xa5", 2);     /* a wide one */
    expect_plain("\xc2\x9b", 2, SIZE_MAX, "\\xc2\\x9b", 8);           /* CSI in one character */
    expect_plain("\xe2\x80\xae", 3, SIZE_MAX, "\\xe2\\x80\\xae", 12); /* right to left, from here on */
    expect_plain("\xff\xc3", 2, SIZE_MAX, "\\xff\\xc3", 8);           /* no UTF-8 */
    expect_plain("", 0, SIZE_MAX, "", 0);
}

static void test_plain_cuts(void **state)
{
    (void)state;
    expect_plain("123456789", 9, 9, "123456789", 9);
    expect_plain("1234567890", 10, 9, "123456...", 9);
    expect_plain("12345\n7890", 10, 9, "12345...", 8); /* never half an escape */
    expect_plain("\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5", 9, 5, "\xe6\x97\xa5...", 5);
    expect_plain("1234", 4, 2, "..", 2);
    expect_plain("1234", 4, 0, "", 0);
}

static void print(struct grid *grid, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(grid_print(grid, file), 0);
    fclose(file);
    assert_string_equal(text, expected);
    free(text);
}

static void test_grid_aligns_page_after_page(void **state)
{
    static const char *const titles[] = {">ID", "STATE", "COMMAND", NULL};
    struct grid grid;
    (void)state;
    grid_begin(&grid, titles);
    grid_adds(&grid, "7");
    grid_add(&grid, GRID_RED, "failed", 6); /* no colour: no terminal */
    grid_adds(&grid, "a\nb");
    grid_adds(&grid, "100");
    grid_adds(&grid, "");
    grid_adds(&grid, "");
    print(&grid, " ID  STATE   COMMAND\n  7  failed  a\\x0ab\n100          \n");
    grid_adds(&grid, "8");
    grid_adds(&grid, "done");
    grid_adds(&grid, "true");
    print(&grid, "  8  done    true\n");
    grid_adds(&grid, "dropped with the grid");
    grid_deinit(&grid);
}

static void test_grid_bounds_its_cells(void **state)
{
    static const char *const titles[] = {"GROUP", "COMMAND", NULL};
    struct grid grid;
    (void)state;
    grid_begin(&grid, titles);
    grid_adds(&grid, "a-group-whose-name-is-longer-than-that");
    grid_adds(&grid, "and a command that is longer than that, too");
    print(&grid, "GROUP                     COMMAND\n"
                 "a-group-whose-name-is...  and a command that is longer than that, too\n");
    grid_deinit(&grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_shows_what_is_printable),
        cmocka_unit_test(test_plain_cuts),
        cmocka_unit_test(test_grid_aligns_page_after_page),
        cmocka_unit_test(test_grid_bounds_its_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
