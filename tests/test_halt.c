/* --halt in parallel's words and with its exit codes; and the median that --timeout 200% is of. */
#include "halt.h"
#include "summary.h"

#include "support.h"

#include <errno.h>

static void test_halt_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum halt_when when;
        enum halt_what what;
        uint64_t count;
        double percent;
    } table[] = {
        {"never", HALT_NEVER, HALT_FAIL, 0, 0},
        {"now,fail=1", HALT_NOW, HALT_FAIL, 1, 0},
        {"soon,fail=3%", HALT_SOON, HALT_FAIL, 0, 3},
        {"now,success=2", HALT_NOW, HALT_SUCCESS, 2, 0},
        {"soon,done=100%", HALT_SOON, HALT_DONE, 0, 100},
        {"now,done=20%", HALT_NOW, HALT_DONE, 0, 20},
        {"0", HALT_NEVER, HALT_FAIL, 0, 0},
        {"1", HALT_SOON, HALT_FAIL, 1, 0},
        {"2", HALT_NOW, HALT_FAIL, 1, 0},
    };
    struct halt halt;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(halt_parse(table[i].text, &halt), 0);
        assert_int_equal(halt.when, table[i].when);
        assert_int_equal(halt.what, table[i].what);
        assert_int_equal(halt.count, table[i].count);
        assert_true(halt.percent == table[i].percent);
    }
    static const char *const bad[] = {"",
                                      "now",
                                      "soon",
                                      "now,fail",
                                      "now,fail=",
                                      "now,fail=0",
                                      "now,fail=x",
                                      "now,fail=1x",
                                      "later,fail=1",
                                      "now,fail=-1",
                                      "now,fail=101%",
                                      "now,fail=0%",
                                      "now,fail=5%%",
                                      "now,fails=1",
                                      "3",
                                      "never,fail=1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(halt_parse(bad[i], &halt), -EINVAL);
}

static bool reached(const char *text, uint64_t failed, uint64_t done, uint64_t total, bool last_failed)
{
    struct halt halt;
    assert_int_equal(halt_parse(text, &halt), 0);
    return halt_reached(&halt, &(struct halt_counts){failed, done, total}, last_failed);
}

static void test_halt_is_reached(void **state)
{
    (void)state;
    assert_false(reached("never", 9, 9, 9, true));
    assert_true(reached("now,fail=1", 1, 5, 0, true));
    assert_false(reached("now,fail=1", 1, 5, 0, false)); /* asked after the job that failed */
    assert_false(reached("now,fail=2", 1, 5, 0, true));
    assert_true(reached("now,success=4", 1, 5, 0, false));
    assert_false(reached("now,success=5", 1, 5, 0, false));
    assert_true(reached("now,done=5", 1, 5, 0, true));
    assert_true(reached("soon,fail=10%", 1, 1, 10, true));
    assert_false(reached("soon,fail=11%", 1, 1, 10, true));
    assert_false(reached("soon,fail=1%", 9, 9, 0, true)); /* of how many is not known */
}

static int code_of(const char *text, uint64_t failed, uint64_t done, uint64_t total, int job)
{
    struct halt halt;
    assert_int_equal(halt_parse(text, &halt), 0);
    return halt_exit_code(&halt, &(struct halt_counts){failed, done, total}, job);
}

static void test_halt_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(code_of("now,fail=1", 1, 5, 9, 7), 7);
    assert_int_equal(code_of("soon,fail=1", 1, 5, 9, 137), 137);
    assert_int_equal(code_of("now,fail=3", 3, 5, 9, 7), 3);
    assert_int_equal(code_of("now,fail=300", 300, 500, 900, 7), 101);
    assert_int_equal(code_of("now,success=1", 3, 5, 9, 0), 0);
    assert_int_equal(code_of("now,done=1", 0, 1, 9, 0), 0);
    assert_int_equal(code_of("now,fail=50%", 2, 2, 3, 7), 67);
    const struct halt half = {.when = HALT_SOON, .what = HALT_FAIL, .percent = 50};
    assert_int_equal(halt_end_code(&half, &(struct halt_counts){3, 7, 7}), 43);
    assert_int_equal(halt_end_code(&half, &(struct halt_counts){0, 7, 7}), 0);
    assert_int_equal(halt_end_code(&(struct halt){0}, &(struct halt_counts){3, 7, 7}), 3);
    assert_int_equal(halt_failures_code(0), 0);
    assert_int_equal(halt_failures_code(100), 100);
    assert_int_equal(halt_failures_code(101), 101);
    assert_int_equal(halt_failures_code(1000000), 101);
}

static void test_halt_median(void **state)
{
    (void)state;
    static struct median median;
    assert_true(median_of(&median) == 0);
    median_add(&median, 3);
    median_add(&median, 1);
    assert_true(median_of(&median) == 0);
    median_add(&median, 100);
    assert_true(median_of(&median) == 3);
    median_add(&median, 2);
    assert_true(median_of(&median) == 2.5);
    for (int i = 0; i < MEDIAN_MOST; i++)
        median_add(&median, 7);
    assert_true(median_of(&median) == 7); /* the old ones are gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_halt_words),
        SUPPORT_TEST(test_halt_is_reached),
        SUPPORT_TEST(test_halt_exit_codes),
        SUPPORT_TEST(test_halt_median),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
