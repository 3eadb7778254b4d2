/* The ladder: which signal when, told once. */
#include "ladder.h"

#include "support.h"

#include <stdlib.h>

enum { CANCEL = 1, TIMEOUT = 2, OTHER = 3 };

static struct ladder fresh(void)
{
    struct ladder ladder;
    ladder_init(&ladder);
    return ladder;
}

/* Nothing is to be done for times from now on, however often it is asked. */
static void assert_quiet(struct ladder *ladder, int64_t from, int64_t to)
{
    for (int64_t now = from; now <= to; now++)
        assert_int_equal(ladder_step(ladder, now, 0), LADDER_WAIT);
}

static void test_ladder_without_limits_waits(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    assert_int_equal(ladder_step(&ladder, 0, 0), LADDER_WAIT);
    assert_int_equal(ladder_step(&ladder, INT64_MAX, 0), LADDER_WAIT);
    assert_true(ladder_next(&ladder, 0) == LADDER_NEVER);
    assert_true(ladder_next(&ladder, 1000) == LADDER_NEVER);
    assert_int_equal(ladder.reason, 0);
}

static void test_ladder_terminates_then_kills(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_ask(&ladder, CANCEL, 50, 100);
    assert_int_equal(ladder_next(&ladder, 0), 0); /* at once */
    assert_int_equal(ladder_step(&ladder, 100, 0), LADDER_TERM);
    assert_int_equal(ladder_next(&ladder, 0), 150);
    assert_quiet(&ladder, 100, 149);
    assert_int_equal(ladder_step(&ladder, 150, 0), LADDER_KILL);
    assert_true(ladder_next(&ladder, 0) == LADDER_NEVER);
    assert_quiet(&ladder, 150, 400);
    assert_int_equal(ladder.reason, CANCEL);
}

static void test_ladder_without_grace_kills_at_once(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_ask(&ladder, CANCEL, 0, 100);
    assert_int_equal(ladder_step(&ladder, 100, 0), LADDER_KILL);
    assert_quiet(&ladder, 100, 110);
}

/* Asked late for the first time, with the grace gone by: no SIGTERM any more. */
static void test_ladder_late_step_kills(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_ask(&ladder, CANCEL, 50, 100);
    assert_int_equal(ladder_step(&ladder, 1000, 0), LADDER_KILL);
    assert_quiet(&ladder, 1000, 1010);
}

static void test_ladder_deadline(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_limit(&ladder, 200, TIMEOUT, 30);
    assert_int_equal(ladder_next(&ladder, 0), 200);
    assert_quiet(&ladder, 0, 199);
    assert_int_equal(ladder.reason, 0);
    assert_int_equal(ladder_step(&ladder, 203, 0), LADDER_TERM); /* a little late: the grace counts from here */
    assert_int_equal(ladder.reason, TIMEOUT);
    assert_int_equal(ladder_next(&ladder, 0), 233);
    assert_quiet(&ladder, 203, 232);
    assert_int_equal(ladder_step(&ladder, 233, 0), LADDER_KILL);
}

static void test_ladder_deadline_without_grace(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_limit(&ladder, 200, TIMEOUT, 0);
    assert_int_equal(ladder_step(&ladder, 200, 0), LADDER_KILL);
    assert_int_equal(ladder.reason, TIMEOUT);
}

/* While the job is stopped its deadline does not run; a grace under way does. */
static void test_ladder_deadline_leaves_out_pauses(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_limit(&ladder, 200, TIMEOUT, 30);
    assert_int_equal(ladder_step(&ladder, 500, 400), LADDER_WAIT);
    assert_int_equal(ladder_next(&ladder, 400), 600);
    assert_int_equal(ladder_step(&ladder, 599, 400), LADDER_WAIT);
    assert_int_equal(ladder_step(&ladder, 600, 400), LADDER_TERM);
    assert_int_equal(ladder_next(&ladder, 500), 630);
    assert_int_equal(ladder_step(&ladder, 630, 500), LADDER_KILL);
}

/* The first reason stays; the sooner end counts. */
static void test_ladder_second_request_makes_it_sooner(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_ask(&ladder, CANCEL, 1000, 100);
    assert_int_equal(ladder_step(&ladder, 100, 0), LADDER_TERM);
    ladder_ask(&ladder, OTHER, 5000, 110);
    assert_int_equal(ladder_next(&ladder, 0), 1100);
    ladder_ask(&ladder, OTHER, 20, 120);
    assert_int_equal(ladder_next(&ladder, 0), 140);
    assert_quiet(&ladder, 120, 139);
    ladder_ask(&ladder, OTHER, 0, 130);
    assert_int_equal(ladder_step(&ladder, 130, 0), LADDER_KILL);
    ladder_ask(&ladder, OTHER, 0, 131);
    assert_quiet(&ladder, 131, 140);
    assert_int_equal(ladder.reason, CANCEL);
}

static void test_ladder_deadline_after_a_request_changes_nothing(void **state)
{
    (void)state;
    struct ladder ladder = fresh();
    ladder_limit(&ladder, 150, TIMEOUT, 0);
    ladder_ask(&ladder, CANCEL, 1000, 100);
    assert_int_equal(ladder_step(&ladder, 100, 0), LADDER_TERM);
    assert_quiet(&ladder, 101, 1099);
    assert_int_equal(ladder.reason, CANCEL);
    assert_int_equal(ladder_step(&ladder, 1100, 0), LADDER_KILL);
}

/* Whatever is asked and in whatever order: at most one TERM, one KILL, never TERM after KILL, and next never lies. */
static void test_ladder_random_requests(void **state)
{
    (void)state;
    srandom(3);
    for (int round = 0; round < 5000; round++) {
        struct ladder ladder = fresh();
        int terms = 0, kills = 0;
        if (random() % 2 == 0)
            ladder_limit(&ladder, random() % 100, TIMEOUT, random() % 50);
        for (int64_t now = 0; now < 200; now += random() % 5) {
            if (random() % 20 == 0)
                ladder_ask(&ladder, CANCEL, random() % 60, now);
            const int64_t next = ladder_next(&ladder, 0);
            const enum ladder_action action = ladder_step(&ladder, now, 0);
            assert_int_equal(action != LADDER_WAIT, now >= next);
            terms += action == LADDER_TERM;
            kills += action == LADDER_KILL;
            assert_true(terms <= 1 && kills <= 1);
            assert_false(action == LADDER_TERM && kills > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_ladder_without_limits_waits),
        SUPPORT_TEST(test_ladder_terminates_then_kills),
        SUPPORT_TEST(test_ladder_without_grace_kills_at_once),
        SUPPORT_TEST(test_ladder_late_step_kills),
        SUPPORT_TEST(test_ladder_deadline),
        SUPPORT_TEST(test_ladder_deadline_without_grace),
        SUPPORT_TEST(test_ladder_deadline_leaves_out_pauses),
        SUPPORT_TEST(test_ladder_second_request_makes_it_sooner),
        SUPPORT_TEST(test_ladder_deadline_after_a_request_changes_nothing),
        SUPPORT_TEST(test_ladder_random_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
