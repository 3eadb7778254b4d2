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
    inputs.separator = '\0';
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
    char text[64];
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
    file_write("ok\na\0b\n", 7);
    inputs_init(&inputs);
    inputs_add_file(&inputs, file_path);
    assert_int_equal(inputs_open(&inputs, &at), 0);
    assert_int_equal(next(&inputs, text, sizeof text), 1);
    assert_int_equal(next(&inputs, text, sizeof text), -EILSEQ);
    assert_int_equal(inputs.number, 2);
    inputs_deinit(&inputs);
}

/* The longest that is allowed, and one byte more; neither is ever held many times over. */
static void test_inputs_long_values(void **state)
{
    (void)state;
    const char *const *values;
    const char *at;
    for (int more = 0; more <= 1; more++) {
        const size_t size = INPUTS_VALUE_MOST + (size_t)more;
        char *data = malloc(10 * size);
        assert_non_null(data);
        memset(data, 'x', 10 * size);
        if (more == 0)
            data[size] = '\n';
        file_write(data, 10 * size);
        free(data);
        struct inputs inputs;
        int rc;
        inputs_init(&inputs);
        inputs_add_file(&inputs, file_path);
        assert_int_equal(inputs_open(&inputs, &at), 0);
        while ((rc = inputs_next(&inputs, &values)) == -EAGAIN)
            assert_int_equal(inputs_fill(&inputs), 0);
        assert_int_equal(rc, more == 0 ? 1 : -E2BIG);
        assert_true(inputs.buffer.size <= 2 * INPUTS_VALUE_MOST);
        if (more == 0)
            assert_int_equal(strlen(values[0]), size);
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
        SUPPORT_TEST(test_inputs_lists), FILE_TEST(test_inputs_totals),      FILE_TEST(test_inputs_files),
        FILE_TEST(test_inputs_errors),   FILE_TEST(test_inputs_long_values), SUPPORT_TEST(test_inputs_come_lazily),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
