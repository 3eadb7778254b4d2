/* How many jobs at once, beside what GNU parallel 20221122 makes of the same words on a machine with 4 processors. */
#include "jobcount.h"

#include "support.h"

#include <errno.h>

static void test_jobcount_parses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t jobs;
    } table[] = {
        {"1", 1},         {"12", 12},       {"+1", 5},          {"+0", 4},          {"-1", 3},  {"-0", 4},
        {"-3", 1},        {"-4", 1},        {"-9", 1},          {"50%", 2},         {"51%", 3}, {"1%", 1},
        {"100%", 4},      {"120%", 5},      {"12.5%", 1},       {"250000%", 10000}, {"0", 0},   {"00", 0},
        {"10000", 10000}, {"+9996", 10000}, {"-2000000000", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t jobs = -1;
        if (jobcount_parse(table[i].text, 4, &jobs) != 0 || jobs != table[i].jobs)
            fail_msg("%s is %lld", table[i].text, (long long)jobs);
    }
}

static void test_jobcount_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
    } table[] = {
        {"", -EINVAL},
        {"+", -EINVAL},
        {"-", -EINVAL},
        {"++1", -EINVAL},
        {"+-1", -EINVAL},
        {"- 1", -EINVAL},
        {"1.5", -EINVAL},
        {"+50%", -EINVAL},
        {"%", -EINVAL},
        {"x", -EINVAL},
        {"1 ", -EINVAL},
        {" 1", -EINVAL},
        {"10001", -ERANGE},
        {"+9997", -ERANGE},
        {"0%", -ERANGE},
        {"250001%", -ERANGE},
        {"99999999999999999999", -ERANGE},
        {"-99999999999999999999", -ERANGE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t jobs = -1;
        const int rc = jobcount_parse(table[i].text, 4, &jobs);
        if (rc != table[i].rc || jobs != -1)
            fail_msg("%s: %d, %lld", table[i].text, rc, (long long)jobs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_jobcount_parses),
        SUPPORT_TEST(test_jobcount_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
