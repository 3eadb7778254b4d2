/* The words for what is on disk: those of docs/protocol.md, each once, and none missing. */
#include "record.h"

#include "support.h"

#include <string.h>

static void test_record_states(void **state)
{
    (void)state;
    static const char *const words[] = {"waiting", "running", "done", "failed", "cancelled"};
    for (int i = RECORD_WAITING; i <= RECORD_CANCELLED; i++) {
        assert_string_equal(record_state_name((enum record_state)i), words[i - 1]);
        assert_int_equal(record_has_ended((enum record_state)i), i >= 3);
    }
    assert_string_equal(record_state_name((enum record_state)0), "unknown");
}

static bool is_outcome(const char *word)
{
    static const char *const outcomes[] = {"exited",       "signalled",   "timeout",          "cpu-limit",
                                           "memory-limit", "machine-oom", "output-limit",     "process-limit",
                                           "cancelled",    "not-found",   "not-executable",   "lost",
                                           "unkillable",   "interrupted", "dependency-failed"};
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
        if (strcmp(word, outcomes[i]) == 0)
            return true;
    return false;
}

static void test_record_causes(void **state)
{
    (void)state;
    for (int cause = POOL_CAUSE_EXITED; cause < POOL_CAUSE_COUNT_; cause++)
        if (!is_outcome(record_cause_name(cause)))
            fail_msg("\"%s\" is no outcome of the protocol", record_cause_name(cause));
    assert_string_equal(record_cause_name(RECORD_INTERRUPTED), "interrupted");
    assert_string_equal(record_cause_name(RECORD_DEPENDENCY_FAILED), "dependency-failed");
    assert_string_equal(record_cause_name(POOL_CAUSE_KILLED), "signalled");
    assert_string_equal(record_cause_name(POOL_CAUSE_PROTOCOL), "lost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {SUPPORT_TEST(test_record_states), SUPPORT_TEST(test_record_causes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
