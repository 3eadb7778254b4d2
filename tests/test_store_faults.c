/* A disk that fails at the n-th write, sync, truncate, open, read or delete, for every n: what was acknowledged is
 * there, what was not is absent or whole, and when the fault is over the same handle works again. */
#include "directory.h"
#include "faulty.h"
#include "jobs.h"
#include "store_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TURNS 7

static int begin(void **state)
{
    faulty_install();
    return directory_begin(state);
}

static int end(void **state)
{
    faulty_disarm();
    faulty_power_forget();
    faulty_remove();
    return directory_end(state);
}

/* One turn: two jobs, one of many pages; some with a checkpoint before. Notes what was acknowledged. */
static int turn(struct store *store, int number, bool acknowledged[JOBS_MOST])
{
    if (number % 3 == 2)
        store->log_frames = STORE_LOG_FRAMES_MOST;
    int r = jobs_insert(store, 2 * number, 100);
    if (r == 0)
        r = jobs_insert(store, 2 * number + 1, 9000);
    if (r == 0)
        r = store_commit(store);
    if (r == 0)
        acknowledged[2 * number] = acknowledged[2 * number + 1] = true;
    return r;
}

/* Turns from `from` on until one fails; the number of that one. */
static int turns(struct store *store, int from, bool acknowledged[JOBS_MOST], int *error)
{
    for (int i = from; i < TURNS; i++)
        if ((*error = turn(store, i, acknowledged)) < 0)
            return i;
    return TURNS;
}

/* Present: all that was acknowledged, and of each other turn both or none. */
static void expect_whole(struct store *store, const bool acknowledged[JOBS_MOST])
{
    bool present[JOBS_MOST];
    jobs_present(store, present);
    for (int i = 0; i < 2 * TURNS; i++) {
        assert_true(present[i] || !acknowledged[i]);
        assert_int_equal(present[i], present[i ^ 1]);
    }
}

static void expect_error(const struct store *store, int error, int wanted)
{
    if (error != wanted && error != -EIO)
        fail_msg("error %d instead of %d: %s", error, wanted, store_message(store));
    assert_true(strlen(store_message(store)) > 0);
    assert_false(store_is_dirty(store) && error == 0);
}

/* The same handle goes on. */
static void recover(struct store *store, int from, bool acknowledged[JOBS_MOST])
{
    int error = 0;
    store_rollback(store);
    assert_false(store_is_dirty(store));
    assert_int_equal(store_probe(store), 0);
    jobs_expect(store, acknowledged);
    assert_int_equal(turns(store, from, acknowledged, &error), TURNS);
    jobs_expect(store, acknowledged);
}

/* With the n-th call failing. Gives whether there was one. */
static bool run_one(unsigned call, int nth, int fault, bool lasting)
{
    struct store *store;
    char message[512] = "";
    bool acknowledged[JOBS_MOST] = {false};
    int error = 0;
    directory_clear();
    faulty_arm(call, nth, fault, lasting);
    int r = store_open(&store, directory_path, message);
    if (r < 0) {
        assert_null(store);
        assert_true(strlen(message) > 0);
        const bool hit = faulty_disarm();
        assert_true(hit);
        store = jobs_open(); /* made whole or not at all */
        jobs_expect(store, acknowledged);
        store_close(store);
        return hit;
    }
    const int failed = turns(store, 0, acknowledged, &error);
    if (failed < TURNS) {
        expect_error(store, error, -fault);
        if (lasting)
            assert_true(call == FAULTY_OPEN || call == FAULTY_TRUNCATE || store_probe(store) < 0);
        const bool hit = faulty_disarm();
        assert_true(hit);
        recover(store, failed, acknowledged);
        store_close(store);
        store = jobs_open();
        jobs_expect(store, acknowledged);
        store_close(store);
        return hit;
    }
    store_close(store);
    const bool hit = faulty_disarm();
    store = jobs_open();
    jobs_expect(store, acknowledged);
    store_close(store);
    return hit;
}

static void run_all(unsigned call, int fault, bool lasting)
{
    int nth = 1;
    while (run_one(call, nth, fault, lasting))
        nth++;
    print_message("%d calls\n", nth - 1);
    assert_true(nth > 1);
}

static void test_store_faults_write(void **state)
{
    (void)state;
    run_all(FAULTY_WRITE, EIO, false);
    run_all(FAULTY_WRITE, ENOSPC, false);
    run_all(FAULTY_WRITE, ENOSPC, true);
}

static void test_store_faults_sync(void **state)
{
    (void)state;
    run_all(FAULTY_SYNC, EIO, false);
    run_all(FAULTY_SYNC, EIO, true);
    run_all(FAULTY_SYNC, ENOSPC, false);
}

static void test_store_faults_other_calls(void **state)
{
    (void)state;
    run_all(FAULTY_TRUNCATE, EIO, false);
    run_all(FAULTY_OPEN, EIO, false);
    run_all(FAULTY_OPEN, ENOSPC, true);
    run_all(FAULTY_DELETE, EIO, false);
    run_all(FAULTY_READ, EIO, false);
}

/* A log that cannot be written back does not grow in silence: the next turn fails. */
static void test_store_faults_checkpoint_is_told(void **state)
{
    (void)state;
    static const unsigned calls[] = {FAULTY_READ, FAULTY_WRITE, FAULTY_SYNC, FAULTY_TRUNCATE};
    bool acknowledged[JOBS_MOST] = {false};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        directory_clear();
        memset(acknowledged, 0, sizeof acknowledged);
        struct store *store = jobs_open();
        assert_int_equal(turn(store, 0, acknowledged), 0);
        store->log_frames = STORE_LOG_FRAMES_MOST;
        faulty_arm(calls[i], 1, EIO, true);
        assert_int_equal(turn(store, 1, acknowledged), -EIO);
        assert_false(store_is_dirty(store));
        store_rollback(store);
        assert_int_equal(store_probe(store), -EIO);
        assert_true(faulty_disarm());
        jobs_expect(store, acknowledged); /* what there is can be read */
        recover(store, 1, acknowledged);
        assert_true(store->log_frames < STORE_LOG_FRAMES_MOST);
        store_close(store);
    }
}

static void give_up(struct store *store)
{
    faulty_arm(FAULTY_ALL, 1, EIO, true);
    store_close(store);
    faulty_disarm();
}

/* The process dies at the n-th write or sync: nothing more is done. */
static bool die_at(unsigned call, int nth)
{
    bool acknowledged[JOBS_MOST] = {false};
    int error = 0;
    directory_clear();
    struct store *store = jobs_open();
    faulty_arm(call, nth, EIO, true);
    turns(store, 0, acknowledged, &error);
    const bool hit = faulty_disarm();
    give_up(store);
    store = jobs_open();
    expect_whole(store, acknowledged);
    store_close(store);
    return hit;
}

static void test_store_faults_death(void **state)
{
    (void)state;
    for (int nth = 1; die_at(FAULTY_WRITE | FAULTY_SYNC, nth);)
        nth++;
}

/* A sync fails and loses what it was to write; the daemon goes on (or dies, and another one does), and later the power
 * goes: all that was acknowledged is on disk. */
static bool lose_power_after(int nth, bool die)
{
    bool acknowledged[JOBS_MOST] = {false};
    int error = 0;
    directory_clear();
    store_close(jobs_open());
    faulty_power_on();
    struct store *store = jobs_open();
    faulty_arm(FAULTY_SYNC, nth, EIO, false);
    const int failed = turns(store, 0, acknowledged, &error);
    const bool hit = faulty_disarm();
    if (failed < TURNS && die) {
        give_up(store);
        store = jobs_open();
        bool present[JOBS_MOST];
        jobs_present(store, present);
        if (present[2 * failed])
            memcpy(acknowledged, present, sizeof present); /* told to whoever asks now */
        assert_int_equal(turns(store, failed + present[2 * failed], acknowledged, &error), TURNS);
    } else if (failed < TURNS)
        recover(store, failed, acknowledged);
    give_up(store);
    faulty_power_loss();
    store = jobs_open();
    expect_whole(store, acknowledged);
    store_close(store);
    return hit;
}

static void test_store_faults_power(void **state)
{
    (void)state;
    for (int die = 0; die < 2; die++)
        for (int nth = 1; lose_power_after(nth, die != 0);)
            nth++;
}

/* The n-th call of the start after a crash fails: an error, and the next start has everything. */
static bool fail_start(unsigned call, int nth)
{
    bool acknowledged[JOBS_MOST] = {false};
    int error = 0;
    char message[512] = "";
    directory_clear();
    struct store *store = jobs_open();
    assert_int_equal(turns(store, 0, acknowledged, &error), TURNS);
    give_up(store);
    faulty_arm(call, nth, EIO, false);
    const int r = store_open(&store, directory_path, message);
    const bool hit = faulty_disarm();
    if (r < 0) {
        assert_true(hit);
        assert_null(store);
        assert_true(strlen(message) > 0);
        store = jobs_open();
    }
    jobs_expect(store, acknowledged);
    store_close(store);
    return hit;
}

static void test_store_faults_start(void **state)
{
    (void)state;
    static const unsigned calls[] = {FAULTY_OPEN, FAULTY_READ, FAULTY_WRITE, FAULTY_SYNC};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int nth = 1;
        while (fail_start(calls[i], nth))
            nth++;
        assert_true(nth > 1);
    }
}

#define FAULTS_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTS_TEST(test_store_faults_write),
        FAULTS_TEST(test_store_faults_sync),
        FAULTS_TEST(test_store_faults_other_calls),
        FAULTS_TEST(test_store_faults_death),
        FAULTS_TEST(test_store_faults_checkpoint_is_told),
        FAULTS_TEST(test_store_faults_start),
        FAULTS_TEST(test_store_faults_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
