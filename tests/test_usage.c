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
    /* file pages in the mark are not the job's memory, but cannot be told apart at its highest */
    {{.most = 900, .baseline = 200, .inherited = 30, .file = 570}, {.peak = 300, .bound = 400 + 30}},
    {{.most = 900, .baseline = 200, .inherited = 30, .file = 100},
     {.peak = 700, .bound = 30}}, /* it began with those */
    {{.most = 500 + USAGE_SLACK, .baseline = 200, .file = 100, .is_command = true},
     {.peak = 400 + USAGE_SLACK, .bound = 100}},
    /* written, and mapped by nobody */
    {{.most = 500, .baseline = 200, .written = 50}, {.peak = 350}},
    /* the sum of several processes, or the mark of one, whichever is higher */
    {{.most = 500, .baseline = 200, .sampled = true, .sum = 800}, {.peak = 800}},
    {{.most = 500, .baseline = 200, .sampled = true, .sum = 100}, {.peak = 300}},
    {{.most = 900, .baseline = 200, .file = 700, .sampled = true, .sum = 250}, {.peak = 250, .bound = 450}},
    {{.most = 500, .baseline = 200, .sampled = true, .sum = 800, .vague = 950}, {.peak = 800, .bound = 150}},
    {{.most = 500, .baseline = 200, .inherited = 90, .sampled = true, .sum = 360, .rewritten = 60},
     {.peak = 360, .bound = 30}},
    {{.most = 500, .baseline = 200, .inherited = 90, .sum = 360, .rewritten = 60}, {.peak = 300, .bound = 90}},
    {{.most = 100, .baseline = 200, .is_command = true, .sampled = true, .sum = 150}, {.peak = 150, .bound = 50}},
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
