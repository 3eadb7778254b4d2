/* Who may start: by budget, by what is unknown, by the machine; who may pass whom; who has to go. */
#include "admission.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (INT64_C(1) << 20)

/* Sizes in MiB. */
static void make(struct admission *admission, int64_t budget, bool is_given, int64_t floor, size_t workers)
{
    const struct admission_rules rules = {.budget = (uint64_t)(budget * MIB),
                                          .budget_is_given = is_given,
                                          .floor = (uint64_t)(floor * MIB),
                                          .total = (uint64_t)(100000 * MIB),
                                          .workers = workers};
    admission_init(admission, &rules);
}

static struct admission_ticket said(int64_t mib)
{
    return (struct admission_ticket){.name = "said", .said = mib * MIB};
}

static struct admission_ticket named(const char *name)
{
    return (struct admission_ticket){.name = name};
}

/* Tries the tickets in their order: which one starts; -1: none. */
static int try_all(struct admission *admission, struct admission_ticket *tickets, size_t count, int64_t now)
{
    struct admission_scan scan;
    admission_scan(admission, now, &scan);
    for (size_t i = 0; i < count; i++) {
        if (tickets[i].is_running)
            continue;
        const enum admission_answer answer = admission_try(&scan, &tickets[i]);
        if (answer == ADMISSION_START)
            return (int)i;
        if (answer == ADMISSION_STOP)
            return -1;
    }
    return -1;
}

static bool try_one(struct admission *admission, struct admission_ticket *ticket, int64_t now)
{
    return try_all(admission, ticket, 1, now) == 0;
}

/* Starts all that may: how many. */
static size_t start_all(struct admission *admission, struct admission_ticket *tickets, size_t count, int64_t now)
{
    size_t started = 0;
    while (try_all(admission, tickets, count, now) >= 0)
        started++;
    return started;
}

/* A name whose jobs need so much, all alike: the margin of one peak in 32 is below 1 %. */
static void teach(struct admission *admission, const char *name, int64_t mib)
{
    for (int i = 0; i < LEARNED_WINDOW; i++)
        assert_true(learned_note(&admission->learned, name, (uint64_t)(mib * MIB)));
}

static void expect_reserved(const struct admission *admission, int64_t mib)
{
    const int64_t reserved = (int64_t)admission_reserved(admission) / MIB;
    if (reserved != mib)
        fail_msg("%lld MiB are reserved, not %lld", (long long)reserved, (long long)mib);
}

/* ---- the budget ------------------------------------------------------------------------------------------------ */

static void test_admission_said_needs_fill_the_budget_and_no_more(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket tickets[] = {said(400), said(400), said(200), said(1)};
    assert_int_equal(start_all(&admission, tickets, 4, 1), 3);
    expect_reserved(&admission, 1000);
    assert_false(tickets[3].is_running);
    admission_end(&admission, &tickets[2], 0, false, 2);
    expect_reserved(&admission, 800);
    assert_true(try_one(&admission, &tickets[3], 2));
    admission_deinit(&admission);
}

static void test_admission_alone_anything_starts(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket whole = said(1000), grown = {.name = "grown", .least = (uint64_t)(5000 * MIB)};
    struct admission_ticket nothing = {.name = "nothing", .said = -1};
    assert_true(try_one(&admission, &nothing, 1));
    expect_reserved(&admission, 0);
    assert_true(try_one(&admission, &whole, 1));
    assert_false(try_one(&admission, &grown, 1));
    struct admission_ticket another = {.name = "nothing", .said = -1};
    assert_true(try_one(&admission, &another, 1)); /* nothing fits always */
    admission_end(&admission, &whole, 0, false, 2);
    assert_true(try_one(&admission, &grown, 2));
    expect_reserved(&admission, 1000); /* expected to need all, and no more than all */
    admission_deinit(&admission);
}

/* How much one is expected to need, alone in 1,000 MiB for four workers. */
static void test_admission_expectation_table(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct admission_ticket ticket;
        bool is_given;
        int64_t expected; /* MiB */
    } table[] = {
        {"said", {.name = "new", .said = 300 * MIB}, true, 300},
        {"said, though learned", {.name = "old", .said = 300 * MIB}, true, 300},
        {"said to be nothing", {.name = "old", .said = -1}, true, 0},
        {"said, above the limit", {.name = "new", .said = 300 * MIB, .limit = 200 * MIB}, true, 200},
        {"said, and outgrown", {.name = "new", .said = 300 * MIB, .least = 350 * MIB}, true, 350},
        {"nothing, and outgrown", {.name = "new", .said = -1, .least = 350 * MIB}, true, 350},
        {"learned", {.name = "old"}, true, 100},
        {"learned, above the limit", {.name = "old", .limit = 50 * MIB}, true, 50},
        {"learned, and outgrown", {.name = "old", .least = 150 * MIB}, true, 150},
        {"learned, above the budget", {.name = "huge"}, true, 1000},
        {"unknown, default budget", {.name = "new"}, false, 250},
        {"unknown, given budget", {.name = "new"}, true, 500},
        {"unknown, with a limit", {.name = "new", .limit = 30 * MIB}, true, 30},
        {"unknown, with a larger limit", {.name = "new", .limit = 800 * MIB}, true, 800},
        {"unknown, with a limit above the budget", {.name = "new", .limit = 7000 * MIB}, true, 1000},
        {"unknown, with a limit, default budget", {.name = "new", .limit = 800 * MIB}, false, 250},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct admission admission;
        make(&admission, 1000, table[i].is_given, 0, 4);
        struct admission_ticket ticket = table[i].ticket;
        teach(&admission, "old", 100);
        teach(&admission, "huge", 7000);
        assert_true(try_one(&admission, &ticket, 1));
        if ((int64_t)ticket.reserved / MIB != table[i].expected)
            fail_msg("%s: %lld MiB", table[i].what, (long long)ticket.reserved / MIB);
        admission_deinit(&admission);
    }
}

static void test_admission_use_raises_a_reservation(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket one = said(400), two = said(400), three = said(200);
    assert_true(try_one(&admission, &one, 1) && try_one(&admission, &two, 1));
    admission_used(&admission, &one, (uint64_t)(300 * MIB), 2);
    expect_reserved(&admission, 800);
    admission_used(&admission, &one, (uint64_t)(450 * MIB), 3);
    expect_reserved(&admission, 850);
    admission_used(&admission, &one, (uint64_t)(100 * MIB), 4); /* the highest counts */
    expect_reserved(&admission, 850);
    assert_false(try_one(&admission, &three, 5));
    admission_end(&admission, &one, 0, false, 6);
    expect_reserved(&admission, 400);
    admission_used(&admission, &one, (uint64_t)(900 * MIB), 7); /* late news of one that is gone */
    expect_reserved(&admission, 400);
    assert_true(try_one(&admission, &three, 8));
    admission_deinit(&admission);
}

static void test_admission_given_back(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket one = said(400), unknown = named("new");
    assert_true(try_one(&admission, &one, 1) && try_one(&admission, &unknown, 1));
    admission_give_back(&admission, &unknown);
    admission_give_back(&admission, &unknown);
    expect_reserved(&admission, 400);
    admission_give_back(&admission, &one);
    expect_reserved(&admission, 0);
    assert_int_equal(admission.unknown_count + admission.recent_count, 0);
    assert_true(TAILQ_EMPTY(&admission.running) && TAILQ_EMPTY(&admission.recent));
    admission_deinit(&admission);
}

/* Who only looks changes nothing but whose turn it is. */
static void test_admission_only_looks(void **state)
{
    (void)state;
    struct admission admission;
    struct admission_scan scan;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket first = said(500), large = said(800), small = said(100);
    assert_true(try_one(&admission, &first, 1));
    admission_scan(&admission, 2, &scan);
    scan.only_looks = true;
    assert_int_equal(admission_try(&scan, &large), ADMISSION_PASS);
    assert_int_equal(admission_try(&scan, &small), ADMISSION_START);
    assert_true(!small.is_running && large.passed == 0 && large.held_since == 2);
    expect_reserved(&admission, 500);
    scan.only_looks = false; /* the rest of the scan: who starts in it passes those that were looked at */
    assert_int_equal(admission_try(&scan, &small), ADMISSION_START);
    assert_int_equal(large.passed, 1);
    admission_deinit(&admission);
}

/* What holds a reservation for a job that comes later is not evicted before, and is recent from its beginning on. */
static void test_admission_begins_later(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 100, 8);
    struct admission_ticket one = named("new");
    assert_true(try_one(&admission, &one, 1000));
    admission.available = 0;
    assert_null(admission_victim(&admission, 1001));
    admission_begin(&admission, &one, true, 1000 + ADMISSION_RECENT_MS - 1);
    assert_ptr_equal(admission_victim(&admission, 2000), &one);
    assert_true(admission_is_watching(&admission));
    struct admission_scan scan;
    admission_scan(&admission, 1000 + ADMISSION_RECENT_MS, &scan);
    assert_true(one.is_recent);
    admission_scan(&admission, 1000 + 2 * ADMISSION_RECENT_MS, &scan);
    assert_false(one.is_recent);
    admission_end(&admission, &one, 0, false, 5000);
    assert_int_equal(admission.evictable_count, 0);
    admission_deinit(&admission);
}

static void test_admission_none_admits_all(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 0, false, 0, 8);
    struct admission_ticket tickets[] = {said(90000), said(90000), named("new"), named("new")};
    admission.available = 1;
    admission.pressure = true;
    assert_false(admission_is_on(&admission));
    assert_int_equal(start_all(&admission, tickets, 4, 1), 4);
    assert_true(admission_cap(&admission) == (uint64_t)(100000 * MIB));
    admission_deinit(&admission);
}

/* ---- spreads ---------------------------------------------------------------------------------------------------- */

/* Jobs of 100 or 200 MiB: 101.6 sure and 150 by chance. Of four that is 406 and not 4 times 150 but twice. */
static void test_admission_spreads_add_up_as_errors_do(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 704, true, 0, 8);
    struct admission_ticket tickets[] = {named("n"), named("n"), named("n"), named("n"), named("n")};
    for (int i = 0; i < LEARNED_WINDOW; i++)
        learned_note(&admission.learned, "n", (uint64_t)(i % 2 == 0 ? 100 : 200) * (uint64_t)MIB);
    assert_true(try_one(&admission, &tickets[0], 1));
    expect_reserved(&admission, 251); /* one alone: all of it */
    assert_int_equal(start_all(&admission, tickets, 5, 1), 2);
    expect_reserved(&admission, 564);
    admission.rules.budget += (uint64_t)(8 * MIB);
    assert_true(try_one(&admission, &tickets[3], 1));
    expect_reserved(&admission, 706);
    admission_used(&admission, &tickets[0], (uint64_t)(200 * MIB), 2); /* the chance has become use */
    expect_reserved(&admission, 769);
    for (int i = 0; i < 4; i++)
        admission_end(&admission, &tickets[i], 0, false, 3);
    assert_true(admission.sure == 0 && admission.squares == 0);
    admission_deinit(&admission);
}

/* ---- unknown jobs ---------------------------------------------------------------------------------------------- */

/* Nobody asked for a budget: as many as there are workers run at once, whatever else. */
static void test_admission_default_budget_starts_all_unknown_jobs(void **state)
{
    (void)state;
    for (size_t workers = 1; workers <= 64; workers++) {
        struct admission admission;
        make(&admission, 1000, false, 50, workers);
        struct admission_ticket *tickets = calloc(workers, sizeof *tickets);
        assert_non_null(tickets);
        for (size_t i = 0; i < workers; i++)
            tickets[i].name = "new";
        admission.available = (uint64_t)(60 * MIB); /* and however little the machine has, above its floor */
        assert_int_equal(start_all(&admission, tickets, workers, 1), workers);
        free(tickets);
        admission_deinit(&admission);
    }
}

/* A given budget: all start as well, in steps, if none of them grows or ends. When the last of them does. */
static int64_t all_unknown_started_at(size_t workers)
{
    struct admission admission;
    make(&admission, 1000, true, 0, workers);
    struct admission_ticket *tickets = calloc(workers, sizeof *tickets);
    size_t started = 0;
    int64_t now = 1000;
    assert_non_null(tickets);
    for (size_t i = 0; i < workers; i++)
        tickets[i].name = "new";
    while (started < workers && now < 60000) {
        started += start_all(&admission, tickets, workers, now);
        assert_true(admission_reserved(&admission) <= admission.rules.budget);
        if (now == 1000)
            assert_true(started == (workers == 1 ? 1 : 2));
        const int64_t next = admission_look_at(&admission, now);
        assert_true(next > now && next <= now + ADMISSION_LOOK_MS);
        now = started < workers ? next : now;
    }
    assert_int_equal(started, workers);
    free(tickets);
    admission_deinit(&admission);
    return now - 1000;
}

static void test_admission_unknown_jobs_that_wait_for_each_other_all_start(void **state)
{
    (void)state;
    assert_int_equal(all_unknown_started_at(1), 0);
    assert_int_equal(all_unknown_started_at(2), 0);
    assert_true(all_unknown_started_at(4) <= 3 * ADMISSION_RECENT_MS);
    assert_true(all_unknown_started_at(8) <= 5 * ADMISSION_RECENT_MS);
    assert_true(all_unknown_started_at(64) <= 20 * ADMISSION_RECENT_MS);
    for (size_t workers = 1; workers <= 40; workers++)
        all_unknown_started_at(workers);
}

static void test_admission_unknown_jobs_stay_recent_while_they_grow(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket tickets[8] = {named("a"), named("b"), named("c"), named("d"),
                                          named("e"), named("f"), named("g"), named("h")};
    assert_int_equal(start_all(&admission, tickets, 8, 1000), 2);
    admission_used(&admission, &tickets[0], (uint64_t)(60 * MIB), 1000 + ADMISSION_RECENT_MS - 1);
    admission_used(&admission, &tickets[1], (uint64_t)(200 * MIB), 1000 + ADMISSION_RECENT_MS - 1);
    assert_int_equal(start_all(&admission, tickets, 8, 1000 + ADMISSION_RECENT_MS), 0);
    expect_reserved(&admission, 1000);
    const int64_t later = 1000 + 2 * ADMISSION_RECENT_MS;
    assert_int_equal(start_all(&admission, tickets, 8, later), 1);
    assert_int_equal(tickets[0].reserved / (uint64_t)MIB, 125); /* a fair share */
    assert_int_equal(tickets[1].reserved / (uint64_t)MIB, 300); /* half as much again as it uses */
    assert_int_equal(tickets[2].reserved / (uint64_t)MIB, 500);
    admission_used(&admission, &tickets[0], (uint64_t)(100 * MIB), later + 1);
    assert_int_equal(tickets[0].reserved / (uint64_t)MIB, 150);
    admission_deinit(&admission);
}

static void test_admission_first_of_a_name_teaches_those_that_run(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket tickets[6] = {named("n"), named("n"), named("n"), named("n"), said(10), named("m")};
    assert_int_equal(start_all(&admission, tickets, 4, 1000), 2);
    admission_end(&admission, &tickets[0], (uint64_t)(80 * MIB), true, 1010);
    expect_reserved(&admission, 100);
    assert_int_equal(admission.unknown_count, 0);
    assert_int_equal(start_all(&admission, &tickets[2], 2, 1010), 2);
    expect_reserved(&admission, 300);
    admission_used(&admission, &tickets[1], (uint64_t)(120 * MIB), 1020);
    expect_reserved(&admission, 320);
    assert_true(try_one(&admission, &tickets[4], 1020));
    admission_end(&admission, &tickets[2], (uint64_t)(160 * MIB), true, 1030); /* more than was thought: for all */
    assert_true(tickets[1].reserved > (uint64_t)(160 * MIB) && tickets[3].reserved > (uint64_t)(160 * MIB));
    assert_int_equal(tickets[4].reserved / (uint64_t)MIB, 10); /* its caller knows */
    const uint64_t before = tickets[3].reserved;
    for (int i = 0; i < 10; i++)
        admission_end(&admission, &tickets[5], (uint64_t)MIB, true, 1040); /* another name */
    assert_true(tickets[3].reserved == before);
    admission_deinit(&admission);
}

/* A budget that was given is kept where limits alone tell: however long they run, and whatever others needed. */
static void test_admission_limits_alone_keep_a_given_budget(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 500, true, 0, 8);
    struct admission_ticket tickets[4];
    char names[LEARNED_NEWCOMERS_MIN][8];
    for (int i = 0; i < 4; i++)
        tickets[i] = (struct admission_ticket){.name = "n", .limit = (uint64_t)(450 * MIB)};
    for (int i = 0; i < LEARNED_NEWCOMERS_MIN; i++) { /* small ones of other names */
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i & 0xff);
        learned_note(&admission.learned, names[i], (uint64_t)MIB);
    }
    assert_int_equal(start_all(&admission, tickets, 4, 1000), 1);
    expect_reserved(&admission, 450);
    admission_used(&admission, &tickets[0], (uint64_t)(100 * MIB), 1100);
    assert_int_equal(start_all(&admission, tickets, 4, 1100 + 10 * ADMISSION_RECENT_MS), 0);
    expect_reserved(&admission, 450);
    struct admission_ticket small = said(50);
    assert_true(try_one(&admission, &small, 5000));
    admission_end(&admission, &small, 0, false, 5000);
    admission_end(&admission, &tickets[0], (uint64_t)(400 * MIB), true, 5000);
    assert_int_equal(start_all(&admission, tickets + 1, 3, 5000), 1); /* 400 and a margin */
    admission_deinit(&admission);
}

/* What the first of a name has shown counts for those that run with their limits reserved. */
static void test_admission_learning_lowers_what_limits_reserve(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket tickets[4];
    for (int i = 0; i < 4; i++)
        tickets[i] = (struct admission_ticket){.name = "n", .limit = (uint64_t)(400 * MIB)};
    assert_int_equal(start_all(&admission, tickets, 4, 1000), 2);
    admission_used(&admission, &tickets[1], (uint64_t)(150 * MIB), 1005);
    expect_reserved(&admission, 800);
    admission_end(&admission, &tickets[0], (uint64_t)(80 * MIB), true, 1010);
    expect_reserved(&admission, 150); /* 100, but it has used more */
    assert_int_equal(start_all(&admission, &tickets[2], 2, 1010), 2);
    expect_reserved(&admission, 350);
    admission_deinit(&admission);
}

/* By the machine, too: a limit is expected to be needed. */
static void test_admission_limits_count_for_the_machine(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 10000, true, 100, 4);
    struct admission_ticket one = {.name = "n", .limit = (uint64_t)(400 * MIB)}, two = one;
    admission.available = (uint64_t)(899 * MIB);
    assert_true(try_one(&admission, &one, 1));
    assert_false(try_one(&admission, &two, 1));
    admission.available = (uint64_t)(900 * MIB);
    assert_true(try_one(&admission, &two, 1));
    admission_deinit(&admission);
}

/* Names that come once each: what the first jobs of other names needed says something. */
static void test_admission_ever_new_names_are_not_held_up_for_ever(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 8);
    struct admission_ticket tickets[8];
    char names[LEARNED_NEWCOMERS_MIN + 8][8];
    for (int i = 0; i < LEARNED_NEWCOMERS_MIN + 8; i++)
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i & 0xff);
    for (int i = 0; i < LEARNED_NEWCOMERS_MIN; i++)
        learned_note(&admission.learned, names[i], (uint64_t)(20 * MIB));
    for (int i = 0; i < 8; i++)
        tickets[i] = named(names[LEARNED_NEWCOMERS_MIN + i]);
    assert_int_equal(start_all(&admission, tickets, 8, 1000), 8);
    admission_deinit(&admission);
}

/* ---- turns ------------------------------------------------------------------------------------------------------ */

static void test_admission_small_ones_pass_a_bounded_number_of_times(void **state)
{
    (void)state;
    enum { WORKERS = 4 };
    struct admission admission;
    make(&admission, 1000, true, 0, WORKERS);
    struct admission_ticket first = said(500), tickets[] = {said(800), said(100)};
    unsigned passes = 0;
    assert_true(try_one(&admission, &first, 1));
    for (; try_all(&admission, tickets, 2, 2) == 1; passes++)
        admission_end(&admission, &tickets[1], 0, false, 2);
    assert_int_equal(passes, ADMISSION_PASSES_PER_WORKER * WORKERS);
    admission_end(&admission, &first, 0, false, 3);
    assert_int_equal(try_all(&admission, tickets, 2, 3), 0);
    assert_int_equal(try_all(&admission, tickets, 2, 3), 1); /* then the next */
    admission_deinit(&admission);
}

static void test_admission_small_ones_pass_for_a_bounded_time(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 1000);
    struct admission_ticket first = said(500), tickets[] = {said(800), said(100)};
    assert_true(try_one(&admission, &first, 1));
    assert_int_equal(try_all(&admission, tickets, 2, 1000), 1);
    admission_end(&admission, &tickets[1], 0, false, 1001);
    assert_int_equal(try_all(&admission, tickets, 2, 999 + ADMISSION_PASSES_MS), 1);
    admission_end(&admission, &tickets[1], 0, false, 999 + ADMISSION_PASSES_MS);
    assert_int_equal(try_all(&admission, tickets, 2, 1000 + ADMISSION_PASSES_MS), -1);
    admission_deinit(&admission);
}

static void test_admission_looks_at_so_many_and_no_more(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 0, 1000);
    static struct admission_ticket tickets[ADMISSION_LOOKAHEAD + 1];
    struct admission_ticket first = said(500);
    for (size_t i = 0; i < ADMISSION_LOOKAHEAD + 1; i++)
        tickets[i] = said(i < ADMISSION_LOOKAHEAD ? 800 : 1);
    assert_true(try_one(&admission, &first, 1));
    assert_int_equal(try_all(&admission, tickets, ADMISSION_LOOKAHEAD + 1, 2), -1);
    assert_int_equal(try_all(&admission, tickets + 1, ADMISSION_LOOKAHEAD, 2), ADMISSION_LOOKAHEAD - 1);
    assert_int_equal(tickets[0].passed, 0); /* nobody had passed it */
    assert_int_equal(tickets[1].passed, 1);
    admission_deinit(&admission);
}

/* ---- the machine ----------------------------------------------------------------------------------------------- */

static void test_admission_machine_table(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t running, used; /* one that was said to need so much, and uses so much; 0: none runs */
        struct admission_ticket ticket;
        int64_t available;
        bool starts;
    } table[] = {
        /* floor 100, four workers */
        {"room enough", 200, 200, {.name = "s", .said = 300 * MIB}, 400, true},
        {"one byte short", 200, 200, {.name = "s", .said = 300 * MIB + 1}, 400, false},
        {"what runs has not used all yet", 200, 150, {.name = "s", .said = 300 * MIB}, 400, false},
        {"counted once", 200, 150, {.name = "s", .said = 250 * MIB}, 400, true},
        {"alone", 0, 0, {.name = "s", .said = 900 * MIB}, 100, true},
        {"alone, below the floor", 0, 0, {.name = "s", .said = 1}, 99, false},
        {"nothing worth counting", 200, 0, {.name = "s", .said = -1}, 100, true},
        {"nothing, below the floor", 200, 0, {.name = "s", .said = -1}, 99, false},
        {"unknown: a share of what is left", 200, 200, {.name = "new"}, 101, true},
        {"unknown, and what runs will need it all", 200, 0, {.name = "new"}, 200, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct admission admission;
        make(&admission, 10000, true, 100, 4);
        struct admission_ticket running = said(table[i].running), ticket = table[i].ticket;
        if (table[i].running > 0) {
            assert_true(try_one(&admission, &running, 1));
            admission_used(&admission, &running, (uint64_t)(table[i].used * MIB), 2);
        }
        admission.available = (uint64_t)(table[i].available * MIB);
        if (try_one(&admission, &ticket, 3) != table[i].starts)
            fail_msg("%s", table[i].what);
        admission_deinit(&admission);
    }
}

/* Growth that was told after the machine was looked at. */
static void test_admission_growth_makes_the_machine_smaller(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 10000, true, 100, 4);
    struct admission_ticket running = said(200), next = said(300);
    assert_true(try_one(&admission, &running, 1));
    admission.available = (uint64_t)(600 * MIB);
    admission_used(&admission, &running, (uint64_t)(200 * MIB), 2);
    assert_int_equal(admission.available / (uint64_t)MIB, 400);
    assert_true(try_one(&admission, &next, 2));
    admission_deinit(&admission);
}

static void test_admission_nothing_starts_under_pressure(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 100, 4);
    struct admission_ticket one = said(1);
    admission.available = (uint64_t)(10000 * MIB);
    admission.pressure = true;
    assert_true(admission_is_held(&admission));
    assert_false(try_one(&admission, &one, 1));
    assert_int_equal(one.held_since, 0); /* that is nobody's turn */
    admission.pressure = false;
    assert_true(try_one(&admission, &one, 2));
    admission_deinit(&admission);
}

/* ---- evictions -------------------------------------------------------------------------------------------------- */

static void test_admission_youngest_rerunnable_goes(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 100, 8);
    struct admission_ticket tickets[] = {said(10), said(10), said(10), said(10)};
    tickets[1].rerunnable = tickets[2].rerunnable = true;
    assert_false(admission_is_watching(&admission));
    assert_int_equal(start_all(&admission, tickets, 4, 1), 4);
    assert_true(admission_is_watching(&admission));
    admission.available = (uint64_t)(100 * MIB);
    assert_null(admission_victim(&admission, 10));
    admission.available--;
    assert_ptr_equal(admission_victim(&admission, 10), &tickets[2]);
    admission_used(&admission, &tickets[2], (uint64_t)(70 * MIB), 10);
    admission_evict(&admission, &tickets[2], 10);
    assert_null(admission_victim(&admission, 1000)); /* until that one is gone */
    admission_end(&admission, &tickets[2], 0, false, 2000);
    assert_null(admission_victim(&admission, 1999 + ADMISSION_SETTLE_MS));
    assert_ptr_equal(admission_victim(&admission, 2000 + ADMISSION_SETTLE_MS), &tickets[1]);
    admission_spare(&admission, &tickets[1]); /* its result is there already, say */
    assert_null(admission_victim(&admission, 5000));
    assert_false(admission_is_watching(&admission));
    assert_int_equal(tickets[2].evictions, 1);
    admission_deinit(&admission);
}

/* It would only be evicted again: it waits until there is room for what it had used, or for a time. */
static void test_admission_evicted_job_does_not_start_again_at_once(void **state)
{
    (void)state;
    struct admission admission;
    make(&admission, 1000, true, 100, 8);
    struct admission_ticket one = {.name = "new", .rerunnable = true};
    admission.available = (uint64_t)(1000 * MIB);
    assert_true(try_one(&admission, &one, 1000));
    admission_used(&admission, &one, (uint64_t)(950 * MIB), 1001);
    assert_ptr_equal(admission_victim(&admission, 1001), &one);
    admission_evict(&admission, &one, 1001);
    admission_end(&admission, &one, 0, false, 1010);
    admission.available = (uint64_t)(1000 * MIB); /* as before it started */
    assert_false(try_one(&admission, &one, 2000));
    assert_false(try_one(&admission, &one, 1000 + ADMISSION_ALONE_MS));
    assert_true(try_one(&admission, &one, 1001 + ADMISSION_ALONE_MS));
    expect_reserved(&admission, 950);
    admission_evict(&admission, &one, 20000);
    admission_end(&admission, &one, 0, false, 20000);
    assert_false(try_one(&admission, &one, 20000 + 2 * ADMISSION_ALONE_MS - 1));
    admission.available = (uint64_t)(1050 * MIB);
    assert_true(try_one(&admission, &one, 20001));
    admission_deinit(&admission);
}

/* ---- at random -------------------------------------------------------------------------------------------------- */

/* Whatever happens: the sums are those of the jobs that run, and come back to nothing. */
static void test_admission_sums_hold_at_random(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    static const char *const names[] = {"a", "b", "c", "d"};
    static struct admission_ticket tickets[COUNT];
    struct admission admission;
    make(&admission, 1000, true, 100, 10);
    int64_t now = 1000;
    srandom(16);
    memset(tickets, 0, sizeof tickets);
    for (int step = 0; step < 200000; step++, now += random() % 40) {
        struct admission_ticket *ticket = &tickets[random() % COUNT];
        admission.available = (uint64_t)(random() % 3000 * MIB);
        if (!ticket->is_running) {
            *ticket = (struct admission_ticket){.name = names[random() % 4], .rerunnable = random() % 2 == 0};
            ticket->said = random() % 3 == 0 ? random() % 300 * MIB : 0;
            ticket->limit = random() % 3 == 0 ? (uint64_t)(1 + random() % 500) * (uint64_t)MIB : 0;
            if (try_one(&admission, ticket, now))
                assert_true(admission_reserved(&admission) <= admission.rules.budget ||
                            admission_reserved(&admission) == ticket->reserved);
        } else if (random() % 3 > 0) {
            admission_used(&admission, ticket, (uint64_t)(random() % 400 * MIB), now);
        } else if (random() % 20 == 0 && !ticket->is_leaving) {
            admission_evict(&admission, ticket, now);
        } else {
            admission_end(&admission, ticket, (uint64_t)(random() % 400 * MIB), random() % 2 == 0, now);
        }
        uint64_t sure = 0, recent = 0, unused = 0;
        for (size_t i = 0; i < COUNT; i++) {
            if (!tickets[i].is_running)
                continue;
            sure += tickets[i].reserved - tickets[i].spread;
            recent += tickets[i].is_recent ? tickets[i].reserved : 0;
            unused += tickets[i].reserved > tickets[i].most ? tickets[i].reserved - tickets[i].most : 0;
            assert_true(tickets[i].spread <= tickets[i].reserved && tickets[i].reserved >= tickets[i].most);
        }
        assert_true(sure == admission.sure && recent == admission.recent_reserved);
        assert_true(unused == admission.unused_known + admission.unused_unknown);
    }
    for (size_t i = 0; i < COUNT; i++)
        admission_end(&admission, &tickets[i], 0, false, now);
    assert_true(admission_reserved(&admission) == 0 && admission.unused_known + admission.unused_unknown == 0);
    assert_int_equal(
        admission.unknown_count + admission.recent_count + admission.evictable_count + admission.leaving_count, 0);
    admission_deinit(&admission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_admission_said_needs_fill_the_budget_and_no_more),
        SUPPORT_TEST(test_admission_alone_anything_starts),
        SUPPORT_TEST(test_admission_expectation_table),
        SUPPORT_TEST(test_admission_use_raises_a_reservation),
        SUPPORT_TEST(test_admission_given_back),
        SUPPORT_TEST(test_admission_only_looks),
        SUPPORT_TEST(test_admission_begins_later),
        SUPPORT_TEST(test_admission_none_admits_all),
        SUPPORT_TEST(test_admission_spreads_add_up_as_errors_do),
        SUPPORT_TEST(test_admission_default_budget_starts_all_unknown_jobs),
        SUPPORT_TEST(test_admission_unknown_jobs_that_wait_for_each_other_all_start),
        SUPPORT_TEST(test_admission_unknown_jobs_stay_recent_while_they_grow),
        SUPPORT_TEST(test_admission_first_of_a_name_teaches_those_that_run),
        SUPPORT_TEST(test_admission_limits_alone_keep_a_given_budget),
        SUPPORT_TEST(test_admission_learning_lowers_what_limits_reserve),
        SUPPORT_TEST(test_admission_limits_count_for_the_machine),
        SUPPORT_TEST(test_admission_ever_new_names_are_not_held_up_for_ever),
        SUPPORT_TEST(test_admission_small_ones_pass_a_bounded_number_of_times),
        SUPPORT_TEST(test_admission_small_ones_pass_for_a_bounded_time),
        SUPPORT_TEST(test_admission_looks_at_so_many_and_no_more),
        SUPPORT_TEST(test_admission_machine_table),
        SUPPORT_TEST(test_admission_growth_makes_the_machine_smaller),
        SUPPORT_TEST(test_admission_nothing_starts_under_pressure),
        SUPPORT_TEST(test_admission_youngest_rerunnable_goes),
        SUPPORT_TEST(test_admission_evicted_job_does_not_start_again_at_once),
        SUPPORT_TEST(test_admission_sums_hold_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
