/* How many workers to ask for, and when not to. */
#include "births.h"

#include "support.h"

#include <stdlib.h>

static void test_births_wanted_table(void **state)
{
    (void)state;
    static const struct {
        struct births_view view;
        size_t expected;
    } table[] = {
        /* warm ones, with nothing to do */
        {{.workers = 4, .warm = 4}, 4},
        {{.workers = 4, .warm = 4, .idle = 4, .processes = 4}, 0},
        {{.workers = 4, .warm = 4, .idle = 3, .asked = 1, .processes = 4}, 0},
        {{.workers = 4, .warm = 0}, 0},
        {{.workers = 4, .warm = 2, .idle = 5, .processes = 5}, 0},
        /* jobs to do: one each, up to workers, and the warm ones behind them */
        {{.workers = 4, .warm = 0, .queued = 1}, 1},
        {{.workers = 4, .warm = 0, .queued = 100}, 4},
        {{.workers = 4, .warm = 2, .queued = 1}, 3},
        {{.workers = 4, .warm = 0, .queued = 100, .running = 3, .processes = 3}, 1},
        {{.workers = 4, .warm = 0, .queued = 100, .running = 4, .processes = 4}, 0},
        {{.workers = 4, .warm = 0, .queued = 2, .asked = 2, .processes = 2}, 0},
        {{.workers = 4, .warm = 0, .queued = 2, .idle = 1, .processes = 1}, 1},
        {{.workers = 4, .warm = 2, .queued = 0, .running = 4, .processes = 4}, 2},
        /* more run than may: workers that end */
        {{.workers = 2, .warm = 0, .queued = 5, .running = 3, .processes = 3}, 0},
        /* never more processes than workers and warm ones */
        {{.workers = 4, .warm = 2, .queued = 9, .processes = 5}, 1},
        {{.workers = 4, .warm = 2, .queued = 9, .processes = 6}, 0},
        {{.workers = 4, .warm = 2, .queued = 9, .processes = 60}, 0},
        /* never more unacknowledged than the channel holds */
        {{.workers = 1000, .warm = 0, .queued = 1000}, BIRTHS_UNACKNOWLEDGED_MAX},
        {{.workers = 1000, .warm = 1000, .queued = 1000, .asked = 30, .processes = 30}, 2},
        {{.workers = 1000, .warm = 0, .queued = 1000, .asked = 32, .processes = 32}, 0},
        {{.workers = 1000, .warm = 0, .queued = 1000, .asked = 99, .processes = 99}, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (births_wanted(&table[i].view) != table[i].expected)
            fail_msg("row %zu: %zu instead of %zu", i, births_wanted(&table[i].view), table[i].expected);
}

/* In any state: the bounds hold, and a job that could start gets a worker in the end. */
static void test_births_wanted_random_views(void **state)
{
    (void)state;
    srandom(6);
    for (int i = 0; i < 200000; i++) {
        struct births_view view = {
            .queued = (size_t)random() % 50,
            .running = (size_t)random() % 50,
            .idle = (size_t)random() % 50,
            .asked = (size_t)random() % 50,
            .workers = (size_t)random() % 50 + 1,
            .warm = (size_t)random() % 50,
        };
        view.processes = view.running + view.idle + view.asked;
        const size_t wanted = births_wanted(&view);
        assert_true(wanted + view.asked <= BIRTHS_UNACKNOWLEDGED_MAX || wanted == 0);
        assert_true(wanted + view.processes <= view.workers + view.warm || wanted == 0);
        if (view.queued > 0 && view.running < view.workers && view.idle + view.asked == 0)
            assert_true(wanted > 0);
    }
}

/* Whoever is asked for is no surplus when it comes, whatever else came meanwhile but another's place. */
static void test_births_surplus(void **state)
{
    (void)state;
    static const struct {
        struct births_view view;
        bool expected;
    } table[] = {
        {{.workers = 2, .warm = 1}, false},
        {{.workers = 2, .warm = 1, .idle = 1}, false}, /* a replacement that nobody asked for */
        {{.workers = 2, .warm = 1, .idle = 1, .asked = 1}, true},
        {{.workers = 2, .warm = 1, .idle = 2}, true},
        {{.workers = 2, .warm = 1, .idle = 2, .queued = 3, .running = 1}, false},
        {{.workers = 2, .warm = 1, .idle = 2, .queued = 3, .running = 2}, true},
        {{.workers = 2, .warm = 0, .queued = 1}, false},
        {{.workers = 2, .warm = 0}, false},
        {{.workers = 2, .warm = 0, .idle = 1}, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (births_surplus(&table[i].view) != table[i].expected)
            fail_msg("row %zu", i);
}

static void test_births_failures_back_off(void **state)
{
    (void)state;
    struct births_failures failures = {0};
    int64_t now = 1000000, last = 0;
    for (unsigned n = 1; n <= BIRTHS_FAILURES_MAX + 5; n++) {
        const bool over = births_failed(&failures, now);
        assert_int_equal(over, n >= BIRTHS_FAILURES_MAX);
        const int64_t pause = failures.not_before - now;
        assert_true(pause > 0 && pause >= last && pause <= 1000);
        last = pause;
        now = failures.not_before;
        if (n == BIRTHS_FAILURES_MAX)
            assert_true(now - 1000000 > 3000 && now - 1000000 < 15000);
    }
}

static void test_births_success_ends_the_failures(void **state)
{
    (void)state;
    struct births_failures failures = {0};
    births_failed(&failures, 0);
    const int64_t first = failures.not_before;
    for (int i = 0; i < 20; i++)
        births_failed(&failures, 0);
    births_succeeded(&failures);
    assert_int_equal(failures.count, 0);
    assert_int_equal(failures.not_before, 0);
    assert_false(births_failed(&failures, 0));
    assert_int_equal(failures.not_before, first);
}

/* However many were killed while they waited, nobody is told that none can be born; the next comes a moment later. */
static void test_births_idle_deaths_are_no_failures(void **state)
{
    (void)state;
    struct births_failures failures = {0};
    for (int i = 0; i < 100; i++)
        births_died_idle(&failures, 1000);
    assert_int_equal(failures.count, 0);
    assert_true(failures.not_before > 1000 && failures.not_before <= 1100);
    births_failed(&failures, 5000);
    const int64_t later = failures.not_before;
    births_died_idle(&failures, 1000);
    assert_int_equal(failures.not_before, later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_births_wanted_table),
        SUPPORT_TEST(test_births_wanted_random_views),
        SUPPORT_TEST(test_births_surplus),
        SUPPORT_TEST(test_births_failures_back_off),
        SUPPORT_TEST(test_births_success_ends_the_failures),
        SUPPORT_TEST(test_births_idle_deaths_are_no_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
