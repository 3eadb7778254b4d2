/* How often a job is looked at: what the kill guarantee and the cost limit ask for. */
#include "rhythm.h"

#include "support.h"

#define MIB  (UINT64_C(1) << 20)
#define NONE (-1)

static const struct {
    struct rhythm_view view;
    int64_t expected;
} table[] = {
    /* nobody's peak is lost without us but a tree's */
    {{.limit = NONE, .every_ms = NONE, .looked_at = 1}, RHYTHM_SINGLE_MS},
    {{.limit = NONE, .every_ms = NONE, .looked_at = 1, .tree = true}, RHYTHM_TREE_MS},
    {{.limit = NONE, .every_ms = 3, .looked_at = 1}, 3},
    {{.limit = NONE, .every_ms = 5000, .looked_at = 1}, RHYTHM_SINGLE_MS},
    /* far from the limit as without one; nearer, the time that the fastest growth takes to it */
    {{.limit = 4096 * MIB, .every_ms = NONE, .used = 9 * MIB, .looked_at = 1}, RHYTHM_SINGLE_MS},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 112 * MIB, .looked_at = 1}, 9},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 208 * MIB, .looked_at = 1}, 3},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 255 * MIB, .looked_at = 1}, RHYTHM_NEAREST_MS},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 300 * MIB, .looked_at = 1}, RHYTHM_NEAREST_MS},
    {{.limit = 64 * MIB, .every_ms = NONE, .looked_at = 1}, 4},
    /* at rest near it: not so often */
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 255 * MIB, .still_ms = 99, .looked_at = 1}, RHYTHM_TREE_MS},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 100 * MIB, .still_ms = 99, .looked_at = 1}, 26},
    /* what a look costs bounds how often there is one: all together one part in a hundred */
    {{.limit = NONE, .every_ms = NONE, .looked_at = 64, .cost_us = 5, .tree = true}, 32},
    {{.limit = NONE, .every_ms = NONE, .looked_at = 1, .cost_us = 1000, .tree = true}, 128},
    {{.limit = NONE, .every_ms = 1, .looked_at = 1, .cost_us = 1000}, 128},
    /* but a limit is not passed unseen, whatever that costs */
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 100 * MIB, .looked_at = 64, .cost_us = 1000}, 9},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 100 * MIB, .looked_at = 1, .cost_us = 9000}, 36},
    /* near its limit the guarantee comes first, at up to a quarter of the time */
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 255 * MIB, .looked_at = 64, .cost_us = 5}, 1},
    {{.limit = 256 * MIB, .every_ms = NONE, .used = 255 * MIB, .looked_at = 64, .cost_us = 1000}, 4},
};

static void test_rhythm_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (rhythm_next(&table[i].view) != table[i].expected)
            fail_msg("row %zu: %lld instead of %lld", i, (long long)rhythm_next(&table[i].view),
                     (long long)table[i].expected);
}

/* A job that grows from nothing, looked at when the rhythm says so: how far past its limit it is at the first look that
 * finds it there. At 1.5 GB/s, and never by more than a scheduler's delay late; on huge pages, in time. */
static void check_growth(uint64_t rate_per_ms, int64_t latest)
{
    for (int64_t limit = (int64_t)MIB; limit < (int64_t)(16384 * MIB); limit = limit * 3 / 2)
        for (int64_t late = 0; late <= latest; late++) {
            struct rhythm_view view = {.limit = limit, .every_ms = NONE, .looked_at = 1, .cost_us = 3};
            for (int64_t at = 0; view.used <= (uint64_t)limit;) {
                at += rhythm_next(&view) + late;
                view.used = (uint64_t)at * rate_per_ms;
            }
            if (view.used - (uint64_t)limit > 64 * MIB)
                fail_msg("limit %lld: %llu past it", (long long)limit, (unsigned long long)view.used - (uint64_t)limit);
        }
}

static void test_rhythm_catches_fast_growth(void **state)
{
    (void)state;
    check_growth(1500000, 4);
    check_growth(14000000, 3);
}

/* It rests at the brink, and then grows at once. */
static void test_rhythm_catches_growth_from_rest(void **state)
{
    (void)state;
    for (uint64_t room = 0; room < 256 * MIB; room += MIB) {
        const struct rhythm_view view = {
            .limit = 256 * MIB, .every_ms = NONE, .used = 256 * MIB - room, .still_ms = RHYTHM_REST_MS, .looked_at = 1};
        const uint64_t grown = (uint64_t)rhythm_next(&view) * 1500000;
        assert_true(grown <= room + 64 * MIB);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_rhythm_table),
        SUPPORT_TEST(test_rhythm_catches_fast_growth),
        SUPPORT_TEST(test_rhythm_catches_growth_from_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
