/* Rows of a joblog, written and read; the file, whole and torn; and what a resume makes of it. */
#include "joblog.h"
#include "resume.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct joblog_row row_of(const char *command, const char *outcome, int exit_value, uint32_t attempt)
{
    return (struct joblog_row){.seq = 3,
                               .started = 1795524701.889,
                               .seconds = 2.0954,
                               .received = 12,
                               .exit_value = exit_value,
                               .command = command,
                               .command_size = strlen(command),
                               .peak_memory = 4096,
                               .method = "sampled",
                               .method_size = 7,
                               .outcome = outcome,
                               .outcome_size = strlen(outcome),
                               .attempt = attempt};
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void test_joblog_row(void **state)
{
    (void)state;
    struct text text = {0};
    struct joblog_row row = row_of("echo 'a b'", "exited", 7, 2);
    joblog_format(&row, &text);
    assert_string_equal(text.data,
                        "3\t:\t1795524701.889\t     2.095\t0\t12\t7\t0\techo 'a b'\t4096\tsampled\texited\t2\n");
    text_clear(&text);
    row.peak_memory = -1;
    row.exit_value = -1;
    row.signal = 15;
    joblog_format(&row, &text);
    assert_string_equal(text.data,
                        "3\t:\t1795524701.889\t     2.095\t0\t12\t-1\t15\techo 'a b'\t-\tsampled\texited\t2\n");
    struct joblog_row back;
    assert_int_equal(joblog_parse(text.data, text.size - 1, &back), 0);
    assert_int_equal(back.seq, 3);
    assert_int_equal(back.received, 12);
    assert_int_equal(back.exit_value, -1);
    assert_int_equal(back.signal, 15);
    assert_int_equal(back.peak_memory, -1);
    assert_int_equal(back.attempt, 2);
    assert_int_equal(back.command_size, strlen("echo 'a b'"));
    assert_memory_equal(back.command, "echo 'a b'", back.command_size);
    assert_memory_equal(back.outcome, "exited", back.outcome_size);
    text_deinit(&text);
}

static void test_joblog_long_command(void **state)
{
    (void)state;
    char *command = malloc(100001);
    memset(command, 'x', 100000);
    command[100000] = '\0';
    struct text text = {0};
    struct joblog_row row = row_of(command, "exited", 0, 1), back;
    joblog_format(&row, &text);
    assert_int_equal(joblog_parse(text.data, text.size - 1, &back), 0);
    assert_int_equal(back.command_size, 100000);
    text_deinit(&text);
    free(command);
}

/* No part of a row is one, from the left or from the right. */
static void test_joblog_refuses(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "x",
        "1\t:\t1.0\t1.0\t0\t0\t0\t0\techo",
        "1\t:\t1.0\t1.0\t0\t0\t0\t0\techo\t1\tsampled\texited\t",
        "1\t:\t1.0\t1.0\t0\t0\t0\t0\techo\t1\tsampled\t\t1",
        "x\t:\t1.0\t1.0\t0\t0\t0\t0\techo\t1\tsampled\texited\t1",
        "1\t:\t1.0\t1.0\t0\t0\tx\t0\techo\t1\tsampled\texited\t1",
        "1\t:\t1.0\t1.0\t0\t0\t0\t0\techo\tx\tsampled\texited\t1",
        "1\t:\t1.0\t1.0\t0\t0\t0\t0\techo\t1\tsampled\texited\t-1",
        "nan\t:\t1.0\t1.0\t0\t0\t0\t0\techo\t1\tsampled\texited\t1",
    };
    struct joblog_row row;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_int_equal(joblog_parse(lines[i], strlen(lines[i]), &row), -EINVAL);
    static const char tabs[] = "1\t:\t1.0\t1.0\t0\t0\t0\t0\ta\tb\tc\t1\tsampled\texited\t1";
    assert_int_equal(joblog_parse(tabs, strlen(tabs), &row), 0); /* TABs in a command do no harm */
    assert_int_equal(row.command_size, 5);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void write_file(const char *text)
{
    file_write(text, strlen(text));
}

static void expect_file(const char *text)
{
    char got[4096];
    FILE *file = fopen(file_path, "r");
    assert_non_null(file);
    got[fread(got, 1, sizeof got - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(got, text);
}

static int count_row(const struct joblog_row *row, void *user)
{
    (void)row;
    ++*(int *)user;
    return 0;
}

#define ROW "1\t:\t1.0\t1.0\t0\t0\t0\t0\techo\t1\tsampled\texited\t1\n"

/* Opens, begins, adds one row; returns how many rows were there. */
static int add_row(bool keep)
{
    struct joblog joblog;
    char problem[160];
    int rows = 0;
    const struct joblog_row row = row_of("new", "exited", 0, 1);
    assert_int_equal(joblog_open(&joblog, file_path, count_row, &rows, problem, sizeof problem), 0);
    assert_int_equal(joblog_begin(&joblog, keep), 0);
    assert_int_equal(joblog_write(&joblog, &row), 0);
    joblog_close(&joblog);
    return rows;
}

#define NEW "3\t:\t1795524701.889\t     2.095\t0\t12\t0\t0\tnew\t4096\tsampled\texited\t1\n"

static void test_joblog_file(void **state)
{
    (void)state;
    assert_int_equal(add_row(true), 0); /* an empty file is no other format */
    expect_file(JOBLOG_HEADER NEW);
    assert_int_equal(add_row(true), 1);
    expect_file(JOBLOG_HEADER NEW NEW);
    assert_int_equal(add_row(false), 2);
    expect_file(JOBLOG_HEADER NEW);
}

/* Cut anywhere: what was whole stays, what was not goes, and the next row stands on a line of its own. */
static void test_joblog_torn_anywhere(void **state)
{
    (void)state;
    static const char whole[] = JOBLOG_HEADER ROW ROW;
    const size_t header = strlen(JOBLOG_HEADER), row = strlen(ROW);
    for (size_t size = 0; size <= strlen(whole); size++) {
        char cut[sizeof whole], expected[sizeof whole + sizeof NEW + sizeof ROW] = "";
        const size_t rows = size < header ? 0 : (size - header) / row;
        snprintf(cut, sizeof cut, "%.*s", (int)size, whole);
        snprintf(expected, sizeof expected, "%.*s%s", (int)(header + rows * row), whole, NEW);
        write_file(cut);
        assert_int_equal(add_row(true), rows);
        expect_file(expected);
    }
}

static void expect_refused(const char *content, const char *words)
{
    struct joblog joblog;
    char problem[160];
    int rows = 0;
    write_file(content);
    assert_int_equal(joblog_open(&joblog, file_path, count_row, &rows, problem, sizeof problem), -EINVAL);
    joblog_close(&joblog);
    assert_non_null(strstr(problem, words));
    expect_file(content);
}

static void test_joblog_of_another_format(void **state)
{
    (void)state;
    expect_refused("hello\n", "is no joblog");
    expect_refused("hello", "is no joblog");
    expect_refused("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n", "not of reclaim map");
    expect_refused(JOBLOG_HEADER "hello\n", "line 2");
    expect_refused(JOBLOG_HEADER ROW "\n" ROW, "line 3");
}

static void test_joblog_belongs_to_one(void **state)
{
    (void)state;
    struct joblog first, second;
    char problem[160];
    assert_int_equal(joblog_open(&first, file_path, NULL, NULL, problem, sizeof problem), 0);
    assert_int_equal(joblog_open(&second, file_path, NULL, NULL, problem, sizeof problem), -EBUSY);
    joblog_close(&second);
    joblog_close(&first);
    assert_int_equal(joblog_open(&second, file_path, NULL, NULL, problem, sizeof problem), 0);
    joblog_close(&second);
    assert_int_equal(joblog_open(&second, "/no/such/place", NULL, NULL, problem, sizeof problem), -ENOENT);
    joblog_close(&second);
    assert_int_equal(joblog_open(&second, "/dev/null", NULL, NULL, problem, sizeof problem), 0);
    assert_int_equal(joblog_begin(&second, true), 0);
    joblog_close(&second);
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static void add(struct resume *resume, const char *command, const char *outcome, int exit_value, uint32_t attempt)
{
    const struct joblog_row row = row_of(command, outcome, exit_value, attempt);
    assert_int_equal(resume_add(resume, &row), 0);
}

/* How many of so many inputs of one command are skipped. */
static int skipped(struct resume *resume, const char *command, int inputs, bool failed_too)
{
    uint32_t attempts;
    int count = 0;
    for (int i = 0; i < inputs; i++)
        count += resume_take(resume, command, strlen(command), failed_too, &attempts);
    return count;
}

static void test_resume_is_a_multiset(void **state)
{
    (void)state;
    struct resume resume = {0};
    add(&resume, "a", "exited", 0, 1);
    add(&resume, "b", "exited", 0, 1);
    add(&resume, "a", "exited", 0, 1);
    add(&resume, "a", "exited", 1, 1);
    assert_int_equal(skipped(&resume, "c", 2, false), 0);
    assert_int_equal(skipped(&resume, "a", 5, false), 3);
    assert_int_equal(skipped(&resume, "b", 1, false), 1);
    assert_int_equal(skipped(&resume, "b", 1, false), 0);
    resume_deinit(&resume);
}

static void test_resume_failed(void **state)
{
    (void)state;
    struct resume resume = {0};
    uint32_t attempts;
    add(&resume, "a", "exited", 3, 2);
    add(&resume, "a", "exited", 0, 1);
    add(&resume, "a", "memory-limit", 0, 1);
    assert_true(resume_take(&resume, "a", 1, true, &attempts));
    assert_false(resume_take(&resume, "a", 1, true, &attempts));
    assert_int_equal(attempts, 2);
    assert_false(resume_take(&resume, "a", 1, true, &attempts));
    assert_int_equal(attempts, 1);
    assert_false(resume_take(&resume, "a", 1, true, &attempts));
    assert_int_equal(attempts, 0);
    resume_deinit(&resume);
}

/* A further run of an input that failed takes its row's place: one input, not two. */
static void test_resume_further_runs(void **state)
{
    (void)state;
    struct resume resume = {0};
    add(&resume, "a", "exited", 1, 1);
    add(&resume, "a", "exited", 1, 2);
    add(&resume, "a", "exited", 0, 3);
    add(&resume, "b", "exited", 1, 1);
    add(&resume, "b", "exited", 0, 1); /* another b, not the same again */
    add(&resume, "d", "exited", 1, 3);
    add(&resume, "d", "exited", 0, 2); /* another, that had retries */
    assert_int_equal(skipped(&resume, "a", 3, false), 1);
    assert_int_equal(skipped(&resume, "b", 3, false), 2);
    assert_int_equal(skipped(&resume, "d", 3, false), 2);
    resume_deinit(&resume);
}

static void test_resume_cancelled_runs_again(void **state)
{
    (void)state;
    struct resume resume = {0};
    uint32_t attempts;
    add(&resume, "a", "cancelled", 0, 1);
    assert_false(resume_take(&resume, "a", 1, false, &attempts));
    assert_int_equal(attempts, 1);
    add(&resume, "b", "cancelled", 0, 1);
    add(&resume, "b", "exited", 0, 2);
    assert_int_equal(skipped(&resume, "b", 2, false), 1);
    resume_deinit(&resume);
}

/* What no job is to blame for: the fork server died, or no worker could be made. */
static void test_resume_lost_runs_again(void **state)
{
    (void)state;
    struct resume resume = {0};
    uint32_t attempts;
    add(&resume, "a", "lost", 125, 1);
    add(&resume, "a", "exited", 1, 1);
    assert_true(resume_take(&resume, "a", 1, false, &attempts));
    assert_false(resume_take(&resume, "a", 1, false, &attempts));
    assert_int_equal(attempts, 1);
    add(&resume, "b", "lost", 125, 2);
    add(&resume, "b", "exited", 0, 3);
    assert_int_equal(skipped(&resume, "b", 2, false), 1);
    resume_deinit(&resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_joblog_row),
        SUPPORT_TEST(test_joblog_long_command),
        SUPPORT_TEST(test_joblog_refuses),
        FILE_TEST(test_joblog_file),
        FILE_TEST(test_joblog_torn_anywhere),
        FILE_TEST(test_joblog_of_another_format),
        FILE_TEST(test_joblog_belongs_to_one),
        SUPPORT_TEST(test_resume_is_a_multiset),
        SUPPORT_TEST(test_resume_failed),
        SUPPORT_TEST(test_resume_further_runs),
        SUPPORT_TEST(test_resume_cancelled_runs_again),
        SUPPORT_TEST(test_resume_lost_runs_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
