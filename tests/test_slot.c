/* The table of workers: slots taken, found and freed, and a page that its job may have written over. */
#include "descriptor.h"
#include "forkserver_state.h"

#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 5

static struct server server;

static int begin(void **state)
{
    support_begin(state);
    memset(&server, 0, sizeof server);
    server.metering.mechanism = &meter_sampled;
    return slot_table_init(&server, SLOTS);
}

static int end(void **state)
{
    munmap(server.window, AREA_TASK_SIZE + area_page_size());
    area_unmap(&server.area);
    descriptor_close_pair(server.areas);
    munmap(server.slots, SLOTS * sizeof *server.slots);
    return support_end(state);
}

#define SLOT_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

static struct slot *take(uint64_t serial)
{
    server.next_serial = serial;
    return slot_take(&server);
}

/* Every slot in use: serials from 100, pids from 1000. */
static void take_all(void)
{
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct slot *slot = take(100 + i);
        assert_non_null(slot);
        slot->pid = (pid_t)(1000 + i);
    }
}

static void test_slot_take_find_and_free(void **state)
{
    (void)state;
    assert_null(slot_find(&server, 0));
    take_all();
    assert_null(take(999));
    for (uint64_t i = 0; i < SLOTS; i++) {
        const struct slot *slot = slot_find(&server, 100 + i);
        assert_non_null(slot);
        assert_ptr_equal(slot_find_pid(&server, (pid_t)(1000 + i)), slot);
    }
    slot_free(&server, slot_find(&server, 102));
    assert_null(slot_find(&server, 102));
    assert_null(slot_find_pid(&server, 1002));
    assert_null(slot_find(&server, 0));
    const struct slot *again = take(200);
    assert_non_null(again);
    assert_ptr_equal(slot_find(&server, 200), again);
    assert_null(take(201));
}

/* A reaped worker's pid may be anybody's by now. */
static void test_slot_find_pid_only_while_unreaped(void **state)
{
    (void)state;
    take_all();
    struct slot *slot = slot_find(&server, 101);
    slot->state = SLOT_REAPED;
    assert_null(slot_find_pid(&server, 1001));
    assert_non_null(slot_find(&server, 101));
    slot->state = SLOT_GONE;
    slot->unreaped = true;
    assert_ptr_equal(slot_find_pid(&server, 1001), slot);
}

/* What the last user of a slot left in its page is no news of the next. */
static void test_slot_take_clears_the_page(void **state)
{
    (void)state;
    struct message_gone gone;
    take_all();
    struct slot *slot = slot_find(&server, 103);
    memset(slot->page, 0xff, sizeof *slot->page);
    slot_free(&server, slot);
    slot = take(300);
    assert_non_null(slot);
    slot_report(&server, slot, &gone);
    assert_int_equal(gone.serial, 300);
    assert_int_equal(gone.begun, 0);
    assert_int_equal(gone.method, POOL_MEMORY_UNMEASURED);
    assert_int_equal(gone.crash.size, 0);
    assert_int_equal(gone.frame.size, 0);
    assert_int_equal(slot_paused(slot, 1000), 0);
}

static void test_slot_report_of_a_hostile_page(void **state)
{
    (void)state;
    struct message_gone gone;
    struct slot *slot = take(1);
    assert_non_null(slot);
    memset(slot->page, 0xff, sizeof *slot->page);
    slot_report(&server, slot, &gone);
    assert_int_equal(gone.frame.size, 0);
    assert_true(gone.crash.size < sizeof server.crash);
    assert_int_equal(gone.begun, 1);
    slot->page->crash_signal = SIGSEGV;
    slot_report(&server, slot, &gone);
    assert_int_equal(gone.crash.size, strlen(server.crash));
    slot->page->frame_size = PAGE_FRAME_MAX;
    slot_report(&server, slot, &gone);
    assert_int_equal(gone.frame.size, PAGE_FRAME_MAX);
    slot->page->frame_size = PAGE_FRAME_MAX + 1;
    slot_report(&server, slot, &gone);
    assert_int_equal(gone.frame.size, 0);
}

/* A kill for the CPU limit, and one that only looks like it. */
static void test_slot_report_of_cpu_limits(void **state)
{
    (void)state;
    static const struct {
        int64_t cpu_ms;
        int status;
        long seconds;
        uint64_t reason, expected;
    } table_of_ends[] = {
        {1000, SIGXCPU, 1, KILL_NONE, KILL_CPU_LIMIT},
        {1000, SIGKILL, 2, KILL_NONE, KILL_CPU_LIMIT}, /* it caught SIGXCPU */
        {1000, SIGKILL, 0, KILL_NONE, KILL_NONE},
        {1000, 0, 5, KILL_NONE, KILL_NONE},
        {-1, SIGXCPU, 5, KILL_NONE, KILL_NONE},
        {1000, SIGXCPU, 1, KILL_CANCELLED, KILL_CANCELLED},
    };
    for (size_t i = 0; i < sizeof table_of_ends / sizeof table_of_ends[0]; i++) {
        struct message_gone gone;
        struct slot *slot = take(1);
        slot->cpu_ms = table_of_ends[i].cpu_ms;
        slot->status = table_of_ends[i].status;
        slot->usage.ru_utime.tv_sec = table_of_ends[i].seconds;
        slot->ladder.reason = table_of_ends[i].reason;
        slot_report(&server, slot, &gone);
        assert_int_equal(gone.reason, table_of_ends[i].expected);
        slot_free(&server, slot);
    }
}

/* Times that a job may have written over never overflow, and never make more than has gone by. */
static void test_slot_paused_is_bounded(void **state)
{
    (void)state;
    static const struct {
        int64_t since, before, now, expected;
    } times[] = {
        {0, 0, 1000, 0},
        {900, 0, 1000, 100},
        {900, 50, 1000, 150},
        {0, 50, 1000, 50},
        {2000, 50, 1000, 50}, /* stopped in a moment that is still to come */
        {-1, 50, 1000, 50},
        {INT64_MIN, INT64_MIN, 1000, 0},
        {0, INT64_MAX, 1000, 1000},
        {1, INT64_MAX, 1000, 1000},
        {INT64_MAX, -1, 1000, 0},
    };
    struct slot *slot = take(1);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        slot->page->stopped_since_ms = times[i].since;
        slot->page->stopped_ms = times[i].before;
        slot->pausable = true;
        assert_int_equal(slot_paused(slot, times[i].now), times[i].expected);
        slot->pausable = false; /* a function's page is the job's to scribble on */
        assert_int_equal(slot_paused(slot, times[i].now), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOT_TEST(test_slot_take_find_and_free),   SLOT_TEST(test_slot_find_pid_only_while_unreaped),
        SLOT_TEST(test_slot_take_clears_the_page), SLOT_TEST(test_slot_report_of_a_hostile_page),
        SLOT_TEST(test_slot_report_of_cpu_limits), SLOT_TEST(test_slot_paused_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
