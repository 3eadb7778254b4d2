/* From what the kernel counted to what the job added. */
#include "usage.h"

#include "support.h"

static const struct {
    struct usage_raw raw;
    struct usage_peak expected;
} table[] = {
    /* functions: what it grew by; what was inherited may have been rewritten unseen */
    {{.most = 500, .baseline = 200, .inherited = 30}, {.peak = 300, .bound = 30}},
    {{.most = 200, .baseline = 200, .inherited = 30}, {.peak = 0, .bound = 30}},
    {{.most = 100, .baseline = 200, .inherited = 30}, {.peak = 0, .bound = 30}}, /* counters lag */
    {{.most = 0, .baseline = 0, .inherited = 0}, {.peak = 0, .bound = 0}},
    /* a process that it left was the largest */
    {{.most = 300, .left = 900, .baseline = 200, .inherited = 30}, {.peak = 700, .bound = 30}},
    {{.most = 900, .left = 300, .baseline = 200, .inherited = 30}, {.peak = 700, .bound = 30}},
    /* commands begin anew at exec: the whole peak, or anything up to the baseline and what is not well above it */
    {{.most = 500 + USAGE_SLACK, .baseline = 200, .inherited = 30, .is_command = true}, {.peak = 500 + USAGE_SLACK}},
    {{.most = 200 + USAGE_SLACK, .baseline = 200, .is_command = true}, {.peak = 0, .bound = 200 + USAGE_SLACK}},
    {{.most = 200, .baseline = 200, .inherited = 30, .is_command = true}, {.peak = 0, .bound = 200}},
    {{.most = 100, .baseline = 200, .is_command = true}, {.peak = 0, .bound = 200}},
    {{.most = 100, .left = 800 + USAGE_SLACK, .baseline = 200, .is_command = true}, {.peak = 800 + USAGE_SLACK}},
    /* extremes */
    {{.most = UINT64_MAX, .baseline = 1}, {.peak = UINT64_MAX - 1, .bound = 0}},
    {{.most = 1, .baseline = UINT64_MAX, .inherited = UINT64_MAX}, {.peak = 0, .bound = UINT64_MAX}},
};

static void test_usage_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct usage_peak got = usage_peak(&table[i].raw);
        if (got.peak != table[i].expected.peak || got.bound != table[i].expected.bound)
            fail_msg("row %zu: %llu, bound %llu", i, (unsigned long long)got.peak, (unsigned long long)got.bound);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {SUPPORT_TEST(test_usage_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
