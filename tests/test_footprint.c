/* From what single processes have resident to what their job uses. */
#include "footprint.h"

#include "support.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

static void assert_footprint(const struct footprint_process *processes, size_t count, uint64_t least, uint64_t most)
{
    const struct footprint got = footprint_of(processes, count);
    assert_int_equal(got.least, least);
    assert_int_equal(got.most, most);
}

static void test_footprint_of_none_and_one(void **state)
{
    (void)state;
    assert_footprint(NULL, 0, 0, 0);
    assert_footprint(&(struct footprint_process){.anonymous = 7, .shared = 5}, 1, 12, 12);
}

/* What a child has beyond what its parent had is its own; of the rest nobody knows. */
static void test_footprint_of_forked_processes(void **state)
{
    (void)state;
    const struct footprint_process family[] = {
        {.anonymous = 100}, {.anonymous = 100, .inheritable = 100}, {.anonymous = 130, .inheritable = 100}};
    assert_footprint(family, 3, 130, 330);
    const struct footprint_process exec[] = {{.anonymous = 100}, {.anonymous = 40}, {.anonymous = 50}};
    assert_footprint(exec, 3, 190, 190);
    const struct footprint_process freed[] = {{.anonymous = 10}, {.anonymous = 10, .inheritable = 100}};
    assert_footprint(freed, 2, 10, 20);
}

/* Shared memory may be the same in all of them, or not. */
static void test_footprint_of_shared_memory(void **state)
{
    (void)state;
    const struct footprint_process processes[] = {{.anonymous = 1, .shared = 50}, {.shared = 60}, {.shared = 60}};
    assert_footprint(processes, 3, 61, 171);
    const struct footprint_process readers[] = {{.anonymous = 1}, {.shared = 30, .foreign = 100}};
    assert_footprint(readers, 2, 1, 31);
    const struct footprint_process more[] = {{.anonymous = 1}, {.shared = 130, .foreign = 100}};
    assert_footprint(more, 2, 31, 131);
}

static void test_footprint_is_vague(void **state)
{
    (void)state;
    assert_false(footprint_is_vague(&(struct footprint){100 * MIB, 100 * MIB}));
    assert_false(footprint_is_vague(&(struct footprint){0, MIB}));
    assert_true(footprint_is_vague(&(struct footprint){0, MIB + 1}));
    assert_false(footprint_is_vague(&(struct footprint){980 * MIB, 1000 * MIB}));
    assert_true(footprint_is_vague(&(struct footprint){979 * MIB, 1000 * MIB}));
}

static void test_footprint_walked(void **state)
{
    (void)state;
    static const struct {
        struct footprint_walked processes[3];
        size_t count;
        struct footprint_before before;
        struct footprint_truth expected;
    } table[] = {
        {{{0}}, 0, {.sharers = 1}, {0}},
        {{{.anonymous = 70, .private = 70, .all = 70}}, 1, {.sharers = 1}, {.bytes = 70}},
        /* pages that parent and child share are in each by half */
        {{{.anonymous = 50, .all = 100}, {.anonymous = 50, .all = 100}},
         2,
         {.sharers = 1},
         {.bytes = 100, .twice = 100}},
        {{{.anonymous = 50, .shared = 10, .all = 100, .counted = 20},
          {.anonymous = 80, .shared = 10, .private = 30, .all = 130, .counted = 20}},
         2,
         {.sharers = 1},
         {.bytes = 150, .twice = 120}},
        /* a template of 100 that nobody has written to: the worker has half of it, the fork server the other */
        {{{.anonymous = 50, .all = 100, .heir = true}}, 1, {.inherited = 100, .sharers = 1}, {0}},
        {{{.anonymous = 50 + 30, .private = 30, .all = 130, .heir = true}},
         1,
         {.inherited = 100, .sharers = 1},
         {.bytes = 30}},
        /* all of it rewritten */
        {{{.anonymous = 100, .private = 100, .all = 100, .heir = true}},
         1,
         {.inherited = 100, .sharers = 1},
         {.bytes = 100, .rewritten = 100}},
        /* a fifth of it rewritten, and 30 of its own: the divided sum alone would say less */
        {{{.anonymous = 20 + 40 + 30, .private = 50, .all = 130, .heir = true}},
         1,
         {.inherited = 100, .sharers = 1},
         {.bytes = 50, .rewritten = 20}},
        /* worker and child, both with a third of it, and 40 that they share beside it */
        {{{.anonymous = 30 + 20, .all = 130, .heir = true}, {.anonymous = 30 + 20, .all = 130, .heir = true}},
         2,
         {.inherited = 90, .sharers = 1},
         {.bytes = 40, .twice = 40}},
        /* a command has none of it, its worker has */
        {{{.anonymous = 45, .all = 90, .heir = true}, {.anonymous = 70, .private = 70, .all = 70}},
         2,
         {.inherited = 90, .sharers = 1},
         {.bytes = 70}},
        /* an argument of 100: alone; half of it touched by a child as well; and a child with 30 of its own */
        {{{.shared = 100}}, 1, {.sharers = 1, .argument = 100}, {0}},
        {{{.shared = 75}, {.shared = 25, .counted = 50}}, 2, {.sharers = 1, .argument = 100}, {.twice = 50}},
        {{{.shared = 100}, {.shared = 30, .counted = 30}}, 2, {.sharers = 1, .argument = 100}, {.bytes = 30}},
        /* the worker had all of it alone when it was walked, and a child half of it soon after */
        {{{.shared = 100}, {.shared = 50, .counted = 100}},
         2,
         {.sharers = 1, .argument = 100, .mapped = 100},
         {.moved = 50, .twice = 100}},
        {{{.shared = 130}}, 1, {.sharers = 1, .argument = 100, .mapped = 100}, {.bytes = 30}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct footprint_truth got = footprint_walked(table[i].processes, table[i].count, &table[i].before);
        if (memcmp(&got, &table[i].expected, sizeof got) != 0)
            fail_msg("row %zu: %llu, %llu moved, %llu twice, %llu rewritten", i, (unsigned long long)got.bytes,
                     (unsigned long long)got.moved, (unsigned long long)got.twice, (unsigned long long)got.rewritten);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_footprint_of_none_and_one),  SUPPORT_TEST(test_footprint_of_forked_processes),
        SUPPORT_TEST(test_footprint_of_shared_memory), SUPPORT_TEST(test_footprint_is_vague),
        SUPPORT_TEST(test_footprint_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
