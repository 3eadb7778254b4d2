/* A captured stream: what came, up to a limit, with a NUL behind it. */
#include "capture.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 13 + at / 256);
}

/* Writes size bytes of the pattern, from position `from` on; the pipe has room for them. */
static void write_pattern(int fd, size_t from, size_t size)
{
    unsigned char data[4096];
    while (size > 0) {
        const size_t now = size < sizeof data ? size : sizeof data;
        for (size_t i = 0; i < now; i++)
            data[i] = pattern(from + i);
        assert_int_equal(write(fd, data, now), now);
        from += now;
        size -= now;
    }
}

static void assert_captured(const struct capture *capture, size_t size)
{
    assert_int_equal(capture->bytes.size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(capture->bytes.data[i], pattern(i));
    if (size > 0)
        assert_int_equal(capture->bytes.data[size], '\0');
}

static void open_capture(struct capture *capture, int64_t limit, int *end)
{
    capture_init(capture);
    assert_int_equal(capture->fd, -1);
    assert_int_equal(capture_open(capture, limit, end), 0);
    assert_true((fcntl(capture->fd, F_GETFD) & fcntl(*end, F_GETFD) & FD_CLOEXEC) != 0);
}

static void close_capture(struct capture *capture)
{
    capture_close(capture);
    assert_int_equal(capture->fd, -1);
    capture_bytes_free(&capture->bytes);
    assert_null(capture->bytes.data);
}

static void test_capture_of_nothing(void **state)
{
    (void)state;
    struct capture capture;
    int end;
    open_capture(&capture, 100, &end);
    assert_int_equal(capture_read(&capture), CAPTURE_OPEN);
    close(end);
    assert_int_equal(capture_read(&capture), CAPTURE_ENDED);
    assert_int_equal(capture_read(&capture), CAPTURE_ENDED);
    assert_null(capture.bytes.data);
    assert_false(capture.truncated);
    close_capture(&capture);
}

/* In pieces, with a NUL behind each that came so far, and after the end the bytes are still there. */
static void test_capture_in_pieces(void **state)
{
    (void)state;
    struct capture capture;
    size_t size = 0;
    int end;
    open_capture(&capture, INT64_MAX, &end);
    for (size_t piece = 1; piece < 500; piece++) {
        write_pattern(end, size, piece);
        size += piece;
        assert_int_equal(capture_read(&capture), CAPTURE_OPEN);
        assert_captured(&capture, size);
    }
    close(end);
    assert_int_equal(capture_read(&capture), CAPTURE_ENDED);
    capture_close(&capture);
    assert_captured(&capture, size);
    close_capture(&capture);
}

/* Around the limit: exactly that much is no excess. */
static void test_capture_limit(void **state)
{
    (void)state;
    static const struct {
        int64_t limit;
        size_t size;
    } table[] = {{0, 0},     {0, 1},     {1, 1},      {1, 2},         {100, 99},
                 {100, 100}, {100, 101}, {100, 5000}, {65536, 65536}, {65535, 65536}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct capture capture;
        int end;
        const bool over = table[i].size > (size_t)table[i].limit;
        open_capture(&capture, table[i].limit, &end);
        write_pattern(end, 0, table[i].size);
        const enum capture_state expected = over ? CAPTURE_OVER_LIMIT : CAPTURE_OPEN;
        assert_int_equal(capture_read(&capture), expected);
        assert_int_equal(capture.truncated, over);
        assert_captured(&capture, over ? (size_t)table[i].limit : table[i].size);
        close(end);
        close_capture(&capture);
    }
}

/* Beyond the limit all is read and dropped, so that the writer goes on; it is said each time. */
static void test_capture_beyond_the_limit(void **state)
{
    (void)state;
    struct capture capture;
    int end;
    open_capture(&capture, 10, &end);
    for (size_t round = 0; round < 5; round++) {
        write_pattern(end, round * 60000, 60000);
        assert_int_equal(capture_read(&capture), CAPTURE_OVER_LIMIT);
        assert_captured(&capture, 10);
    }
    assert_int_equal(capture_read(&capture), CAPTURE_OVER_LIMIT);
    close(end);
    assert_int_equal(capture_read(&capture), CAPTURE_ENDED);
    assert_true(capture.truncated);
    close_capture(&capture);
}

static int capture_without_memory(void *arg)
{
    const struct rlimit none = {0, 0};
    struct capture capture;
    int end;
    char byte = 'x';
    (void)arg;
    capture_init(&capture);
    CHILD_CHECK(capture_open(&capture, INT64_MAX, &end) == 0);
    CHILD_CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    CHILD_CHECK(write(end, &byte, 1) == 1);
    CHILD_CHECK(capture_read(&capture) == CAPTURE_OVER_LIMIT);
    CHILD_CHECK(capture.truncated && capture.no_memory && capture.bytes.size == 0);
    return 0;
}

/* That is not said to be the limit. */
static void test_capture_without_memory(void **state)
{
    (void)state;
    child_run(false, capture_without_memory, NULL);
}

/* Much more than the first buffer, with sizes around where it grows. */
static void test_capture_large(void **state)
{
    (void)state;
    static const size_t sizes[] = {65535, 65536, 65537, 131071, 131072, 131073, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct capture capture;
        int end;
        open_capture(&capture, INT64_MAX, &end);
        for (size_t at = 0; at < sizes[i]; at += 60000) {
            write_pattern(end, at, sizes[i] - at < 60000 ? sizes[i] - at : 60000);
            assert_int_equal(capture_read(&capture), CAPTURE_OPEN);
        }
        assert_captured(&capture, sizes[i]);
        close(end);
        close_capture(&capture);
    }
}

/* What a full pipe holds is read in one go, also when its writer made it larger. */
static void test_capture_reads_all_there_is(void **state)
{
    (void)state;
    struct capture capture;
    int end;
    open_capture(&capture, INT64_MAX, &end);
    (void)fcntl(end, F_SETPIPE_SZ, 1 << 20); /* refused beyond the user's pipe pages */
    const size_t size = (size_t)fcntl(end, F_GETPIPE_SZ);
    write_pattern(end, 0, size);
    assert_int_equal(capture_read(&capture), CAPTURE_OPEN);
    assert_captured(&capture, size);
    close(end);
    close_capture(&capture);
}

/* Writes for ever, as fast as it can. */
static pid_t start_chatterbox(int end)
{
    static const char much[1 << 16];
    const pid_t pid = fork();
    if (pid == 0)
        while (write(end, much, sizeof much) > 0)
            ;
    assert_true(pid > 0);
    return pid;
}

/* Writers that keep up with the reader do not keep it from its other work. */
static void test_capture_returns_from_endless_writers(void **state)
{
    (void)state;
    struct capture capture;
    pid_t pids[4];
    int end;
    open_capture(&capture, 1000, &end);
    (void)fcntl(end, F_SETPIPE_SZ, 1 << 20); /* the more it holds the harder it is to read it empty */
    for (size_t i = 0; i < 4; i++)
        pids[i] = start_chatterbox(end);
    while (capture_read(&capture) != CAPTURE_OVER_LIMIT)
        ;
    for (int round = 0; round < 2000; round++)
        assert_int_equal(capture_read(&capture), CAPTURE_OVER_LIMIT);
    for (size_t i = 0; i < 4; i++) {
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    assert_int_equal(capture.bytes.size, 1000);
    close(end);
    close_capture(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_capture_of_nothing),
        SUPPORT_TEST(test_capture_in_pieces),
        SUPPORT_TEST(test_capture_limit),
        SUPPORT_TEST(test_capture_beyond_the_limit),
        SUPPORT_TEST(test_capture_without_memory),
        SUPPORT_TEST(test_capture_large),
        SUPPORT_TEST(test_capture_reads_all_there_is),
        SUPPORT_TEST(test_capture_returns_from_endless_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
