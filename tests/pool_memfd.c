/* Large values: whole and identical, whatever is done to the memory file that carries them. */
#include "gate.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB       ((size_t)1 << 20)
#define HUGE_SIZE ((SUPPORT_SANITIZED ? 64 : 1024) * MIB)
#define SIZE      MIB /* of what is tampered with */

/* ---- whole and identical ----------------------------------------------------------------------------------------- */

static void fill(void *data, size_t size, uint32_t seed)
{
    uint64_t *words = data;
    uint64_t value = seed;
    for (size_t i = 0; i < size / sizeof *words; i++)
        words[i] = value = value * UINT64_C(6364136223846793005) + 1442695040888963407;
    memset((char *)data + size / sizeof *words * sizeof *words, (int)seed, size % sizeof *words);
}

static int echo(pool_call_t *call)
{
    size_t size;
    const void *arg = pool_call_arg(call, &size);
    return pool_call_return(call, arg, size);
}

static int echo_in_place(pool_call_t *call)
{
    size_t size;
    const void *arg = pool_call_arg(call, &size);
    if (size == 0)
        return 0;
    void *result = pool_call_alloc_result(call, size);
    if (result == NULL || (uintptr_t)result % 4096 != 0)
        return 1;
    memcpy(result, arg, size);
    return pool_call_return(call, result, size);
}

static void expect_bytes(const pool_result_t *result, const void *data, size_t size)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, size);
    if (size == 0) {
        assert_null(result->data);
        return;
    }
    assert_int_equal((uintptr_t)result->data % 16, 0);
    assert_int_equal(memcmp(result->data, data, size), 0);
}

static void expect_echo(pool_t *pool, pool_fn fn, const void *data, size_t size, bool early)
{
    const pool_job_options_t options = {.early = early};
    pool_job_t *job = support_submit(pool, fn, data, size, &options);
    expect_bytes(support_wait(job), data, size);
    pool_job_release(job);
}

static void test_memfd_sizes_around_the_limits(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,         1,         15,        16,      4096,      61440 - 1,
                                   61440,     61440 + 1, 65536 - 1, 65536,   65536 + 1, 72 * 1024 - 12,
                                   72 * 1024, 131072,    131073,    MIB - 1, MIB,       3 * MIB + 5};
    static uint64_t data[(3 * MIB + 8) / 8];
    fill(data, sizeof data, 7);
    pool_t *pool = support_open(2, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int early = 0; early < 2; early++) {
            expect_echo(pool, echo, data, sizes[i], early);
            expect_echo(pool, echo_in_place, data, sizes[i], early);
        }
    pool_free(pool);
}

static void test_memfd_a_gibibyte_each_way(void **state)
{
    (void)state;
    void *data = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(data != MAP_FAILED);
    fill(data, HUGE_SIZE, 11);
    pool_t *pool = support_open(1, 0);
    expect_echo(pool, echo, data, HUGE_SIZE, false);
    expect_echo(pool, echo_in_place, data, HUGE_SIZE, false);
    pool_free(pool);
    munmap(data, HUGE_SIZE);
}

/* A plain worker sends the first large value in pieces, at the end or where it is waited for; then the pool knows such
 * jobs, and the next is in a memfd. */
static int make(pool_call_t *call)
{
    const size_t *size = pool_call_arg(call, NULL);
    void *data = malloc(*size);
    if (data == NULL)
        return 1;
    fill(data, *size, 5);
    return pool_call_return(call, data, *size);
}

static void test_memfd_values_in_pieces(void **state)
{
    (void)state;
    static const size_t sizes[] = {61441, 65536, 122880, MIB - 1, MIB, 64 * MIB + 3};
    void *expected = malloc(sizes[5]);
    assert_non_null(expected);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        const size_t size = sizes[i / 2];
        const pool_job_options_t options = {.early = i % 2 != 0};
        pool_t *pool = support_open(1, 0);
        fill(expected, size, 5);
        for (int repeat = 0; repeat < 3; repeat++) {
            pool_job_t *job = support_submit(pool, make, &size, sizeof size, &options);
            expect_bytes(support_wait(job), expected, size);
            pool_job_release(job);
        }
        pool_free(pool);
    }
    free(expected);
}

/* Builds in 1 MiB, returns as many bytes as its argument says. */
static int shrink(pool_call_t *call)
{
    const size_t *size = pool_call_arg(call, NULL);
    void *result = pool_call_alloc_result(call, SIZE);
    fill(result, SIZE, 3);
    return pool_call_return(call, result, *size);
}

static void test_memfd_results_can_shrink(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 4096, 61440, SIZE - 1, SIZE};
    static uint64_t expected[SIZE / 8];
    fill(expected, sizeof expected, 3);
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pool_job_t *job = support_submit(pool, shrink, &sizes[i], sizeof sizes[i], NULL);
        expect_bytes(support_wait(job), expected, sizes[i]);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* Each refusal that is not as the header says sets a bit of the code. */
static int misuse(pool_call_t *call)
{
    int wrong = 0;
    char *result = pool_call_alloc_result(call, SIZE);
    wrong |= result != NULL && result[0] == 0 && result[SIZE - 1] == 0 ? 0 : 1; /* zero-filled */
    wrong |= pool_call_alloc_result(call, SIZE) == NULL && errno == EALREADY ? 0 : 2;
    wrong |= pool_call_return(call, result, SIZE + 1) == -EINVAL ? 0 : 4;
    wrong |= pool_call_return(call, result + 1, 1) == -EINVAL ? 0 : 8;
    wrong |= pool_call_return(call, result, 2) == 0 ? 0 : 16;
    wrong |= pool_call_return(call, result, 2) == -EALREADY ? 0 : 32;
    return wrong;
}

static void test_memfd_misuse_is_refused(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, misuse, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    assert_int_equal(result->code, 0);
    expect_bytes(result, "\0\0", 2);
    pool_job_release(job);
    pool_free(pool);
}

/* Builds a result, and only returns what its argument says. */
static int build_and_leave(pool_call_t *call)
{
    void *result = pool_call_alloc_result(call, SIZE);
    if (result == NULL)
        return -1;
    fill(result, SIZE, 9);
    return *(const int *)pool_call_arg(call, NULL);
}

static void test_memfd_built_result_is_the_value(void **state)
{
    (void)state;
    static uint64_t expected[SIZE / 8];
    const int well = 0, badly = 3;
    fill(expected, sizeof expected, 9);
    pool_t *pool = support_open(1, 0);
    for (int early = 0; early < 2; early++) {
        const pool_job_options_t options = {.early = early};
        pool_job_t *job = support_submit(pool, build_and_leave, &well, sizeof well, &options);
        expect_bytes(support_wait(job), expected, SIZE);
        pool_job_release(job);
        job = support_submit(pool, build_and_leave, &badly, sizeof badly, &options);
        support_expect(support_wait(job), POOL_FAILED, POOL_CAUSE_EXITED);
        assert_null(pool_job_result(job)->data);
        pool_job_release(job);
    }
    pool_free(pool);
}

static void test_memfd_results_outlive_the_pool(void **state)
{
    (void)state;
    static uint64_t data[3 * MIB / 8];
    static const size_t sizes[] = {0, 10, 61440, 61441, 3 * MIB};
    pool_job_t *jobs[5];
    fill(data, sizeof data, 5);
    pool_t *pool = support_open(2, 0);
    for (int i = 0; i < 5; i++)
        jobs[i] = support_submit(pool, echo, data, sizes[i], NULL);
    for (int i = 0; i < 5; i++)
        support_wait(jobs[i]);
    pool_free(pool);
    for (int i = 0; i < 5; i++) {
        expect_bytes(pool_job_result(jobs[i]), data, sizes[i]);
        pool_job_release(jobs[i]);
    }
}

/* ---- tampered with ----------------------------------------------------------------------------------------------- */

/* In a job: the descriptor of the memory file of its result, -1. */
static int find_memfd(void)
{
    int found = -1;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[300], name[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, name, sizeof name - 1) > 0 && strstr(name, "memfd:reclaim-result") != NULL)
            found = atoi(entry->d_name);
    }
    closedir(dir);
    return found;
}

struct tampering {
    bool in_place; /* the result is built in place */
    off_t size;    /* what the file is made, -1: left */
    int seals;     /* what is sealed before */
};

static int tamper(pool_call_t *call)
{
    const struct tampering *how = pool_call_arg(call, NULL);
    void *data = how->in_place ? pool_call_alloc_result(call, SIZE) : malloc(SIZE);
    if (data == NULL)
        return 1;
    fill(data, SIZE, 9);
    if (pool_call_return(call, data, SIZE) < 0)
        return 2;
    const int fd = find_memfd();
    if (fd < 0 || (how->size >= 0 && ftruncate(fd, how->size) < 0))
        return 3;
    return how->seals != 0 && fcntl(fd, F_ADD_SEALS, how->seals) < 0 ? 4 : 0;
}

static const pool_result_t *run_tampering(pool_t *pool, struct tampering how, pool_job_t **job)
{
    *job = support_submit(pool, tamper, &how, sizeof how, NULL);
    return support_wait(*job);
}

static void test_memfd_of_another_size_is_rejected(void **state)
{
    (void)state;
    static const off_t sizes[] = {0, 1, (off_t)SIZE - 1, (off_t)SIZE + 1, (off_t)1 << 40};
    pool_t *pool = support_open_full(1, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int in_place = 0; in_place < 2; in_place++) {
            pool_job_t *job;
            const pool_result_t *result = run_tampering(pool, (struct tampering){in_place, sizes[i], 0}, &job);
            support_expect(result, POOL_CRASHED, POOL_CAUSE_PROTOCOL);
            assert_null(result->data);
            assert_int_equal(result->size, 0);
            pool_job_release(job);
        }
    pool_free(pool);
}

static void test_memfd_that_cannot_be_sealed_is_copied(void **state)
{
    (void)state;
    static const int seals[] = {F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_SEAL, F_SEAL_GROW,
                                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL};
    static uint64_t expected[SIZE / 8];
    fill(expected, sizeof expected, 9);
    pool_t *pool = support_open_full(1, 0);
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++)
        for (int in_place = 0; in_place < 2; in_place++) {
            pool_job_t *job;
            expect_bytes(run_tampering(pool, (struct tampering){in_place, -1, seals[i]}, &job), expected, SIZE);
            pool_job_release(job);
        }
    pool_free(pool);
}

/* ---- still in somebody's hands ----------------------------------------------------------------------------------- */

static bool send_fd(int socket, int fd)
{
    char byte = 'f';
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(socket, &message, 0) == 1;
}

static int receive_fd(int socket)
{
    char byte;
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int fd;
    assert_int_equal(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
    assert_non_null(CMSG_FIRSTHDR(&message));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/* Hands the memory file of its result to its test, outside of its tree, and waits for a word from there. */
static int hand_out(pool_call_t *call)
{
    const int socket = pool_call_fd(call, 0);
    const bool *in_place = pool_call_arg(call, NULL);
    void *data = *in_place ? pool_call_alloc_result(call, SIZE) : malloc(SIZE);
    char byte;
    if (data == NULL)
        return 1;
    fill(data, SIZE, 13);
    if (pool_call_return(call, data, SIZE) < 0 || !send_fd(socket, find_memfd()))
        return 2;
    return read(socket, &byte, 1) == 1 ? 0 : 3;
}

struct outside {
    pool_t *pool;
    pool_job_t *job;
    int sockets[2], fd;
    unsigned char *mapping; /* NULL: only the descriptor is held */
};

static void outside_start(struct outside *outside, bool in_place, bool early, bool map)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, outside->sockets), 0);
    const pool_job_options_t options = {.fds = &outside->sockets[1], .fd_count = 1, .early = early};
    outside->pool = support_open_full(1, 0);
    outside->job = support_submit(outside->pool, hand_out, &in_place, sizeof in_place, &options);
    outside->fd = receive_fd(outside->sockets[0]);
    outside->mapping = NULL;
    if (map) {
        outside->mapping = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, outside->fd, 0);
        assert_true(outside->mapping != MAP_FAILED);
    }
    assert_int_equal(write(outside->sockets[0], "g", 1), 1);
}

static void outside_end(struct outside *outside)
{
    pool_job_release(outside->job);
    pool_free(outside->pool);
    if (outside->mapping != NULL)
        munmap(outside->mapping, SIZE);
    close(outside->fd);
    close(outside->sockets[0]);
    close(outside->sockets[1]);
}

/* Whoever still maps it writable can change it, and make it shorter: the host has a copy of its own. */
static void expect_copied(bool in_place, bool early)
{
    static uint64_t expected[SIZE / 8];
    struct outside outside;
    fill(expected, sizeof expected, 13);
    outside_start(&outside, in_place, early, true);
    const pool_result_t *result = support_wait(outside.job);
    expect_bytes(result, expected, SIZE);
    memset(outside.mapping, 'x', SIZE);
    assert_int_equal(ftruncate(outside.fd, 0), 0);
    expect_bytes(result, expected, SIZE); /* no SIGBUS either */
    outside_end(&outside);
}

static void test_memfd_mapped_by_someone_else_is_copied(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        expect_copied(false, early);
        expect_copied(true, early);
    }
}

/* Who only holds the descriptor finds it sealed. */
static void expect_sealed(bool in_place, bool early)
{
    static uint64_t expected[SIZE / 8];
    struct outside outside;
    fill(expected, sizeof expected, 13);
    outside_start(&outside, in_place, early, false);
    const pool_result_t *result = support_wait(outside.job);
    assert_int_equal(pwrite(outside.fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(outside.fd, 0), -1);
    assert_int_equal(ftruncate(outside.fd, 2 * SIZE), -1);
    assert_true(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, outside.fd, 0) == MAP_FAILED);
    expect_bytes(result, expected, SIZE);
    outside_end(&outside);
}

static void test_memfd_held_by_someone_else_is_sealed(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        expect_sealed(false, early);
        expect_sealed(true, early);
    }
}

/* Shrunk from outside, while the job ends. */
static void test_memfd_shrunk_by_someone_else_is_rejected(void **state)
{
    (void)state;
    struct outside outside;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, outside.sockets), 0);
    const pool_job_options_t options = {.fds = &outside.sockets[1], .fd_count = 1};
    const bool in_place = true;
    outside.mapping = NULL;
    outside.pool = support_open_full(1, 0);
    outside.job = support_submit(outside.pool, hand_out, &in_place, sizeof in_place, &options);
    outside.fd = receive_fd(outside.sockets[0]);
    assert_int_equal(ftruncate(outside.fd, 100), 0);
    assert_int_equal(write(outside.sockets[0], "g", 1), 1);
    support_expect(support_wait(outside.job), POOL_CRASHED, POOL_CAUSE_PROTOCOL);
    outside_end(&outside);
}

/* The argument's memory file is sealed: what one attempt does to it the next one does not see. */
static int spoil_argument(pool_call_t *call)
{
    size_t size;
    const unsigned char *arg = pool_call_arg(call, &size);
    for (size_t i = 0; i < size; i++)
        if (arg[i] != 'a')
            return 1;
    if (mprotect((void *)(uintptr_t)arg, size, PROT_READ | PROT_WRITE) == 0)
        memset((void *)(uintptr_t)arg, 'b', size);
    return pool_call_attempt(call) < 3 ? 7 : 0;
}

static void test_memfd_arguments_are_sealed(void **state)
{
    (void)state;
    char *data = malloc(SIZE);
    assert_non_null(data);
    memset(data, 'a', SIZE);
    const pool_job_options_t options = {.retries = 5, .retry_on = POOL_RETRY_ON(POOL_FAILED)};
    pool_t *pool = support_open_full(1, 0);
    pool_job_t *job = support_submit(pool, spoil_argument, data, SIZE, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->usage.attempt, 3);
    pool_job_release(job);
    pool_free(pool);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_memfd_sizes_around_the_limits),
        SUPPORT_TEST(test_memfd_a_gibibyte_each_way),
        SUPPORT_TEST(test_memfd_values_in_pieces),
        SUPPORT_TEST(test_memfd_results_can_shrink),
        SUPPORT_TEST(test_memfd_misuse_is_refused),
        SUPPORT_TEST(test_memfd_built_result_is_the_value),
        SUPPORT_TEST(test_memfd_results_outlive_the_pool),
        SUPPORT_TEST(test_memfd_of_another_size_is_rejected),
        SUPPORT_TEST(test_memfd_that_cannot_be_sealed_is_copied),
        SUPPORT_TEST(test_memfd_mapped_by_someone_else_is_copied),
        SUPPORT_TEST(test_memfd_held_by_someone_else_is_sealed),
        SUPPORT_TEST(test_memfd_shrunk_by_someone_else_is_rejected),
        SUPPORT_TEST(test_memfd_arguments_are_sealed),
    };
    return cmocka_run_group_tests_name("memfd", tests, NULL, NULL);
}
