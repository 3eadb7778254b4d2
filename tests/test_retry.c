/* Whether a run that ended is followed by another, when, and with how much memory. */
#include "retry.h"

#include "support.h"

#define MIB ((uint64_t)1024 * 1024)

static struct spec spec_of(int64_t retries)
{
    return (struct spec){.retries = retries, .retry_delay = 1};
}

static void test_retry_runs_in_all(void **state)
{
    (void)state;
    const struct spec spec = spec_of(3);
    for (uint32_t failures = 0; failures < 5; failures++) {
        const struct record record = {.failures = failures};
        const struct retry retry = retry_decide(&spec, &record, POOL_CAUSE_EXITED, false, 0);
        assert_int_equal(retry.again, failures < 2);
        assert_int_equal(retry.counts, failures < 2);
        assert_false(retry.more_memory);
    }
    const struct spec once = spec_of(1);
    const struct record record = {.failures = 0};
    assert_false(retry_decide(&once, &record, POOL_CAUSE_SIGNALLED, false, 0).again);
}

static void test_retry_which_ends(void **state)
{
    (void)state;
    const struct spec spec = spec_of(9);
    const struct record record = {.failures = 0}, cancelling = {.cancelling = true};
    assert_false(retry_decide(&spec, &record, POOL_CAUSE_EXITED, true, 0).again);
    assert_false(retry_decide(&spec, &record, POOL_CAUSE_CANCELLED, false, 0).again);
    assert_false(retry_decide(&spec, &cancelling, POOL_CAUSE_EXITED, false, 0).again);
    assert_false(retry_decide(&spec, &record, RECORD_INTERRUPTED, false, 0).again);
    assert_false(retry_decide(&spec, &record, RECORD_DEPENDENCY_FAILED, false, 0).again);
    for (int cause = POOL_CAUSE_EXITED; cause < POOL_CAUSE_COUNT_; cause++)
        assert_int_equal(retry_decide(&spec, &record, cause, false, 0).again, cause != POOL_CAUSE_CANCELLED);
}

static void test_retry_backoff(void **state)
{
    (void)state;
    static const struct {
        double first;
        uint32_t failures;
        double delay;
    } cases[] = {
        {1, 0, 1},      {1, 1, 2},       {1, 5, 32},      {1, 11, 2048}, {1, 12, 3600},       {1, 4000000000U, 3600},
        {0.25, 2, 1.0}, {7200, 0, 7200}, {7200, 3, 7200}, {0, 0, 0},     {0, 4000000000U, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct spec spec = {.retries = INT64_C(1) << 40, .retry_delay = cases[i].first};
        const struct record record = {.failures = cases[i].failures};
        const struct retry retry = retry_decide(&spec, &record, POOL_CAUSE_EXITED, false, 0);
        assert_true(retry.again);
        assert_true(retry.delay == cases[i].delay);
    }
}

static void test_retry_memory_limits(void **state)
{
    (void)state;
    struct spec spec = {.retries = 1, .settings.memory = (int64_t)(64 * MIB), .retry_oom = 2};
    assert_true(retry_memory(&spec, 0, 0) == 64 * MIB);
    assert_true(retry_memory(&spec, 1, 0) == 128 * MIB);
    assert_true(retry_memory(&spec, 3, 0) == 512 * MIB);
    assert_true(retry_memory(&spec, 3, 300 * MIB) == 300 * MIB);
    assert_true(retry_memory(&spec, 4000000000U, 0) == (uint64_t)INT64_MAX / 4);
    assert_true(retry_memory(&spec, 0, 32 * MIB) == 64 * MIB); /* never lowered */
    assert_true(retry_memory(&spec, 2, 32 * MIB) == 64 * MIB);
    spec.retry_oom = 0;
    assert_true(retry_memory(&spec, 3, 0) == 64 * MIB);
    spec.settings.memory = 0;
    assert_true(retry_memory(&spec, 3, 0) == 0);
}

/* More memory as long as there is more to have; then as any failure. */
static void test_retry_more_memory(void **state)
{
    (void)state;
    const struct spec spec = {.retries = 2, .retry_delay = 1, .settings.memory = (int64_t)(64 * MIB), .retry_oom = 2};
    struct record record = {.oom_retries = 0};
    for (; record.oom_retries < 2; record.oom_retries++) {
        const struct retry retry = retry_decide(&spec, &record, POOL_CAUSE_MEMORY_LIMIT, false, 200 * MIB);
        assert_true(retry.again && retry.more_memory && !retry.counts && retry.delay == 0);
    }
    struct retry retry = retry_decide(&spec, &record, POOL_CAUSE_MEMORY_LIMIT, false, 200 * MIB); /* it had 200 */
    assert_true(retry.again && !retry.more_memory && retry.counts && retry.delay == 1);
    record.failures = 1;
    retry = retry_decide(&spec, &record, POOL_CAUSE_MEMORY_LIMIT, false, 200 * MIB);
    assert_false(retry.again);
    retry = retry_decide(&spec, &record, POOL_CAUSE_MACHINE_OOM, false, 0); /* no limit of its own was too low */
    assert_false(retry.again);
    record.cancelling = true;
    assert_false(retry_decide(&spec, &record, POOL_CAUSE_MEMORY_LIMIT, false, 0).again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_runs_in_all), cmocka_unit_test(test_retry_which_ends),
        cmocka_unit_test(test_retry_backoff),     cmocka_unit_test(test_retry_memory_limits),
        cmocka_unit_test(test_retry_more_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
