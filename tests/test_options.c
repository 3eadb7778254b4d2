/* Options: defaults filled in, and every refusal says which option, which value and what to do. */
#include "exclude.h"
#include "options.h"

#include "support.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BUDGET (INT64_C(8) << 30)
#define TOTAL  (INT64_C(10) << 30)

static const struct options_means means = {.memory_total = TOTAL, .memory_budget = BUDGET, .has_cpu_weight = true};

/* It was refused, and the message names this. */
static void assert_refused(int rc, int expected, const char *name)
{
    if (rc != expected || strstr(pool_message(), name) == NULL)
        fail_msg("%s: %d instead of %d: %s", name, rc, expected, pool_message());
}

/* ---- of a pool -----------------------------------------------------------------------------------------------------
 */

static void test_options_pool_defaults(void **state)
{
    (void)state;
    static const pool_options_t zero;
    pool_options_t full;
    const pool_options_t *const given[] = {NULL, &zero};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(options_pool(given[i], 6, &full), 0);
        assert_int_equal(full.workers, 6);
        assert_int_equal(full.warm, 6);
        assert_true(full.queue_limit == INT64_MAX);
        assert_int_equal(full.queue_full, POOL_QUEUE_BLOCK);
    }
    assert_int_equal(options_pool(NULL, 0, &full), 0); /* nobody knows how many there are */
    assert_int_equal(full.workers, 1);
    assert_int_equal(options_pool(NULL, -1, &full), 0);
    assert_int_equal(full.workers, 1);
}

static void test_options_pool_given(void **state)
{
    (void)state;
    pool_options_t full;
    pool_options_t given = {.workers = 3, .warm = POOL_NONE, .queue_limit = POOL_NONE, .queue_full = POOL_QUEUE_REFUSE};
    assert_int_equal(options_pool(&given, 6, &full), 0);
    assert_int_equal(full.workers, 3);
    assert_int_equal(full.warm, 0);
    assert_int_equal(full.queue_limit, 0);
    assert_int_equal(full.queue_full, POOL_QUEUE_REFUSE);
    given = (pool_options_t){.workers = OPTIONS_WORKERS_MAX, .warm = 2, .queue_limit = 9};
    assert_int_equal(options_pool(&given, 6, &full), 0);
    assert_int_equal(full.workers, OPTIONS_WORKERS_MAX);
    assert_int_equal(full.warm, 2);
    assert_int_equal(full.queue_limit, 9);
}

static void test_options_pool_refusals(void **state)
{
    (void)state;
    static const pool_bytes_t nothing[] = {{"", 1}, {"", 0}}, nowhere[] = {{NULL, 4096}}, endless[] = {{"", SIZE_MAX}};
    static const struct {
        pool_options_t options;
        int rc;
        const char *name;
    } table[] = {
        {{.workers = -1}, -EINVAL, "workers is -1"},
        {{.workers = INT32_MIN}, -EINVAL, "workers is -2147483648"},
        {{.workers = OPTIONS_WORKERS_MAX + 1}, -EINVAL, "workers is 4097"},
        {{.warm = -2}, -EINVAL, "warm is -2"},
        {{.warm = OPTIONS_WORKERS_MAX + 1}, -EINVAL, "warm is 4097"},
        {{.queue_limit = -2}, -EINVAL, "queue_limit is -2"},
        {{.queue_full = (pool_queue_full_t)2}, -EINVAL, "queue_full is 2"},
        {{.cgroup = "x"}, -EINVAL, "cgroup is \"x\""},
        {{.cgroup = ""}, -EINVAL, "cgroup is \"\""},
        {{.cgroup = "/x", .memory_method = POOL_MEMORY_SAMPLED}, -EINVAL, "cgroup is given"},
        {{.memory_method = POOL_MEMORY_RUSAGE}, -EINVAL, "memory_method is 1"},
        {{.memory_method = (pool_memory_method_t)4}, -EINVAL, "memory_method is 4"},
        {{.memory_budget = 1}, -EINVAL, "memory_budget is 1 bytes"},
        {{.memory_budget = (1 << 20) - 1}, -EINVAL, "memory_budget is 1048575 bytes"},
        {{.memory_budget = -2}, -EINVAL, "memory_budget is -2"},
        {{.memory_floor = -2}, -EINVAL, "memory_floor is -2"},
        {{.exclude_count = 1}, -EINVAL, "exclude is NULL and exclude_count is 1"},
        {{.exclude = nothing, .exclude_count = 2}, -EINVAL, "exclude[1] is 0 bytes"},
        {{.exclude = nowhere, .exclude_count = 1}, -EINVAL, "exclude[0] is 4096 bytes at (nil)"},
        {{.exclude = endless, .exclude_count = 1}, -EINVAL, "exclude[0] is 18446744073709551615 bytes"},
        {{.exclude = nothing, .exclude_count = EXCLUDE_MAX + 1}, -EINVAL, "exclude_count is 1025"},
        {{.reserved = {1}}, -EINVAL, "pool_options_t.reserved"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        pool_options_t full;
        assert_refused(options_pool(&table[i].options, 4, &full), table[i].rc, table[i].name);
    }
}

/* ---- of a job ------------------------------------------------------------------------------------------------------
 */

static void test_options_job_defaults(void **state)
{
    (void)state;
    static const pool_job_options_t zero;
    static const pool_job_options_t none = {.timeout_ms = POOL_NONE,
                                            .deadline_ms = POOL_NONE,
                                            .cpu_ms = POOL_NONE,
                                            .pids = POOL_NONE,
                                            .cpu_weight = POOL_NONE,
                                            .memory_limit = POOL_NONE,
                                            .memory_every_ms = POOL_NONE,
                                            .nofile = POOL_NONE,
                                            .retries = POOL_NONE,
                                            .retry_delay_ms = POOL_NONE};
    const pool_job_options_t *const given[] = {NULL, &zero, &none};
    for (size_t i = 0; i < 3; i++) {
        pool_job_options_t full;
        assert_int_equal(options_job(given[i], i == 1, &means, &full), 0);
        assert_int_equal(full.timeout_ms, -1);
        assert_int_equal(full.deadline_ms, -1);
        assert_int_equal(full.cpu_ms, -1);
        assert_int_equal(full.pids, -1);
        assert_int_equal(full.nofile, -1);
        assert_int_equal(full.memory_limit, -1);
        assert_int_equal(full.cpu_weight, -1);
        assert_int_equal(full.memory_every_ms, -1);
        assert_int_equal(full.retries, 0);
        assert_int_equal(full.retry_delay_ms, 0);
        assert_int_equal(full.kill_after_ms, OPTIONS_KILL_AFTER_DEFAULT);
        assert_int_equal(full.output_limit, OPTIONS_OUTPUT_DEFAULT);
        assert_int_equal(full.priority, 0);
    }
}

static void ignore(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    (void)event;
    (void)user;
}

static void test_options_job_given(void **state)
{
    (void)state;
    static const int fds[OPTIONS_FDS_MAX];
    pool_job_options_t full;
    pool_job_options_t given = {.kill_after_ms = POOL_NONE, .output_limit = POOL_NONE, .priority = INT32_MIN};
    assert_int_equal(options_job(&given, false, &means, &full), 0);
    assert_int_equal(full.kill_after_ms, 0);
    assert_int_equal(full.output_limit, 0);
    assert_int_equal(full.priority, INT32_MIN);
    given = (pool_job_options_t){.timeout_ms = 1,
                                 .kill_after_ms = 2,
                                 .deadline_ms = 3,
                                 .cpu_ms = 4,
                                 .pids = 5,
                                 .cpu_weight = 9,
                                 .memory_limit = (int64_t)1 << 20,
                                 .memory_backstop = true,
                                 .memory_every_ms = 10,
                                 .retry_oom = 1.1,
                                 .on_event = ignore,
                                 .nofile = 6,
                                 .nice = -40,
                                 .output_limit = 7,
                                 .fds = fds,
                                 .fd_count = OPTIONS_FDS_MAX,
                                 .retries = INT32_MAX,
                                 .retry_on = POOL_RETRY_ON(POOL_FAILED),
                                 .retry_delay_ms = 8};
    assert_int_equal(options_job(&given, false, &means, &full), 0);
    assert_memory_equal(&full, &given, sizeof given);
}

static const struct job_row {
    pool_job_options_t options;
    bool is_command;
    int rc;
    const char *name;
} job_rows[] = {
    {{.timeout_ms = -2}, false, -EINVAL, "timeout_ms is -2"},
    {{.timeout_ms = INT64_MAX}, false, -EINVAL, "timeout_ms is 9223372036854775807"},
    {{.kill_after_ms = -2}, false, -EINVAL, "kill_after_ms is -2"},
    {{.kill_after_ms = INT64_MAX}, false, -EINVAL, "kill_after_ms is"},
    {{.deadline_ms = -2}, false, -EINVAL, "deadline_ms is -2"},
    {{.deadline_ms = INT64_MAX}, false, -EINVAL, "deadline_ms is"},
    {{.cpu_ms = INT64_MIN}, false, -EINVAL, "cpu_ms is"},
    {{.cpu_ms = INT64_MAX}, false, -EINVAL, "cpu_ms is"},
    {{.pids = -2}, false, -EINVAL, "pids is -2"},
    {{.nofile = -2}, false, -EINVAL, "nofile is -2"},
    {{.output_limit = -2}, false, -EINVAL, "output_limit is -2"},
    {{.retries = -2}, false, -EINVAL, "retries is -2"},
    {{.retry_delay_ms = -2}, false, -EINVAL, "retry_delay_ms is -2"},
    {{.retry_delay_ms = INT64_MAX}, false, -EINVAL, "retry_delay_ms is"},
    {{.nice = -41}, false, -EINVAL, "nice is -41"},
    {{.nice = 41}, false, -EINVAL, "nice is 41"},
    {{.output = (pool_output_t)3}, false, -EINVAL, "output is 3"},
    {{.output = (pool_output_t)-1}, false, -EINVAL, "output is"},
    {{.output = POOL_OUTPUT_CAPTURE}, true, -EINVAL, "output is for function jobs"},
    {{.huge_pages = true}, false, -EINVAL, "huge_pages"},
    {{.result_limit = -2}, false, -EINVAL, "result_limit is -2"},
    {{.result_limit = 1}, true, -EINVAL, "result_limit is for function jobs"},
    {{.result_limit = POOL_NONE}, true, -EINVAL, "result_limit is for function jobs"},
    {{.fd_count = OPTIONS_FDS_MAX + 1}, false, -EINVAL, "fd_count is 241"},
    {{.fd_count = SIZE_MAX}, false, -EINVAL, "fd_count is"},
    {{.fd_count = 1}, false, -EINVAL, "fds is NULL"},
    {{.retry_on = POOL_RETRY_ON(POOL_PENDING)}, false, -EINVAL, "retry_on is 0x1:"},
    {{.retry_on = POOL_RETRY_ON(POOL_DONE)}, false, -EINVAL, "retry_on is 0x2:"},
    {{.retry_on = POOL_RETRY_ON(POOL_CANCELLED)}, false, -EINVAL, "retry_on is"},
    {{.retry_on = POOL_RETRY_ON(POOL_OUTCOME_COUNT_)}, false, -EINVAL, "retry_on is"},
    {{.retry_on = UINT32_C(1) << 31}, false, -EINVAL, "retry_on is"},
    {{.memory_limit = 1}, false, -EINVAL, "memory_limit is 1 bytes"},
    {{.memory_limit = ((int64_t)1 << 20) - 1}, false, -EINVAL, "memory_limit is 1048575 bytes"},
    {{.memory_limit = -2}, false, -EINVAL, "memory_limit is -2"},
    {{.memory_limit = INT64_MAX}, false, -EINVAL, "memory_limit is"},
    {{.memory_share = -1}, false, -EINVAL, "memory_share is -1"},
    {{.memory_share = 1.5}, false, -EINVAL, "memory_share is 1.5"},
    {{.memory_share = NAN}, false, -EINVAL, "memory_share is"},
    {{.memory_backstop = true}, false, -EINVAL, "memory_backstop"},
    {{.memory_backstop = true, .memory_limit = POOL_NONE}, false, -EINVAL, "memory_backstop"},
    {{.cpu_weight = -2}, false, -EINVAL, "cpu_weight is -2"},
    {{.cpu_weight = 10001}, false, -EINVAL, "cpu_weight is 10001"},
    {{.memory_every_ms = -2}, false, -EINVAL, "memory_every_ms is -2"},
    {{.memory_every_ms = 5}, false, -EINVAL, "memory_every_ms is set without on_event"},
    {{.memory_expected = -2}, true, -EINVAL, "memory_expected is -2"},
    {{.retry_oom = 2}, false, -EINVAL, "retry_oom is set without a memory_limit"},
    {{.retry_oom = 1, .memory_limit = INT64_MAX / 4}, false, -EINVAL, "retry_oom is 1:"},
    {{.retry_oom = 101, .memory_limit = INT64_MAX / 4}, false, -EINVAL, "retry_oom is 101"},
    {{.retry_oom = -2}, false, -EINVAL, "retry_oom is -2"},
    {{.retry_oom = NAN}, false, -EINVAL, "retry_oom is"},
    {{.reserved = {0, 1}}, true, -EINVAL, "pool_job_options_t.reserved"},
};

static void test_options_job_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof job_rows / sizeof job_rows[0]; i++) {
        pool_job_options_t full;
        assert_refused(options_job(&job_rows[i].options, job_rows[i].is_command, &means, &full), job_rows[i].rc,
                       job_rows[i].name);
    }
}

static void test_options_job_means(void **state)
{
    (void)state;
    static const struct options_means none;
    pool_job_options_t full;
    assert_refused(options_job(&(pool_job_options_t){.cpu_weight = 50}, false, &none, &full), -ENOTSUP,
                   "cpu_weight is 50");
    const pool_job_options_t large = {.memory_expected = BUDGET + 1};
    assert_int_equal(options_job(&large, false, &none, &full), 0);
    assert_refused(options_job(&large, false, &means, &full), -E2BIG, "memory_expected is 8589934593 bytes");
}

static void test_options_job_memory_share(void **state)
{
    (void)state;
    static const struct options_means none;
    static const struct {
        int64_t limit;
        double share;
        int64_t in_force;
    } rows[] = {{0, 1, TOTAL},
                {POOL_NONE, 0.5, TOTAL / 2},
                {TOTAL / 4, 0.5, TOTAL / 4},
                {TOTAL / 2, 0.25, TOTAL / 4},
                {TOTAL / 2, 0, TOTAL / 2}};
    pool_job_options_t full;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const pool_job_options_t given = {.memory_limit = rows[i].limit, .memory_share = rows[i].share};
        assert_int_equal(options_job(&given, false, &means, &full), 0);
        assert_int_equal(full.memory_limit, rows[i].in_force);
    }
    const pool_job_options_t given = {.memory_share = 0.5, .memory_backstop = true, .retry_oom = 2};
    assert_int_equal(options_job(&given, false, &means, &full), 0); /* a share is a limit */
    assert_refused(options_job(&given, false, &none, &full), -ENOTSUP, "memory_share is 0.5");
    assert_refused(options_job(&(pool_job_options_t){.memory_share = 1e-9}, false, &means, &full), -EINVAL,
                   "memory_limit is 10 bytes");
    assert_refused(options_job(&(pool_job_options_t){.memory_share = 1e-12}, false, &means, &full), -EINVAL,
                   "memory_limit is 1 bytes");
}

static void test_options_job_of_commands_and_functions(void **state)
{
    (void)state;
    pool_job_options_t full;
    assert_int_equal(options_job(&(pool_job_options_t){.huge_pages = true}, true, &means, &full), 0);
    assert_int_equal(options_job(&(pool_job_options_t){.result_limit = 1}, false, &means, &full), 0);
    assert_int_equal(options_job(&(pool_job_options_t){.output = POOL_OUTPUT_DISCARD}, false, &means, &full), 0);
    assert_int_equal(options_job(&(pool_job_options_t){.retry_on = POOL_RETRY_ON(POOL_LOST)}, false, &means, &full), 0);
}

/* ---- of a command --------------------------------------------------------------------------------------------------
 */

static void test_options_command(void **state)
{
    (void)state;
    static const char *const argv[] = {"true", NULL};
    static const char *const nothing[] = {NULL};
    static const int32_t to_a_stream[] = {3, 2}, negative[] = {-1, 3}, twice[] = {9, 9}, good[] = {9, 3};
    static const struct {
        pool_command_t command;
        const char *name;
    } table[] = {
        {{.argv = NULL}, "argv[0]"},
        {{.argv = nothing}, "argv[0]"},
        {{.argv = argv, .stdin_mode = (pool_stdin_t)5}, "stdin_mode is 5"},
        {{.argv = argv, .stdin_mode = (pool_stdin_t)-1}, "stdin_mode is"},
        {{.argv = argv, .stdin_mode = POOL_STDIN_BYTES, .stdin_bytes = {NULL, 3}}, "stdin_bytes.data is NULL"},
        {{.argv = argv, .stdout_mode = (pool_stream_t)5}, "stdout_mode is 5"},
        {{.argv = argv, .stderr_mode = (pool_stream_t)-1}, "stderr_mode is"},
        {{.argv = argv, .fd_numbers = to_a_stream}, "fd_numbers[1] is 2"},
        {{.argv = argv, .fd_numbers = negative}, "fd_numbers[0] is -1"},
        {{.argv = argv, .fd_numbers = twice}, "fd_numbers[0] and [1] are both 9"},
        {{.argv = argv, .reserved = {1}}, "pool_command_t.reserved"},
    };
    assert_refused(options_command(NULL, 0), -EINVAL, "argv[0]");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_refused(options_command(&table[i].command, 2), -EINVAL, table[i].name);
    assert_int_equal(options_command(&(pool_command_t){.argv = argv}, 0), 0);
    assert_int_equal(options_command(&(pool_command_t){.argv = argv, .fd_numbers = good}, 2), 0);
    assert_int_equal(options_command(&(pool_command_t){.argv = argv, .fd_numbers = twice}, 1), 0);
    assert_int_equal(options_command(&(pool_command_t){.argv = argv, .stdin_mode = POOL_STDIN_BYTES}, 0), 0);
    assert_int_equal(options_command(&(pool_command_t){.argv = argv,
                                                       .stdin_mode = POOL_STDIN_INHERIT,
                                                       .stdout_mode = POOL_STREAM_DISCARD,
                                                       .stderr_mode = POOL_STREAM_CAPTURE},
                                     0),
                     0);
    assert_int_equal(options_command(&(pool_command_t){.argv = argv,
                                                       .stdin_mode = POOL_STDIN_CLOSED,
                                                       .stdout_mode = POOL_STREAM_CLOSED,
                                                       .stderr_mode = POOL_STREAM_CLOSED},
                                     0),
                     0);
}

/* ---- words ---------------------------------------------------------------------------------------------------------
 */

/* Every outcome, cause and method has a word of its own; anything else is no crash. */
static void test_options_names(void **state)
{
    (void)state;
    for (int i = 0; i < POOL_OUTCOME_COUNT_; i++) {
        assert_string_not_equal(pool_outcome_name((pool_outcome_t)i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(pool_outcome_name((pool_outcome_t)i), pool_outcome_name((pool_outcome_t)j));
    }
    for (int i = 0; i < POOL_CAUSE_COUNT_; i++) {
        assert_string_not_equal(pool_cause_name((pool_cause_t)i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(pool_cause_name((pool_cause_t)i), pool_cause_name((pool_cause_t)j));
    }
    for (int i = POOL_MEMORY_UNMEASURED; i <= POOL_MEMORY_CGROUP; i++)
        assert_string_not_equal(pool_memory_method_name((pool_memory_method_t)i), "unknown");
    assert_string_equal(pool_outcome_name((pool_outcome_t)-1), "unknown");
    assert_string_equal(pool_cause_name((pool_cause_t)POOL_CAUSE_COUNT_), "unknown");
    assert_string_equal(pool_memory_method_name((pool_memory_method_t)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_options_pool_defaults),
        SUPPORT_TEST(test_options_pool_given),
        SUPPORT_TEST(test_options_pool_refusals),
        SUPPORT_TEST(test_options_job_defaults),
        SUPPORT_TEST(test_options_job_given),
        SUPPORT_TEST(test_options_job_refusals),
        SUPPORT_TEST(test_options_job_means),
        SUPPORT_TEST(test_options_job_memory_share),
        SUPPORT_TEST(test_options_job_of_commands_and_functions),
        SUPPORT_TEST(test_options_command),
        SUPPORT_TEST(test_options_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
