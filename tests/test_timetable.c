/* The timetable: the earliest first, whoever comes and goes. */
#include "timetable.h"

#include "support.h"

#include <stdlib.h>

#define COUNT 1000

static void test_timetable_empty(void **state)
{
    struct timetable timetable = {0};
    struct timetable_entry entry = {0};
    (void)state;
    assert_null(timetable_first(&timetable));
    timetable_remove(&timetable, &entry); /* is in none */
    assert_int_equal(timetable_reserve(&timetable, 0), 0);
    assert_null(timetable.entries);
    timetable_deinit(&timetable);
}

/* Takes the first out: its time. */
static int64_t take_first(struct timetable *timetable)
{
    struct timetable_entry *first = timetable_first(timetable);
    assert_non_null(first);
    assert_int_equal(first->place, 1);
    timetable_remove(timetable, first);
    assert_int_equal(first->place, 0);
    return first->at;
}

static void expect_order(int64_t (*at)(size_t i))
{
    static struct timetable_entry entries[COUNT];
    struct timetable timetable = {0};
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(timetable_reserve(&timetable, 1), 0);
        timetable_add(&timetable, &entries[i], at(i));
    }
    for (size_t i = 0; i < COUNT; i++) {
        const int64_t next = take_first(&timetable);
        assert_true(next >= last);
        last = next;
    }
    assert_null(timetable_first(&timetable));
    timetable_unreserve(&timetable, COUNT);
    timetable_deinit(&timetable);
}

static int64_t rising(size_t i)
{
    return (int64_t)i;
}

static int64_t falling(size_t i)
{
    return -(int64_t)i;
}

static int64_t equal(size_t i)
{
    (void)i;
    return INT64_MAX;
}

static int64_t mixed(size_t i)
{
    return (int64_t)(i * 7919 % COUNT);
}

static void test_timetable_order(void **state)
{
    (void)state;
    expect_order(rising);
    expect_order(falling);
    expect_order(equal);
    expect_order(mixed);
}

/* Room that was given back is given again, and no memory is asked for it. */
static void test_timetable_room(void **state)
{
    static struct timetable_entry entries[COUNT];
    struct timetable timetable = {0};
    (void)state;
    assert_int_equal(timetable_reserve(&timetable, COUNT), 0);
    struct timetable_entry **const memory = timetable.entries;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++)
            timetable_add(&timetable, &entries[i], 0);
        for (size_t i = 0; i < COUNT; i++)
            timetable_remove(&timetable, &entries[i]);
        timetable_unreserve(&timetable, COUNT);
        assert_int_equal(timetable_reserve(&timetable, COUNT), 0);
    }
    assert_ptr_equal(timetable.entries, memory);
    timetable_deinit(&timetable);
}

static int64_t earliest_of(const struct timetable_entry *entries, size_t count)
{
    int64_t earliest = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (entries[i].place > 0 && entries[i].at < earliest)
            earliest = entries[i].at;
    return earliest;
}

/* Added and removed anywhere, against a look at all of them. */
static void test_timetable_against_a_model(void **state)
{
    enum { ENTRIES = 40 };
    static struct timetable_entry entries[ENTRIES];
    struct timetable timetable = {0};
    size_t count = 0;
    (void)state;
    assert_int_equal(timetable_reserve(&timetable, ENTRIES), 0);
    srandom(7);
    for (int round = 0; round < 200000; round++) {
        struct timetable_entry *entry = &entries[random() % ENTRIES];
        if (entry->place == 0) {
            timetable_add(&timetable, entry, random() % 100);
            count++;
        } else {
            timetable_remove(&timetable, entry);
            count--;
        }
        const struct timetable_entry *first = timetable_first(&timetable);
        assert_int_equal(timetable.count, count);
        assert_int_equal(first == NULL, count == 0);
        if (first != NULL)
            assert_int_equal(first->at, earliest_of(entries, ENTRIES));
    }
    timetable_deinit(&timetable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_timetable_empty),
        SUPPORT_TEST(test_timetable_order),
        SUPPORT_TEST(test_timetable_room),
        SUPPORT_TEST(test_timetable_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
