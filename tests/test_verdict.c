/* The verdict: from every way in which an attempt can end to exactly one outcome and cause. */
#include "verdict.h"

#include "support.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)

/* ---- rows that say what is meant -----------------------------------------------------------------------------------
 */

static const struct row {
    struct verdict_ending ending;
    pool_outcome_t outcome;
    pool_cause_t cause;
    int32_t code, signal;
    const char *words; /* in the message */
} rows[] = {
    /* a function's own word */
    {{.has_result = true}, POOL_DONE, POOL_CAUSE_EXITED, 0, 0, "returned 0"},
    {{.has_result = true, .code = 3}, POOL_FAILED, POOL_CAUSE_EXITED, 3, 0, "returned 3"},
    {{.has_result = true, .code = -3}, POOL_FAILED, POOL_CAUSE_EXITED, -3, 0, "returned -3"},
    {{.has_result = true, .code = 3, .text = "no such key"}, POOL_FAILED, POOL_CAUSE_EXITED, 3, 0, "no such key"},
    {{.has_result = true, .code = 3, .text = ""}, POOL_FAILED, POOL_CAUSE_EXITED, 3, 0, "returned 3"},
    {{.has_result = true, .code = 3, .text = "100%s%n"}, POOL_FAILED, POOL_CAUSE_EXITED, 3, 0, "100%s%n"},
    /* ... whatever kill was under way */
    {{.has_result = true, .reason = KILL_CANCELLED}, POOL_DONE, POOL_CAUSE_EXITED, 0, 0, "returned 0"},
    {{.has_result = true, .reason = KILL_TIMEOUT, .timeout_ms = 1500},
     POOL_DONE,
     POOL_CAUSE_EXITED,
     0,
     0,
     "returned 0 when it was asked to end, over its timeout of 1.5 s"},
    /* ... unless it failed when it was asked to end */
    {{.has_result = true, .code = 3, .text = "stopped", .reason = KILL_TIMEOUT, .timeout_ms = 1500},
     POOL_TIMED_OUT,
     POOL_CAUSE_TIMEOUT,
     3,
     0,
     "over its timeout of 1.5 s; asked to end, it ended by itself: stopped"},
    {{.has_result = true, .code = 3, .reason = KILL_CANCELLED}, POOL_CANCELLED, POOL_CAUSE_CANCELLED, 3, 0, ""},
    /* a value that this process cannot keep */
    {{.has_result = true, .unkept = EFBIG, .value_size = 101, .result_limit = 100},
     POOL_FAILED,
     POOL_CAUSE_OUTPUT_LIMIT,
     0,
     0,
     "its value of 101 bytes is over its result_limit of 100"},
    {{.has_result = true, .unkept = EFBIG, .value_size = 4 << 20, .memory_limit = 3 << 20},
     POOL_OUT_OF_MEMORY,
     POOL_CAUSE_MEMORY_LIMIT,
     0,
     0,
     "its value of 4194304 bytes is over its memory limit of 3.0 MiB"},
    {{.has_result = true, .unkept = ENOMEM, .value_size = 101},
     POOL_FAILED,
     POOL_CAUSE_OUTPUT_LIMIT,
     0,
     0,
     "its value of 101 bytes cannot be kept: Cannot allocate memory"},
    {{.has_result = true, .unkept = EMFILE, .value_size = 101},
     POOL_FAILED,
     POOL_CAUSE_OUTPUT_LIMIT,
     0,
     0,
     "raise this process's limit on open files"},
    {{.has_result = true, .unkept = EFBIG, .code = 3, .text = "words"}, POOL_FAILED, POOL_CAUSE_EXITED, 3, 0, "words"},
    {{.has_result = true, .unkept = EFBIG, .status = KILLED(SIGSEGV)},
     POOL_CRASHED,
     POOL_CAUSE_SIGNALLED,
     0,
     SIGSEGV,
     ""},
    /* a command's own word */
    {{.has_result = true, .is_command = true}, POOL_DONE, POOL_CAUSE_EXITED, 0, 0, "exited 0"},
    {{.has_result = true, .is_command = true, .reason = KILL_TIMEOUT}, POOL_DONE, POOL_CAUSE_EXITED, 0, 0, ""},
    {{.has_result = true, .is_command = true, .code = 2}, POOL_FAILED, POOL_CAUSE_EXITED, 2, 0, "exited 2"},
    {{.has_result = true, .is_command = true, .code = 127, .start = START_NOT_FOUND, .text = "sh: no"},
     POOL_FAILED,
     POOL_CAUSE_NOT_FOUND,
     127,
     0,
     "sh: no"},
    {{.has_result = true, .is_command = true, .code = 126, .start = START_NOT_EXECUTABLE},
     POOL_FAILED,
     POOL_CAUSE_NOT_EXECUTABLE,
     126,
     0,
     "could not be started"},
    {{.has_result = true, .is_command = true, .signal = SIGSEGV},
     POOL_CRASHED,
     POOL_CAUSE_SIGNALLED,
     0,
     SIGSEGV,
     "signal 11"},
    {{.has_result = true, .is_command = true, .signal = SIGKILL, .cpu_ms = -1, .cpu_used_ms = 9},
     POOL_CRASHED,
     POOL_CAUSE_KILLED,
     0,
     SIGKILL,
     "someone else"},
    {{.has_result = true, .is_command = true, .signal = SIGKILL, .cpu_ms = 1000, .cpu_used_ms = 999},
     POOL_CRASHED,
     POOL_CAUSE_KILLED,
     0,
     SIGKILL,
     "someone else"},
    /* the kernel ended it for its CPU time: it died of SIGXCPU, or caught that */
    {{.has_result = true, .is_command = true, .signal = SIGXCPU, .cpu_ms = 1000},
     POOL_TIMED_OUT,
     POOL_CAUSE_CPU_LIMIT,
     0,
     SIGXCPU,
     "CPU time of 1 s"},
    {{.has_result = true, .is_command = true, .signal = SIGKILL, .cpu_ms = 1000, .cpu_used_ms = 1000},
     POOL_TIMED_OUT,
     POOL_CAUSE_CPU_LIMIT,
     0,
     SIGKILL,
     "CPU time of 1 s"},
    {{.has_result = true, .is_command = true, .signal = SIGXCPU, .cpu_ms = -1},
     POOL_CRASHED,
     POOL_CAUSE_SIGNALLED,
     0,
     SIGXCPU,
     "signal 24"},
    /* a command that was ended for a reason, and took it in different ways */
    {{.has_result = true, .is_command = true, .signal = SIGTERM, .reason = KILL_TIMEOUT, .timeout_ms = 1500},
     POOL_TIMED_OUT,
     POOL_CAUSE_TIMEOUT,
     0,
     SIGTERM,
     "1.5 s"},
    {{.has_result = true, .is_command = true, .code = 143, .reason = KILL_TIMEOUT, .timeout_ms = 1500},
     POOL_TIMED_OUT,
     POOL_CAUSE_TIMEOUT,
     143,
     0,
     "over its timeout of 1.5 s; asked to end, it ended by itself: exited 143"},
    {{.has_result = true, .is_command = true, .code = 143, .reason = KILL_CANCELLED},
     POOL_CANCELLED,
     POOL_CAUSE_CANCELLED,
     143,
     0,
     "cancelled"},
    /* ended by the fork server */
    {{.status = KILLED(SIGTERM), .reason = KILL_CANCELLED}, POOL_CANCELLED, POOL_CAUSE_CANCELLED, 0, SIGTERM, ""},
    {{.status = KILLED(SIGKILL), .reason = KILL_TIMEOUT, .timeout_ms = 2000},
     POOL_TIMED_OUT,
     POOL_CAUSE_TIMEOUT,
     0,
     SIGKILL,
     "timeout of 2 s"},
    {{.status = KILLED(SIGKILL), .reason = KILL_TIMEOUT, .timeout_ms = 2000, .deadline = true},
     POOL_TIMED_OUT,
     POOL_CAUSE_TIMEOUT,
     0,
     SIGKILL,
     "deadline"},
    {{.status = KILLED(SIGXCPU), .reason = KILL_CPU_LIMIT, .cpu_ms = 3000},
     POOL_TIMED_OUT,
     POOL_CAUSE_CPU_LIMIT,
     0,
     SIGXCPU,
     "3 s"},
    {{.status = KILLED(SIGKILL), .reason = KILL_OUTPUT_LIMIT, .output_limit = 77},
     POOL_FAILED,
     POOL_CAUSE_OUTPUT_LIMIT,
     0,
     SIGKILL,
     "77 bytes"},
    {{.status = KILLED(SIGKILL), .reason = KILL_OUTPUT_LIMIT, .output_limit = 77, .output_unkept = true},
     POOL_FAILED,
     POOL_CAUSE_OUTPUT_LIMIT,
     0,
     SIGKILL,
     "no memory to capture more"},
    {{.status = KILLED(SIGKILL), .reason = KILL_PROCESS_LIMIT, .pids = 5},
     POOL_FAILED,
     POOL_CAUSE_PROCESS_LIMIT,
     0,
     SIGKILL,
     "5 processes"},
    {{.status = KILLED(SIGKILL), .reason = KILL_PROTOCOL}, POOL_CRASHED, POOL_CAUSE_PROTOCOL, 0, SIGKILL, ""},
    {{.status = KILLED(SIGKILL), .reason = KILL_BIRTH}, POOL_LOST, POOL_CAUSE_LOST, 0, SIGKILL, "not ready"},
    /* ... and it left by itself before the signal came */
    {{.status = EXITED(1), .reason = KILL_TIMEOUT}, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, 0, 0, ""},
    /* ended by itself, or by others */
    {{.status = KILLED(SIGSEGV)}, POOL_CRASHED, POOL_CAUSE_SIGNALLED, 0, SIGSEGV, "signal 11"},
    {{.status = KILLED(SIGSEGV) | 0x80}, POOL_CRASHED, POOL_CAUSE_SIGNALLED, 0, SIGSEGV, "signal 11"}, /* with a core */
    {{.status = KILLED(SIGTERM)}, POOL_CRASHED, POOL_CAUSE_SIGNALLED, 0, SIGTERM, "signal 15"},
    {{.status = KILLED(SIGKILL)}, POOL_CRASHED, POOL_CAUSE_KILLED, 0, SIGKILL, "someone else"},
    {{.status = EXITED(0)}, POOL_CRASHED, POOL_CAUSE_EXITED, 0, 0, "before its result was complete"},
    {{.status = EXITED(7)}, POOL_CRASHED, POOL_CAUSE_EXITED, 7, 0, "exited 7"},
    {{.status = EXITED(WORKER_EXIT_CHANNEL)}, POOL_CRASHED, POOL_CAUSE_PROTOCOL, WORKER_EXIT_CHANNEL, 0, "descriptors"},
    /* a whole result, and then it did not leave well */
    {{.has_result = true, .status = KILLED(SIGKILL)}, POOL_CRASHED, POOL_CAUSE_KILLED, 0, SIGKILL, ""},
    {{.has_result = true, .status = KILLED(SIGSEGV)}, POOL_CRASHED, POOL_CAUSE_SIGNALLED, 0, SIGSEGV, ""},
    {{.has_result = true, .status = EXITED(4)}, POOL_CRASHED, POOL_CAUSE_EXITED, 4, 0, ""},
    /* what it said is not to be believed */
    {{.protocol_error = true, .has_result = true}, POOL_CRASHED, POOL_CAUSE_PROTOCOL, 0, 0, "an invalid message"},
    {{.protocol_error = true, .lost = true}, POOL_CRASHED, POOL_CAUSE_PROTOCOL, 0, 0, ""},
    {{.protocol_error = true, .status = KILLED(SIGKILL), .reason = KILL_PROTOCOL},
     POOL_CRASHED,
     POOL_CAUSE_PROTOCOL,
     0,
     SIGKILL,
     ""},
    {{.status = KILLED(SIGKILL), .oom = OOM_BELOW}, POOL_CRASHED, POOL_CAUSE_KILLED, 0, SIGKILL, "before 5.17"},
    {{.has_result = true, .unkillable = true},
     POOL_DONE,
     POOL_CAUSE_UNKILLABLE,
     0,
     0,
     "returned 0; a process that it left"},
    {{.has_result = true, .code = 3, .unkillable = true}, POOL_FAILED, POOL_CAUSE_UNKILLABLE, 3, 0, "cannot be killed"},
    {{.status = KILLED(SIGKILL), .reason = KILL_TIMEOUT, .unkillable = true},
     POOL_TIMED_OUT,
     POOL_CAUSE_TIMEOUT,
     0,
     SIGKILL,
     "cannot be killed"},
    {{.value_bad = true, .has_result = true}, POOL_CRASHED, POOL_CAUSE_PROTOCOL, 0, 0, "size"},
    /* memory: the job's own limit by us or by the kernel, and everything else that an OOM killer does */
    {{.status = KILLED(SIGKILL),
      .reason = KILL_MEMORY_LIMIT,
      .memory_limit = 3 << 20,
      .peak = 7 << 19,
      .method = "sampled"},
     POOL_OUT_OF_MEMORY,
     POOL_CAUSE_MEMORY_LIMIT,
     0,
     SIGKILL,
     "over its memory limit of 3.0 MiB (peak 3.5 MiB, sampled)"},
    {{.status = KILLED(SIGKILL), .oom = OOM_LIMIT, .memory_limit = 3 << 20, .peak = 3 << 20, .method = "cgroup"},
     POOL_OUT_OF_MEMORY,
     POOL_CAUSE_MEMORY_LIMIT,
     0,
     SIGKILL,
     "over its memory limit of 3.0 MiB (peak 3.0 MiB, cgroup)"},
    {{.status = KILLED(SIGKILL), .oom = OOM_MACHINE, .memory_limit = 3 << 20, .method = "cgroup"},
     POOL_OUT_OF_MEMORY,
     POOL_CAUSE_MACHINE_OOM,
     0,
     SIGKILL,
     "for lack of memory on the machine"},
    {{.has_result = true,
      .is_command = true,
      .signal = SIGKILL,
      .oom = OOM_MACHINE,
      .cpu_ms = -1,
      .memory_limit = -1,
      .method = "sampled"},
     POOL_OUT_OF_MEMORY,
     POOL_CAUSE_MACHINE_OOM,
     0,
     SIGKILL,
     "for lack of memory"},
    {{.status = KILLED(SIGSEGV), .oom = OOM_MACHINE, .method = "sampled"},
     POOL_CRASHED,
     POOL_CAUSE_SIGNALLED,
     0,
     SIGSEGV,
     ""},
    {{.status = KILLED(SIGKILL), .reason = KILL_CANCELLED, .oom = OOM_MACHINE, .method = "sampled"},
     POOL_CANCELLED,
     POOL_CAUSE_CANCELLED,
     0,
     SIGKILL,
     ""},
    {{.status = KILLED(SIGKILL), .reason = KILL_EVICTED}, POOL_LOST, POOL_CAUSE_LOST, 0, SIGKILL, "to make room"},
    /* nobody knows */
    {{.lost = true}, POOL_LOST, POOL_CAUSE_LOST, 0, 0, "fork server"},
    {{.lost = true, .has_result = true}, POOL_LOST, POOL_CAUSE_LOST, 0, 0, "fork server"},
};

static void test_verdict_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct verdict verdict;
        verdict_decide(&rows[i].ending, &verdict);
        if (verdict.outcome != rows[i].outcome || verdict.cause != rows[i].cause || verdict.code != rows[i].code ||
            verdict.signal != rows[i].signal || strstr(verdict.message, rows[i].words) == NULL)
            fail_msg("row %zu: %s/%s, code %d, signal %d: %s", i, pool_outcome_name(verdict.outcome),
                     pool_cause_name(verdict.cause), verdict.code, verdict.signal, verdict.message);
    }
}

/* ---- every combination ---------------------------------------------------------------------------------------------
 */

#define BIT(cause) (1U << (cause))

/* The causes that may stand beside each outcome. */
static const unsigned beside[POOL_OUTCOME_COUNT_] = {
    [POOL_DONE] = BIT(POOL_CAUSE_EXITED),
    [POOL_FAILED] = BIT(POOL_CAUSE_EXITED) | BIT(POOL_CAUSE_NOT_FOUND) | BIT(POOL_CAUSE_NOT_EXECUTABLE) |
                    BIT(POOL_CAUSE_OUTPUT_LIMIT) | BIT(POOL_CAUSE_PROCESS_LIMIT),
    [POOL_CRASHED] =
        BIT(POOL_CAUSE_EXITED) | BIT(POOL_CAUSE_SIGNALLED) | BIT(POOL_CAUSE_KILLED) | BIT(POOL_CAUSE_PROTOCOL),
    [POOL_TIMED_OUT] = BIT(POOL_CAUSE_TIMEOUT) | BIT(POOL_CAUSE_CPU_LIMIT),
    [POOL_OUT_OF_MEMORY] = BIT(POOL_CAUSE_MEMORY_LIMIT) | BIT(POOL_CAUSE_MACHINE_OOM),
    [POOL_CANCELLED] = BIT(POOL_CAUSE_CANCELLED),
    [POOL_LOST] = BIT(POOL_CAUSE_LOST),
};

/* The next combination of indices below their counts; false: that was the last. */
static bool next_combination(size_t *digits, const size_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (++digits[i] < counts[i])
            return true;
        digits[i] = 0;
    }
    return false;
}

static void assert_sound(const struct verdict_ending *e, const struct verdict *verdict)
{
    assert_true(verdict->outcome > POOL_PENDING && verdict->outcome < POOL_OUTCOME_COUNT_);
    assert_true((beside[verdict->outcome] & BIT(verdict->cause)) != 0);
    assert_true(verdict->message[0] != '\0');
    assert_non_null(memchr(verdict->message, '\0', sizeof verdict->message));
    const bool believed = e->has_result && !e->protocol_error && !e->value_bad && !e->lost && e->status == 0;
    const bool good = e->code == 0 && (!e->is_command || (e->signal == 0 && e->start == START_OK));
    assert_int_equal(verdict->outcome == POOL_DONE, believed && good);
    if (verdict->cause == POOL_CAUSE_MACHINE_OOM)
        assert_true(e->oom != OOM_NONE && verdict->signal == SIGKILL);
    if (verdict->cause == POOL_CAUSE_KILLED)
        assert_true(e->oom == OOM_NONE && verdict->signal == SIGKILL &&
                    (e->reason == KILL_NONE || e->reason >= KILL_COUNT_));
    if (verdict->cause == POOL_CAUSE_SIGNALLED)
        assert_true(verdict->signal != 0 && verdict->signal != SIGKILL);
}

static void test_verdict_every_combination(void **state)
{
    (void)state;
    static const int statuses[] = {0, EXITED(3), EXITED(121), EXITED(122), SIGSEGV, SIGKILL, SIGTERM, SIGSEGV | 0x80};
    static const uint64_t signals[] = {0, SIGKILL, SIGTERM, SIGXCPU};
    static const int64_t cpu[][2] = {{-1, 0}, {1000, 0}, {1000, 2000}};
    static const int64_t codes[] = {0, 3, INT32_MIN};
    static const char *const texts[] = {NULL, "", "words"};
    static const size_t counts[] = {2, 2, 2, 2, 8, KILL_COUNT_ + 1, 2, 3, 3, 4, 3, 3, 3};
    size_t digits[13] = {0};
    size_t seen = 0;
    do {
        struct verdict verdict;
        const struct verdict_ending ending = {
            .has_result = digits[0] != 0,
            .protocol_error = digits[1] != 0,
            .value_bad = digits[2] != 0,
            .lost = digits[3] != 0,
            .status = statuses[digits[4]],
            .reason = digits[5],
            .is_command = digits[6] != 0,
            .code = codes[digits[7]],
            .start = digits[8],
            .signal = signals[digits[9]],
            .text = texts[digits[10]],
            .cpu_ms = cpu[digits[11]][0],
            .cpu_used_ms = cpu[digits[11]][1],
            .timeout_ms = -1,
            .memory_limit = digits[12] == OOM_LIMIT ? 1 << 20 : -1,
            .oom = digits[12],
            .method = "sampled",
        };
        memset(&verdict, 0xee, sizeof verdict);
        verdict_decide(&ending, &verdict);
        assert_sound(&ending, &verdict);
        seen++;
    } while (next_combination(digits, counts, 13));
    assert_int_equal(seen, 16 * 8 * (KILL_COUNT_ + 1) * 2 * 3 * 3 * 4 * 3 * 3 * 3);
}

/* Whose value is the job's: of one that ended by itself, and not because it was to be thrown away. */
static void test_verdict_keeps_values(void **state)
{
    (void)state;
    static const struct {
        struct verdict_ending ending;
        bool keeps;
    } table[] = {
        {{.has_result = true}, true},
        {{.has_result = true, .code = 3}, true},
        {{.has_result = true, .code = 3, .reason = KILL_TIMEOUT}, true},
        {{.has_result = true, .code = 3, .reason = KILL_CANCELLED}, false},
        {{.has_result = true, .unkept = EFBIG}, false},
        {{.has_result = true, .code = 3, .unkept = ENOMEM}, false},
        {{.has_result = true, .status = KILLED(SIGSEGV)}, false},
        {{.has_result = true, .status = EXITED(3)}, false},
        {{.has_result = true, .value_bad = true}, false},
        {{.has_result = true, .protocol_error = true}, false},
        {{.has_result = true, .lost = true}, false},
        {{.status = KILLED(SIGKILL), .reason = KILL_TIMEOUT}, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct verdict verdict;
        memset(&verdict, 0xee, sizeof verdict);
        verdict_decide(&table[i].ending, &verdict);
        if (verdict.keeps_value != table[i].keeps)
            fail_msg("row %zu", i);
    }
}

static void test_verdict_long_text_is_cut(void **state)
{
    (void)state;
    static char text[5000];
    struct verdict verdict;
    memset(text, 'a', sizeof text - 1);
    verdict_decide(&(struct verdict_ending){.has_result = true, .code = 1, .text = text}, &verdict);
    assert_int_equal(strlen(verdict.message), sizeof verdict.message - 1);
}

/* ---- what next -----------------------------------------------------------------------------------------------------
 */

static void test_verdict_next_table(void **state)
{
    (void)state;
    static const struct {
        struct verdict_retry retry;
        enum verdict_next expected;
    } table[] = {
        /* never without retries */
        {{.outcome = POOL_CRASHED, .attempt = 1}, VERDICT_SETTLE},
        {{.outcome = POOL_LOST, .attempt = 1}, VERDICT_SETTLE},
        /* the default outcomes */
        {{.outcome = POOL_CRASHED, .attempt = 1, .retries = 1}, VERDICT_RETRY},
        {{.outcome = POOL_TIMED_OUT, .attempt = 1, .retries = 1}, VERDICT_RETRY},
        {{.outcome = POOL_LOST, .attempt = 1, .retries = 1}, VERDICT_RETRY},
        {{.outcome = POOL_FAILED, .attempt = 1, .retries = 1}, VERDICT_SETTLE},
        {{.outcome = POOL_OUT_OF_MEMORY, .attempt = 1, .retries = 1}, VERDICT_SETTLE},
        /* `retries` further attempts and no more */
        {{.outcome = POOL_CRASHED, .attempt = 2, .retries = 1}, VERDICT_SETTLE},
        {{.outcome = POOL_CRASHED, .attempt = 3, .retries = 3}, VERDICT_RETRY},
        {{.outcome = POOL_CRASHED, .attempt = 4, .retries = 3}, VERDICT_SETTLE},
        {{.outcome = POOL_CRASHED, .attempt = 5, .retries = INT32_MAX}, VERDICT_RETRY},
        {{.outcome = POOL_CRASHED, .attempt = 1, .retries = -1}, VERDICT_SETTLE},
        /* outcomes of the caller's choice, and those only */
        {{.outcome = POOL_FAILED, .attempt = 1, .retries = 1, .retry_on = POOL_RETRY_ON(POOL_FAILED)}, VERDICT_RETRY},
        {{.outcome = POOL_CRASHED, .attempt = 1, .retries = 1, .retry_on = POOL_RETRY_ON(POOL_FAILED)}, VERDICT_SETTLE},
        {{.outcome = POOL_OUT_OF_MEMORY, .attempt = 1, .retries = 1, .retry_on = POOL_RETRY_ON(POOL_OUT_OF_MEMORY)},
         VERDICT_RETRY},
        /* never what is done, or what nobody wants any more */
        {{.outcome = POOL_DONE, .attempt = 1, .retries = 9, .retry_on = UINT32_MAX}, VERDICT_SETTLE},
        {{.outcome = POOL_CANCELLED, .attempt = 1, .retries = 9, .retry_on = UINT32_MAX}, VERDICT_SETTLE},
        {{.outcome = POOL_CRASHED, .attempt = 1, .retries = 9, .cancelled = true}, VERDICT_SETTLE},
        {{.outcome = POOL_LOST, .attempt = 1, .rerunnable = true, .cancelled = true}, VERDICT_SETTLE},
        /* taken from it: once more, at no cost */
        {{.outcome = POOL_LOST, .attempt = 1, .rerunnable = true}, VERDICT_RERUN},
        {{.outcome = POOL_LOST, .attempt = 9, .retries = 1, .rerunnable = true}, VERDICT_RERUN},
        {{.outcome = POOL_CRASHED, .attempt = 1, .rerunnable = true}, VERDICT_SETTLE},
        {{.outcome = POOL_LOST, .attempt = 1, .evicted = true}, VERDICT_RERUN},
        {{.outcome = POOL_DONE, .attempt = 1, .evicted = true, .rerunnable = true}, VERDICT_SETTLE},
        {{.outcome = POOL_LOST, .attempt = 1, .evicted = true, .cancelled = true}, VERDICT_SETTLE},
        /* it never began, whatever became of the worker */
        {{.outcome = POOL_CRASHED, .unbegun = true}, VERDICT_RESTART},
        {{.outcome = POOL_LOST, .unbegun = true, .attempt = 9, .rerunnable = true}, VERDICT_RESTART},
        {{.outcome = POOL_CRASHED, .unbegun = true, .cancelled = true, .retries = 9}, VERDICT_SETTLE},
        /* more memory, as long as there is more */
        {{.outcome = POOL_OUT_OF_MEMORY, .over_memory = true, .memory_limit = 100, .retry_oom = 2, .memory_most = 150},
         VERDICT_LARGER},
        {{.outcome = POOL_OUT_OF_MEMORY, .over_memory = true, .memory_limit = 100, .retry_oom = 2, .memory_most = 100},
         VERDICT_SETTLE},
        {{.outcome = POOL_OUT_OF_MEMORY, .over_memory = true, .memory_limit = 100, .retry_oom = 2, .memory_most = 50},
         VERDICT_SETTLE},
        {{.outcome = POOL_OUT_OF_MEMORY, .memory_limit = 100, .retry_oom = 2, .memory_most = 900}, VERDICT_SETTLE},
        {{.outcome = POOL_OUT_OF_MEMORY, .over_memory = true, .memory_limit = 100, .memory_most = 900}, VERDICT_SETTLE},
        {{.outcome = POOL_OUT_OF_MEMORY,
          .over_memory = true,
          .memory_limit = 1,
          .retry_oom = 2,
          .memory_most = 9,
          .cancelled = true},
         VERDICT_SETTLE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (verdict_next(&table[i].retry) != table[i].expected)
            fail_msg("row %zu", i);
}

static void test_verdict_larger_limit(void **state)
{
    (void)state;
    static const struct {
        int64_t limit;
        double factor;
        uint64_t most;
        int64_t expected;
    } table[] = {
        {100, 2, UINT64_MAX, 200},
        {100, 1.5, 1000, 150},
        {100, 2, 199, 199},
        {100, 100, 5000, 5000},
        {INT64_MAX / 4, 100, UINT64_MAX, INT64_MAX / 2 + 1}, /* as a double has it */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct verdict_retry retry = {
            .memory_limit = table[i].limit, .retry_oom = table[i].factor, .memory_most = table[i].most};
        assert_int_equal(verdict_larger_limit(&retry), table[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_verdict_rows),         SUPPORT_TEST(test_verdict_every_combination),
        SUPPORT_TEST(test_verdict_keeps_values), SUPPORT_TEST(test_verdict_long_text_is_cut),
        SUPPORT_TEST(test_verdict_next_table),   SUPPORT_TEST(test_verdict_larger_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
