/* Inputs: lists, files and pipes, alone and combined; read no further than they are needed. */
#include "inputs.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The next one: its values with a comma after each; "" at the end. */
static int next(struct inputs *inputs, char *text, size_t size)
{
    const char *const *values;
    int rc;
    text[0] = '\0';
    while ((rc = inputs_next(inputs, &values)) == -EAGAIN)
        assert_int_equal(inputs_fill(inputs), 0);
    for (size_t i = 0; rc == 1 && i < inputs->count; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, size - used, "%s,", values[i]);
    }
    return rc;
}

static void expect_all(struct inputs *inputs, const char *expected)
{
    char text[64], all[512] = "";
    const char *at;
    assert_int_equal(inputs_open(inputs, &at), 0);
    while (next(inputs, text, sizeof text) == 1) {
        strncat(all, text, sizeof all - strlen(all) - 1);
        strncat(all, ";", sizeof all - strlen(all) - 1);
    }
    assert_string_equal(all, expected);
    assert_true(inputs->ended);
    inputs_deinit(inputs);
}

static void test_inputs_lists(void **state)
{
    (void)state;
    static const char *const ab[] = {"a", "b"}, *const one[] = {"1", "2"}, *const x[] = {"x", "y"};
    struct inputs inputs;
    inputs_init(&inputs);
    inputs_add_list(&inputs, ab, 2);
    inputs_add_list(&inputs, one, 2);
    inputs_add_list(&inputs, x, 2);
    expect_all(&inputs, "a,1,x,;a,1,y,;a,2,x,;a,2,y,;b,1,x,;b,1,y,;b,2,x,;b,2,y,;");
    inputs_init(&inputs);
    inputs_add_list(&inputs, ab, 2);
    inputs_add_list(&inputs, one, 0);
    expect_all(&inputs, "");
    inputs_init(&inputs);
    inputs_add_list(&inputs, ab, 0);
    expect_all(&inputs, "");
}

static void test_inputs_totals(void **state)
{
    (void)state;
    static const char *const ab[] = {"a", "b"};
    const char *at;
    struct inputs inputs;
    file_write("1\n2\n3", 5);
    inputs_init(&inputs);
    inputs_add_file(&inputs, file_path);
    inputs_add_list(&inputs, ab, 2);
    assert_int_equal(inputs_open(&inputs, &at), 0);
    assert_int_equal(inputs.total, 6);
    inputs_deinit(&inputs);
}

static void test_inputs_files(void **state)
{
    (void)state;
    static const char *const ab[] = {"a", "b"};
    struct inputs inputs;
    inputs_init(&inputs);
    file_write("1\n\n3", 4);
    inputs_add_file(&inputs, file_path);
    inputs_add_list(&inputs, ab, 2);
    expect_all(&inputs, "1,a,;1,b,;,a,;,b,;3,a,;3,b,;");
    inputs_init(&inputs);
    inputs_add_list(&inputs, ab, 2);
    inputs_add_file(&inputs, file_path);
    expect_all(&inputs, "a,1,;a,,;a,3,;b,1,;b,,;b,3,;");
    inputs_init(&inputs);
    file_write("a\nb\0\0c", 6);
    inputs.nul = true;
    inputs_add_file(&inputs, file_path);
    expect_all(&inputs, "a\nb,;,;c,;");
    inputs_init(&inputs);
    file_write("", 0);
    inputs_add_file(&inputs, file_path);
    expect_all(&inputs, "");
}

static void test_inputs_errors(void **state)
{
    (void)state;
    const char *at;
    struct inputs inputs;
    inputs_init(&inputs);
    inputs_add_file(&inputs, "/no/such/file");
    assert_int_equal(inputs_open(&inputs, &at), -ENOENT);
    assert_string_equal(at, "/no/such/file");
    inputs_deinit(&inputs);
    inputs_init(&inputs);
    inputs_add_file(&inputs, "/");
    assert_int_equal(inputs_open(&inputs, &at), -EISDIR);
    inputs_deinit(&inputs);
}

/* What stands for a value of so many x, by hand. */
static const char *stand_in(size_t size)
{
    static char text[128];
    uint64_t number = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        number = (number ^ 'x') * UINT64_C(0x100000001b3);
    snprintf(text, sizeof text, "%.64s...(%zu bytes, %016llx)",
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", size, (unsigned long long)number);
    return text;
}

/* Values of one length between two that are short, the last of them without an end: each comes, in order; nothing much
 * is ever held. */
static void expect_length(size_t size, bool fits)
{
    const char *const *values;
    const char *at;
    char *data = malloc(2 * size + 5);
    assert_non_null(data);
    memset(data, 'x', 2 * size + 5);
    memcpy(data, "a\n", 2);              /* NOLINT(bugprone-not-null-terminated-result) */
    memcpy(data + 2 + size, "\nb\n", 3); /* NOLINT(bugprone-not-null-terminated-result) */
    file_write(data, 2 * size + 5);
    struct inputs inputs;
    inputs_init(&inputs);
    inputs_add_file(&inputs, file_path);
    assert_int_equal(inputs_open(&inputs, &at), 0);
    for (int i = 0; i < 4; i++) {
        int rc;
        while ((rc = inputs_next(&inputs, &values)) == -EAGAIN) {
            assert_int_equal(inputs_fill(&inputs), 0);
            assert_true(inputs.buffer.size <= (size_t)2 * UNFIT_SIZE_MOST);
        }
        assert_int_equal(rc, 1);
        assert_int_equal(inputs.reason, i % 2 == 1 && !fits ? UNFIT_LONG : UNFIT_NOT);
        if (i % 2 == 0)
            assert_string_equal(values[0], i == 0 ? "a" : "b");
        else if (fits)
            assert_int_equal(strlen(values[0]), size);
        else
            assert_string_equal(values[0], stand_in(size));
    }
    assert_int_equal(inputs_next(&inputs, &values), 0);
    assert_int_equal(inputs.total, 4);
    inputs_deinit(&inputs);
    free(data);
}

static void test_inputs_long_values(void **state)
{
    (void)state;
    expect_length(UNFIT_SIZE_MOST, true);
    expect_length(UNFIT_SIZE_MOST + 1, false);
    expect_length((size_t)2 * UNFIT_SIZE_MOST, false);
    expect_length(3000000, false);
}

/* Unfit values of several sources: each combination says what it has. */
static void test_inputs_unfit_in_combinations(void **state)
{
    (void)state;
    static const char *const list[] = {"x", "y"};
    static const enum unfit_reason reasons[] = {UNFIT_NOT, UNFIT_NUL, UNFIT_NOT, UNFIT_NOT, UNFIT_NUL, UNFIT_NOT};
    char text[128];
    const char *at;
    for (int first = 0; first <= 1; first++) {
        struct inputs inputs;
        file_write("ok\na\0b\nend\n", 11);
        inputs_init(&inputs);
        if (first == 0)
            inputs_add_list(&inputs, list, 2);
        inputs_add_file(&inputs, file_path);
        if (first == 1)
            inputs_add_list(&inputs, list, 2);
        assert_int_equal(inputs_open(&inputs, &at), 0);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(next(&inputs, text, sizeof text), 1);
            assert_int_equal(inputs.reason, reasons[first == 0 ? i : (i % 2) * 3 + i / 2]);
            if (inputs.reason == UNFIT_NUL)
                assert_non_null(strstr(text, "a...(3 bytes, "));
        }
        assert_int_equal(next(&inputs, text, sizeof text), 0);
        inputs_deinit(&inputs);
    }
}

/* A pipe that has nothing more to read is not waited for; what it has so far is there. */
static void test_inputs_come_lazily(void **state)
{
    (void)state;
    int ends[2];
    char name[64], text[64];
    const char *const *values;
    const char *at;
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", ends[0]);
    struct inputs inputs;
    inputs_init(&inputs);
    inputs_add_file(&inputs, name);
    assert_int_equal(inputs_open(&inputs, &at), 0);
    close(ends[0]);
    assert_int_equal(inputs.total, 0);
    assert_int_equal(inputs_next(&inputs, &values), -EAGAIN);
    assert_int_equal(write(ends[1], "one\ntw", 6), 6);
    assert_int_equal(next(&inputs, text, sizeof text), 1);
    assert_string_equal(text, "one,");
    assert_int_equal(inputs_next(&inputs, &values), -EAGAIN);
    assert_int_equal(write(ends[1], "o\n", 2), 2);
    close(ends[1]);
    assert_int_equal(next(&inputs, text, sizeof text), 1);
    assert_string_equal(text, "two,");
    assert_int_equal(next(&inputs, text, sizeof text), 0);
    inputs_deinit(&inputs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_inputs_lists),       FILE_TEST(test_inputs_totals),
        FILE_TEST(test_inputs_files),          FILE_TEST(test_inputs_errors),
        FILE_TEST(test_inputs_long_values),    FILE_TEST(test_inputs_unfit_in_combinations),
        SUPPORT_TEST(test_inputs_come_lazily),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
