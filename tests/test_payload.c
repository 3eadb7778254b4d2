/* Payloads: memfds that are what they say, and those that are not. */
#include "payload.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE ((size_t)100000)

static unsigned char pattern[SIZE];

static int copied(size_t size)
{
    for (size_t i = 0; i < SIZE; i++)
        pattern[i] = (unsigned char)(i * 31);
    const int fd = payload_copy("test", pattern, size);
    assert_true(fd >= 0);
    return fd;
}

/* Not sealed, and so still to be changed. */
static int written(size_t size)
{
    const int fd = payload_create("test");
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(payload_write(fd, pattern, size), 0);
    return fd;
}

static void test_payload_copy_is_whole_and_sealed(void **state)
{
    (void)state;
    const int fd = copied(SIZE);
    assert_int_equal(payload_check(fd, SIZE, true), 0);
    assert_int_equal(payload_check(fd, SIZE, false), 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    for (int populate = 0; populate < 2; populate++) {
        void *data = payload_map(fd, SIZE, populate != 0);
        assert_non_null(data);
        assert_memory_equal(data, pattern, SIZE);
        payload_unmap(data, SIZE);
    }
    close(fd);
}

static void test_payload_parts_are_joined(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    pool_bytes_t parts[COUNT];
    char joined[SIZE];
    size_t size;
    close(copied(SIZE)); /* fills the pattern */
    for (size_t i = 0; i < COUNT; i++)
        parts[i] =
            i % 2 == 0 ? (pool_bytes_t){NULL, 0} : (pool_bytes_t){pattern + SIZE / COUNT * (i - 1), SIZE / COUNT * 2};
    assert_int_equal(payload_measure(parts, COUNT, &size), 0);
    assert_int_equal(size, SIZE);
    payload_gather(joined, parts, COUNT);
    assert_memory_equal(joined, pattern, SIZE);
    const int fd = payload_copy_parts("test", parts, COUNT);
    assert_true(fd >= 0);
    assert_int_equal(payload_check(fd, SIZE, true), 0);
    assert_int_equal(pread(fd, joined, SIZE, 0), SIZE);
    assert_memory_equal(joined, pattern, SIZE);
    close(fd);
}

static void test_payload_measure_refuses(void **state)
{
    (void)state;
    const pool_bytes_t no_data[] = {{pattern, 1}, {NULL, 1}}, overflow[] = {{pattern, SIZE_MAX}, {pattern, 1}},
                       too_large[] = {{pattern, (size_t)INT64_MAX}, {pattern, 1}};
    size_t size;
    assert_int_equal(payload_measure(no_data, 2, &size), -EINVAL);
    assert_int_equal(payload_measure(overflow, 2, &size), -EINVAL);
    assert_int_equal(payload_measure(too_large, 2, &size), -EINVAL);
    assert_int_equal(payload_measure(too_large, 1, &size), 0);
    assert_int_equal(payload_measure(NULL, 0, &size), 0);
    assert_int_equal(size, 0);
}

/* A pipe takes less than it is given: what is left follows. */
static void test_payload_parts_written_in_pieces(void **state)
{
    (void)state;
    int ends[2];
    static char got[3 * SIZE];
    close(copied(SIZE));
    const pool_bytes_t parts[] = {{pattern, 1}, {pattern, SIZE}, {NULL, 0}, {pattern, SIZE}};
    support_pipe(ends);
    const pid_t child = fork();
    if (child == 0)
        _exit(payload_write_parts(ends[1], parts, 4) == 0 ? 0 : 1);
    close(ends[1]);
    size_t have = 0;
    for (ssize_t n; (n = read(ends[0], got + have, sizeof got - have)) > 0;)
        have += (size_t)n;
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(have, 1 + 2 * SIZE);
    assert_memory_equal(got, pattern, 1);
    assert_memory_equal(got + 1, pattern, SIZE);
    assert_memory_equal(got + 1 + SIZE, pattern, SIZE);
}

/* Nobody can change it any more. */
static void test_payload_seals_hold(void **state)
{
    (void)state;
    const int fd = copied(SIZE);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(ftruncate(fd, (off_t)SIZE * 2), -1);
    assert_true(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), -1);
    assert_int_equal(payload_seal(fd), -EPERM);
    close(fd);
}

static void test_payload_check_refuses_other_sizes(void **state)
{
    (void)state;
    const int fd = copied(SIZE);
    assert_int_equal(payload_check(fd, SIZE - 1, true), -EBADMSG);
    assert_int_equal(payload_check(fd, SIZE + 1, false), -EBADMSG);
    assert_int_equal(payload_check(fd, 0, false), -EBADMSG);
    assert_int_equal(payload_check(fd, SIZE_MAX, false), -EBADMSG);
    close(fd);
}

/* Every single seal that is missing is missed. */
static void test_payload_check_refuses_missing_seals(void **state)
{
    (void)state;
    static const int seals[] = {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE};
    for (size_t missing = 0; missing < 4; missing++) {
        int some = 0;
        for (size_t i = 0; i < 4; i++)
            some |= i == missing ? 0 : seals[i];
        const int fd = written(SIZE);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, some), 0);
        assert_int_equal(payload_check(fd, SIZE, false), 0);
        assert_int_equal(payload_check(fd, SIZE, true), -EBADMSG);
        close(fd);
    }
}

static void test_payload_check_refuses_other_files(void **state)
{
    (void)state;
    int ends[2];
    support_pipe(ends);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(payload_check(ends[0], 0, false), -EBADMSG);
    assert_int_equal(payload_check(null, 0, false), -EBADMSG);
    assert_int_equal(payload_check(file, (size_t)lseek(file, 0, SEEK_END), false), -EBADMSG);
    close(ends[0]);
    close(ends[1]);
    close(null);
    close(file);
    assert_int_equal(payload_check(file, 0, false), -EBADMSG);
}

/* Writes go on where the last one ended. */
static void test_payload_write_appends(void **state)
{
    (void)state;
    const int fd = written(10);
    assert_int_equal(payload_write(fd, pattern, 7), 0);
    assert_int_equal(payload_write(fd, NULL, 0), 0);
    assert_int_equal(payload_check(fd, 17, false), 0);
    void *data = payload_read(fd, 17);
    assert_non_null(data);
    assert_memory_equal(data, pattern, 10);
    assert_memory_equal((char *)data + 10, pattern, 7);
    payload_unmap(data, 17);
    close(fd);
    assert_int_equal(payload_write(fd, pattern, 1), -EBADF);
}

/* As long as anybody maps it writable it cannot be sealed: a forked process just as well. */
static void test_payload_seal_while_mapped_writable(void **state)
{
    (void)state;
    const int fd = written(SIZE);
    void *data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(data != MAP_FAILED);
    assert_int_equal(payload_seal(fd), -EBUSY);
    assert_int_equal(payload_check(fd, SIZE, true), -EBADMSG);
    munmap(data, SIZE);
    assert_int_equal(payload_seal(fd), 0);
    assert_int_equal(payload_check(fd, SIZE, true), 0);
    close(fd);
}

/* What shrank is refused, and reading it all the same does not fault. */
static void test_payload_of_a_shrunk_file(void **state)
{
    (void)state;
    static const off_t sizes[] = {0, 1, 4096, SIZE - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int fd = written(SIZE);
        assert_int_equal(payload_check(fd, SIZE, false), 0);
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        assert_int_equal(payload_check(fd, SIZE, false), -EBADMSG);
        errno = 0;
        assert_null(payload_read(fd, SIZE));
        assert_int_equal(errno, EBADMSG);
        close(fd);
    }
}

static void test_payload_read_is_private(void **state)
{
    (void)state;
    const int fd = written(SIZE);
    unsigned char *data = payload_read(fd, SIZE);
    assert_non_null(data);
    assert_int_equal(pwrite(fd, "\xee\xee\xee", 3, 0), 3);
    assert_memory_equal(data, pattern, SIZE);
    data[0] = 1;
    payload_unmap(data, SIZE);
    close(fd);
    errno = 0;
    assert_null(payload_read(fd, SIZE));
    assert_int_equal(errno, EBADF);
}

/* Sizes for which there is no memory are an errno. */
static void test_payload_of_absurd_size(void **state)
{
    (void)state;
    const int fd = written(1);
    assert_null(payload_read(fd, SIZE_MAX / 2));
    assert_int_equal(errno, ENOMEM);
    assert_null(payload_map(fd, SIZE_MAX / 2, false));
    assert_null(payload_map(fd, 0, false));
    payload_unmap(NULL, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_payload_copy_is_whole_and_sealed),
        SUPPORT_TEST(test_payload_parts_are_joined),
        SUPPORT_TEST(test_payload_measure_refuses),
        SUPPORT_TEST(test_payload_parts_written_in_pieces),
        SUPPORT_TEST(test_payload_seals_hold),
        SUPPORT_TEST(test_payload_check_refuses_other_sizes),
        SUPPORT_TEST(test_payload_check_refuses_missing_seals),
        SUPPORT_TEST(test_payload_check_refuses_other_files),
        SUPPORT_TEST(test_payload_write_appends),
        SUPPORT_TEST(test_payload_seal_while_mapped_writable),
        SUPPORT_TEST(test_payload_of_a_shrunk_file),
        SUPPORT_TEST(test_payload_read_is_private),
        SUPPORT_TEST(test_payload_of_absurd_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
