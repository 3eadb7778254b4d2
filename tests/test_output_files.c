/* Files of jobs: made, read, swept, and never through a symlink. */
#include "output_files.h"

#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct outputs outputs;

static int begin(void **state)
{
    if (directory_begin(state) < 0)
        return -1;
    const int fd = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int r = outputs_open(&outputs, fd);
    close(fd);
    return r;
}

static int end(void **state)
{
    outputs_close(&outputs);
    outputs_close(&outputs); /* harmless */
    return directory_end(state);
}

static bool exists(const char *name)
{
    return access(directory_file(name), F_OK) == 0;
}

static void put(uint64_t id, enum output_kind kind, const char *text)
{
    const int fd = outputs_create(&outputs, id, kind);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void expect(uint64_t id, enum output_kind kind, uint64_t offset, size_t room, const char *expected, uint64_t all)
{
    char buffer[64];
    size_t size = room;
    uint64_t total = 99;
    assert_int_equal(outputs_read(&outputs, id, kind, offset, buffer, &size, &total), 0);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(buffer, expected, size);
    assert_int_equal(total, all);
}

static void test_outputs_written_and_read(void **state)
{
    (void)state;
    struct stat made;
    put(1, OUTPUT_STDOUT, "hello");
    put(1, OUTPUT_STDERR, "bad");
    expect(1, OUTPUT_STDOUT, 0, 64, "hello", 5);
    expect(1, OUTPUT_STDOUT, 1, 3, "ell", 5);
    expect(1, OUTPUT_STDOUT, 5, 3, "", 5);
    expect(1, OUTPUT_STDOUT, UINT64_MAX, 3, "", 5);
    expect(1, OUTPUT_STDERR, 0, 64, "bad", 3);
    expect(1, OUTPUT_VALUE, 0, 64, "", 0);
    expect(123456, OUTPUT_STDOUT, 0, 64, "", 0);
    assert_int_equal(stat(directory_file("jobs/0/1.out"), &made), 0);
    assert_int_equal(made.st_mode & 0777, 0600);
    assert_int_equal(stat(directory_file("jobs/0"), &made), 0);
    assert_int_equal(made.st_mode & 0777, 0700);
    put(999999, OUTPUT_STDOUT, "x");
    assert_true(exists("jobs/999/999999.out"));
}

static void test_outputs_anew_for_each_run(void **state)
{
    (void)state;
    const int old = outputs_create(&outputs, 7, OUTPUT_STDOUT);
    assert_int_equal(write(old, "old", 3), 3);
    put(7, OUTPUT_STDOUT, "new one");
    assert_int_equal(write(old, "late", 4), 4); /* by what the run before left running */
    close(old);
    expect(7, OUTPUT_STDOUT, 0, 64, "new one", 7);
}

static void test_outputs_values(void **state)
{
    (void)state;
    assert_int_equal(outputs_value_write(&outputs, 2000, "one", 3), 0);
    expect(2000, OUTPUT_VALUE, 0, 64, "one", 3);
    assert_int_equal(outputs_value_write(&outputs, 2000, "", 0), 0);
    expect(2000, OUTPUT_VALUE, 0, 64, "", 0);
    const size_t size = (size_t)3 << 20;
    char *data = malloc(size), *back = malloc(size);
    memset(data, 'v', size);
    assert_int_equal(outputs_value_write(&outputs, 2000, data, size), 0);
    size_t got = size;
    uint64_t total;
    assert_int_equal(outputs_read(&outputs, 2000, OUTPUT_VALUE, 0, back, &got, &total), 0);
    assert_int_equal(got, size);
    assert_memory_equal(back, data, size);
    free(data);
    free(back);
    assert_false(exists("jobs/2/2000.value.new"));
}

/* A write that fails: RLIMIT_FSIZE, with its signal ignored. */
static void test_outputs_value_that_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(outputs_value_write(&outputs, 5, "old", 3), 0);
    struct rlimit before, few = {.rlim_cur = 4096};
    getrlimit(RLIMIT_FSIZE, &before);
    few.rlim_max = before.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &few);
    static char data[8192];
    const int r = outputs_value_write(&outputs, 5, data, sizeof data);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(r, -EFBIG);
    expect(5, OUTPUT_VALUE, 0, 64, "old", 3);
    assert_false(exists("jobs/0/5.value.new"));
}

static void test_outputs_symlinks(void **state)
{
    (void)state;
    char buffer[8];
    size_t size = sizeof buffer;
    uint64_t total;
    assert_int_equal(mkdir(directory_file("elsewhere"), 0700), 0);
    assert_int_equal(symlink("../elsewhere", directory_file("jobs/3")), 0);
    assert_int_equal(outputs_create(&outputs, 3000, OUTPUT_STDOUT), -ENOTDIR);
    assert_int_equal(outputs_value_write(&outputs, 3000, "v", 1), -ENOTDIR);
    assert_int_equal(outputs_read(&outputs, 3000, OUTPUT_STDOUT, 0, buffer, &size, &total), -ENOTDIR);
    outputs_remove(&outputs, 3000);
    put(1, OUTPUT_STDERR, "e");
    assert_int_equal(symlink("../../elsewhere/file", directory_file("jobs/0/1.out")), 0);
    assert_int_equal(outputs_read(&outputs, 1, OUTPUT_STDOUT, 0, buffer, &size, &total), -ELOOP);
    put(1, OUTPUT_STDOUT, "x"); /* in place of the link */
    assert_false(exists("elsewhere/file"));
    expect(1, OUTPUT_STDOUT, 0, 8, "x", 1);
    assert_int_equal(mkfifo(directory_file("jobs/0/2.out"), 0600), 0);
    size = sizeof buffer;
    assert_int_equal(outputs_read(&outputs, 2, OUTPUT_STDOUT, 0, buffer, &size, &total), -EINVAL);
    assert_int_equal(mkdir(directory_file("jobs/0/4.out"), 0700), 0);
    assert_true(outputs_create(&outputs, 4, OUTPUT_STDOUT) < 0);
    assert_int_equal(mkdir(directory_file("jobs/0/6.value"), 0700), 0);
    assert_int_equal(outputs_value_write(&outputs, 6, "v", 1), -EISDIR);
    assert_false(exists("jobs/0/6.value.new"));
    assert_int_equal(mkdir(directory_file("jobs/0/4.value.new"), 0700), 0);
    assert_true(outputs_value_write(&outputs, 4, "v", 1) < 0);
}

static void test_outputs_remove(void **state)
{
    (void)state;
    put(1, OUTPUT_STDOUT, "x");
    put(1, OUTPUT_STDERR, "x");
    put(2, OUTPUT_STDOUT, "x");
    assert_int_equal(outputs_value_write(&outputs, 1, "v", 1), 0);
    outputs_remove(&outputs, 1);
    assert_false(exists("jobs/0/1.out") || exists("jobs/0/1.err") || exists("jobs/0/1.value"));
    assert_true(exists("jobs/0/2.out"));
    outputs_remove(&outputs, 2);
    assert_false(exists("jobs/0"));
    outputs_remove(&outputs, 2);
}

static int is_even(void *user, uint64_t id)
{
    ++*(int *)user;
    return id % 2 == 0;
}

static void touch(const char *name)
{
    const int fd = open(directory_file(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_outputs_sweep(void **state)
{
    (void)state;
    int asked = 0;
    for (uint64_t id = 1; id <= 4; id++)
        put(id, OUTPUT_STDOUT, "x");
    put(5001, OUTPUT_VALUE, "x");
    touch("jobs/0/2.value.new");
    static const char *const strangers[] = {"jobs/0/note",     "jobs/0/03.out", "jobs/0/1001.out",
                                            "jobs/0/3.out.gz", "jobs/0/-3.out", "jobs/note",
                                            "jobs/77",         "jobs/0/3",      "jobs/0/99999999999999999999999.out"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        touch(strangers[i]);
    assert_int_equal(outputs_sweep(&outputs, is_even, &asked), 4);
    assert_int_equal(asked, 5);
    assert_true(exists("jobs/0/2.out") && exists("jobs/0/4.out"));
    assert_false(exists("jobs/0/1.out") || exists("jobs/0/3.out") || exists("jobs/0/2.value.new"));
    assert_false(exists("jobs/5"));
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        assert_true(exists(strangers[i]));
    assert_int_equal(outputs_sweep(&outputs, is_even, &asked), 0);
}

static void test_outputs_open_refuses(void **state)
{
    (void)state;
    struct outputs other;
    assert_int_equal(mkdir(directory_file("s"), 0700), 0);
    assert_int_equal(symlink("..", directory_file("s/jobs")), 0);
    const int fd = open(directory_file("s"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(outputs_open(&other, fd), -ENOTDIR);
    outputs_close(&other);
    close(fd);
    assert_int_equal(outputs_open(&other, -1), -EBADF);
    assert_int_equal(outputs_sweep(&other, is_even, NULL), -EBADF);
}

#define OUTPUTS_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTPUTS_TEST(test_outputs_written_and_read),
        OUTPUTS_TEST(test_outputs_anew_for_each_run),
        OUTPUTS_TEST(test_outputs_values),
        OUTPUTS_TEST(test_outputs_value_that_does_not_fit),
        OUTPUTS_TEST(test_outputs_symlinks),
        OUTPUTS_TEST(test_outputs_remove),
        OUTPUTS_TEST(test_outputs_sweep),
        OUTPUTS_TEST(test_outputs_open_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
