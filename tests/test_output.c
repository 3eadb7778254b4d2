/* Output on its way: spools in memory and on disk, tags, streams; and what is said about jobs. */
#include "job_stream.h"
#include "outcome.h"
#include "outlet.h"
#include "progress.h"
#include "results.h"
#include "spool.h"
#include "summary.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int collect(void *context, const char *data, size_t size)
{
    text_put(context, data, size);
    return 0;
}

static int refuse(void *context, const char *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return -EPIPE;
}

static void test_output_spools(void **state)
{
    (void)state;
    struct spool spool;
    struct text got = {0}, put = {0};
    for (int round = 0; round < 2; round++) { /* empty again after each drain */
        spool_init(&spool);
        assert_int_equal(spool_put(&spool, "small", 5), 0);
        assert_int_equal(spool.fd, -1);
        assert_int_equal(spool_drain(&spool, collect, &got), 0);
        assert_string_equal(got.data, "small");
        text_clear(&got);
        for (unsigned i = 0; put.size < 5 * SPOOL_MEMORY; i++)
            text_printf(&put, "%u ", i);
        for (size_t at = 0; at < put.size; at += 1000)
            assert_int_equal(spool_put(&spool, put.data + at, put.size - at < 1000 ? put.size - at : 1000), 0);
        assert_true(spool.fd >= 0);
        assert_int_equal(spool.memory.capacity, 0);
        assert_int_equal(spool_drain(&spool, collect, &got), 0);
        assert_int_equal(got.size, put.size);
        assert_memory_equal(got.data, put.data, put.size);
        assert_int_equal(spool.fd, -1);
        text_clear(&got);
        text_clear(&put);
    }
    assert_int_equal(spool_put(&spool, "x", 1), 0);
    assert_int_equal(spool_drain(&spool, refuse, NULL), -EPIPE);
    assert_int_equal(spool_drain(&spool, refuse, NULL), 0); /* nothing is left */
    text_deinit(&got);
    text_deinit(&put);
}

static void test_output_spool_has_no_place(void **state)
{
    (void)state;
    struct spool spool;
    const char *directory;
    static const char large[SPOOL_MEMORY + 1];
    setenv("TMPDIR", "/no/such/place", 1);
    spool_init(&spool);
    assert_int_equal(spool_put(&spool, large, sizeof large), -ENOENT);
    assert_int_equal(spool_check(&directory), -ENOENT);
    assert_string_equal(directory, "/no/such/place");
    spool_clear(&spool);
    unsetenv("TMPDIR");
    assert_int_equal(spool_check(&directory), 0);
}

/* What the reading end of a pipe has: "" when there is nothing. */
static const char *read_pipe(int fd)
{
    static char data[4096];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    const ssize_t got = read(fd, data, sizeof data - 1);
    data[got < 0 ? 0 : got] = '\0';
    return data;
}

static void test_output_tags(void **state)
{
    (void)state;
    int ends[2];
    bool in_line = false;
    assert_int_equal(pipe(ends), 0);
    struct outlet outlet = {.fd = ends[1], .wakes = -1};
    outlet_put_tagged(&outlet, "t", &in_line, "a\nb", 3);
    outlet_put_tagged(&outlet, "t", &in_line, "c\n\nd\n", 5);
    outlet_put_tagged(&outlet, NULL, &in_line, "e\n", 2);
    assert_int_equal(outlet_flush(&outlet), 0);
    assert_string_equal(read_pipe(ends[0]), "t\ta\nt\tbc\nt\t\nt\td\ne\n");
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(outlet_put(&outlet, "x", 1), 0);
    assert_int_equal(outlet_flush(&outlet), -EPIPE);
    assert_int_equal(outlet_put(&outlet, "x", 1), -EPIPE);
    signal(SIGPIPE, SIG_DFL);
    outlet_deinit(&outlet);
    close(ends[1]);
}

static bool gives_up(void *user)
{
    ++*(int *)user;
    return false;
}

/* Nobody reads and the pipe is full: a signal gets through all the same. */
static void test_output_can_be_interrupted(void **state)
{
    (void)state;
    int ends[2], wake[2], asked = 0;
    static const char data[1 << 20];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(wake), 0);
    struct outlet outlet = {.fd = ends[1], .wakes = wake[0], .on_wake = gives_up, .user = &asked};
    assert_int_equal(write(wake[1], "", 1), 1);
    assert_int_equal(outlet_put(&outlet, data, sizeof data), -EINTR);
    assert_int_equal(asked, 1);
    outlet_deinit(&outlet);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(wake[i]);
    }
}

static void test_output_streams(void **state)
{
    (void)state;
    int ends[2];
    struct job_stream stream;
    assert_int_equal(pipe(ends), 0);
    struct outlet outlet = {.fd = ends[1], .wakes = -1};

    assert_int_equal(job_stream_open(&stream, 20, &outlet, NULL, -1), 0);
    assert_int_equal(write(stream.relay.for_command, "a first run", 11), 11);
    job_stream_forget(&stream); /* also what was not read yet; and the limit starts anew */
    assert_int_equal(write(stream.relay.for_command, "one\ntw", 6), 6);
    relay_pass(&stream.relay);
    assert_string_equal(read_pipe(ends[0]), "");
    struct spool held = job_stream_set_live(&stream);
    job_stream_put_held(&stream, &held);
    assert_string_equal(read_pipe(ends[0]), "one\n");
    assert_int_equal(write(stream.relay.for_command, "o\nend", 5), 5);
    relay_pass(&stream.relay);
    assert_string_equal(read_pipe(ends[0]), "two\n");
    assert_int_equal(write(stream.relay.for_command, " and more than may pass", 23), 23);
    relay_finish(&stream.relay);
    assert_true(stream.relay.over);
    assert_int_equal(stream.relay.passed, 20);
    assert_int_equal(job_stream_emit(&stream), 0);
    assert_string_equal(read_pipe(ends[0]), "end and more");
    job_stream_close(&stream);
    outlet_deinit(&outlet);
    close(ends[0]);
    close(ends[1]);
}

static void expect_path(const char *const *values, size_t count, const char *expected)
{
    struct text path = {0};
    results_path(&path, "d", values, count);
    assert_string_equal(path.data, expected);
    text_deinit(&path);
}

static void test_output_results_paths(void **state)
{
    (void)state;
    expect_path((const char *const[]){"a"}, 1, "d/1/a");
    expect_path((const char *const[]){"a/b", "c\td\\"}, 2, "d/1/a\\_b/2/c\\td\\\\");
    expect_path((const char *const[]){"../../etc"}, 1, "d/1/..\\_..\\_etc");
    expect_path((const char *const[]){"..", "."}, 2, "d/1/\\../2/\\.");
    expect_path((const char *const[]){""}, 1, "d/1/\\0");
    char a[400], b[400];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    a[399] = b[399] = '\0';
    b[398] = 'y';
    struct text paths[2] = {{0}, {0}};
    results_path(&paths[0], "d", &(const char *){a}, 1);
    results_path(&paths[1], "d", &(const char *){b}, 1);
    assert_int_equal(strlen(paths[0].data), strlen("d/1/") + 255);
    assert_string_not_equal(paths[0].data, paths[1].data);
    text_deinit(&paths[0]);
    text_deinit(&paths[1]);
}

static void test_output_progress_line(void **state)
{
    (void)state;
    struct text line = {0};
    struct progress progress = {.done = 12,
                                .total = 100,
                                .failed = 1,
                                .running = 4,
                                .memory = 1 << 30,
                                .budget = UINT64_C(8) << 30,
                                .seconds = 6};
    progress_format(&progress, 0, &line);
    assert_string_equal(line.data, "12/100 done, 1 failed, 4 running, 1.00 GiB of 8.00 GiB, 2/s, 44 s left");
    text_clear(&line);
    progress_format(&progress, 20, &line);
    assert_string_equal(line.data, "12/100 done, 1 faile");
    text_clear(&line);
    progress = (struct progress){.running = 1, .memory = 5};
    progress_format(&progress, 0, &line);
    assert_string_equal(line.data, "0 done, 0 failed, 1 running, 5 B");
    text_deinit(&line);
}

static void test_output_parallels_codes(void **state)
{
    (void)state;
    static const struct {
        pool_cause_t cause;
        int code, signal, exit_value, logged;
    } table[] = {
        {POOL_CAUSE_EXITED, 0, 0, 0, 0},        {POOL_CAUSE_EXITED, 7, 0, 7, 0},
        {POOL_CAUSE_SIGNALLED, 0, 11, 0, 11},   {POOL_CAUSE_KILLED, 0, 9, 0, 9},
        {POOL_CAUSE_TIMEOUT, 0, 9, -1, 15},     {POOL_CAUSE_TIMEOUT, 0, 15, -1, 15},
        {POOL_CAUSE_MEMORY_LIMIT, 0, 9, 0, 9},  {POOL_CAUSE_OUTPUT_LIMIT, 0, 0, 0, 15},
        {POOL_CAUSE_NOT_FOUND, 127, 0, 127, 0}, {POOL_CAUSE_NOT_EXECUTABLE, 126, 0, 126, 0},
        {POOL_CAUSE_LOST, 0, 0, 125, 0},        {POOL_CAUSE_CANCELLED, 0, 15, 0, 15},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const pool_result_t result = {
            .outcome = POOL_FAILED, .cause = table[i].cause, .code = table[i].code, .signal = table[i].signal};
        int exit_value, signal_number;
        outcome_parallel(&result, &exit_value, &signal_number);
        assert_int_equal(exit_value, table[i].exit_value);
        assert_int_equal(signal_number, table[i].logged);
    }
}

/* Deaths that may be part of a stop of everything: by a signal that asks for an end, and that is not ours. */
static void test_output_stop_signals(void **state)
{
    (void)state;
    static const struct {
        pool_cause_t cause;
        int code, signal, expected;
    } table[] = {
        {POOL_CAUSE_SIGNALLED, 0, SIGTERM, SIGTERM},
        {POOL_CAUSE_SIGNALLED, 0, SIGINT, SIGINT},
        {POOL_CAUSE_SIGNALLED, 0, SIGHUP, SIGHUP},
        {POOL_CAUSE_SIGNALLED, 0, SIGQUIT, SIGQUIT},
        {POOL_CAUSE_SIGNALLED, 0, SIGSEGV, 0},
        {POOL_CAUSE_SIGNALLED, 0, SIGUSR1, 0},
        {POOL_CAUSE_KILLED, 0, SIGKILL, 0},
        {POOL_CAUSE_EXITED, 128 + SIGTERM, 0, SIGTERM},
        {POOL_CAUSE_EXITED, 128 + SIGINT, 0, SIGINT},
        {POOL_CAUSE_EXITED, 128 + SIGKILL, 0, 0},
        {POOL_CAUSE_EXITED, SIGTERM, 0, 0},
        {POOL_CAUSE_EXITED, 128, 0, 0},
        {POOL_CAUSE_EXITED, 0, 0, 0},
        {POOL_CAUSE_TIMEOUT, 0, SIGTERM, 0},
        {POOL_CAUSE_TIMEOUT, 128 + SIGTERM, 0, 0},
        {POOL_CAUSE_MEMORY_LIMIT, 0, SIGTERM, 0},
        {POOL_CAUSE_CANCELLED, 0, SIGTERM, 0},
        {POOL_CAUSE_LOST, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const pool_result_t result = {.outcome = POOL_FAILED,
                                      .cause = table[i].cause,
                                      .code = table[i].code,
                                      .signal = table[i].signal,
                                      .usage = {.attempt = 2}};
        if (outcome_stop_signal(&result) != table[i].expected)
            fail_msg("row %zu: %d", i, outcome_stop_signal(&result));
    }
    const pool_result_t result = {.cause = POOL_CAUSE_SIGNALLED, .signal = SIGHUP, .usage = {.attempt = 2}},
                        withdrawn = outcome_withdrawn(&result);
    assert_string_equal(outcome_word(&withdrawn), "cancelled");
    assert_int_equal(withdrawn.outcome, POOL_CANCELLED);
    assert_int_equal(outcome_exit_code(&withdrawn), 128 + SIGHUP);
    assert_int_equal(withdrawn.usage.attempt, 2);
    assert_int_equal(outcome_stop_signal(&withdrawn), 0);
}

static void test_output_summary(void **state)
{
    (void)state;
    static struct summary summary;
    char text[2048] = "", name[16];
    for (int i = 0; i < 9; i++) {
        const pool_result_t result = {.outcome = i == 4 ? POOL_OUT_OF_MEMORY : POOL_DONE,
                                      .cause = i == 4 ? POOL_CAUSE_MEMORY_LIMIT : POOL_CAUSE_EXITED,
                                      .usage = {.peak_memory = (uint64_t)((i * 5) % 9 + 1) << 20,
                                                .memory_method = POOL_MEMORY_SAMPLED,
                                                .wall_seconds = 0.5,
                                                .attempt = i == 4 ? 3 : 1}};
        snprintf(name, sizeof name, "job %d", i);
        summary_add(&summary, name, &result);
    }
    for (int i = 0; i + 1 < SUMMARY_HUNGRIEST; i++)
        assert_int_equal(summary.hungriest[i].bytes, summary.hungriest[i + 1].bytes + (1 << 20));
    assert_int_equal(summary.hungriest[0].bytes, 9 << 20);
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    summary_print(&summary, 2, file);
    fclose(file);
    assert_non_null(strstr(text, "9 jobs\n"));
    assert_non_null(strstr(text, "succeeded  8\n"));
    assert_non_null(strstr(text, "failed     1 (1 memory-limit)\n"));
    assert_non_null(strstr(text, "run again  2 times\n"));
    assert_non_null(strstr(text, "4.500 s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_output_spools),        SUPPORT_TEST(test_output_spool_has_no_place),
        SUPPORT_TEST(test_output_tags),          SUPPORT_TEST(test_output_can_be_interrupted),
        SUPPORT_TEST(test_output_streams),       SUPPORT_TEST(test_output_results_paths),
        SUPPORT_TEST(test_output_progress_line), SUPPORT_TEST(test_output_parallels_codes),
        SUPPORT_TEST(test_output_stop_signals),  SUPPORT_TEST(test_output_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
