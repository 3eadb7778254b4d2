/* Descriptors: sent, received, lost on the way, closed in ranges, and known again. */
#include "descriptor.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void open_pair(int type, int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

/* The reading end of a pipe that holds one byte: known by it wherever it arrives. */
static int marked(unsigned char byte)
{
    int ends[2];
    support_pipe(ends);
    assert_int_equal(write(ends[1], &byte, 1), 1);
    close(ends[1]);
    return ends[0];
}

/* Sends count marked descriptors with the text "hi". */
static void send_marked(int socket, size_t count)
{
    int fds[DESCRIPTOR_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        fds[i] = marked((unsigned char)i);
    assert_int_equal(descriptor_send(socket, "hi", 2, fds, count), 2);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_descriptor_round_trip(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, DESCRIPTOR_MAX};
    int pair[2];
    open_pair(SOCK_STREAM, pair);
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        struct descriptor_set set;
        char text[8];
        send_marked(pair[0], counts[n]);
        assert_int_equal(descriptor_receive(pair[1], text, sizeof text, 0, &set), 2);
        assert_memory_equal(text, "hi", 2);
        assert_int_equal(set.count, counts[n]);
        assert_false(set.truncated);
        for (size_t i = 0; i < set.count; i++) {
            assert_true((fcntl(set.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
            assert_int_equal(support_await_byte(set.fds[i]), i);
        }
        descriptor_set_close(&set);
        assert_int_equal(set.count, 0);
    }
    close_pair(pair);
}

static void test_descriptor_send_refuses_too_many(void **state)
{
    (void)state;
    int pair[2], fds[DESCRIPTOR_MAX + 1] = {0};
    open_pair(SOCK_STREAM, pair);
    assert_int_equal(descriptor_send(pair[0], "a", 1, fds, DESCRIPTOR_MAX + 1), -EINVAL);
    fds[0] = -1;
    assert_int_equal(descriptor_send(pair[0], "a", 1, fds, 1), -EBADF);
    close_pair(pair);
}

static void test_descriptor_send_never_blocks(void **state)
{
    (void)state;
    static const char much[4096];
    int pair[2];
    ssize_t sent;
    open_pair(SOCK_SEQPACKET, pair);
    while ((sent = descriptor_send(pair[0], much, sizeof much, NULL, 0)) == sizeof much)
        ;
    assert_int_equal(sent, -EAGAIN);
    close_pair(pair);
}

static void test_descriptor_send_to_nobody(void **state)
{
    (void)state;
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < 2; i++) {
        int pair[2];
        open_pair(types[i], pair);
        close(pair[1]);
        assert_int_equal(descriptor_send(pair[0], "a", 1, NULL, 0), -EPIPE); /* and no SIGPIPE */
        close(pair[0]);
        assert_int_equal(descriptor_send(pair[0], "a", 1, NULL, 0), -EBADF);
    }
}

static void test_descriptor_receive_at_the_end(void **state)
{
    (void)state;
    struct descriptor_set set;
    int pair[2];
    char text[8];
    open_pair(SOCK_STREAM, pair);
    assert_int_equal(descriptor_receive(pair[1], text, sizeof text, MSG_DONTWAIT, &set), -EAGAIN);
    assert_int_equal(set.count, 0);
    close(pair[0]);
    assert_int_equal(descriptor_receive(pair[1], text, sizeof text, 0, &set), 0);
    close(pair[1]);
    assert_int_equal(descriptor_receive(pair[1], text, sizeof text, 0, &set), -EBADF);
    assert_int_equal(set.count, 0);
}

/* Not all fit into this process's table: those that did are closed again, and it is told. */
static void test_descriptor_receive_of_a_truncated_set(void **state)
{
    (void)state;
    struct rlimit old, low;
    struct descriptor_set set;
    int pair[2];
    char text[8];
    open_pair(SOCK_STREAM, pair);
    send_marked(pair[0], 10);
    const size_t before = support_fds();
    const int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)next + 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    const ssize_t got = descriptor_receive(pair[1], text, sizeof text, 0, &set);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(got, 2);
    assert_true(set.truncated);
    assert_int_equal(set.count, 0);
    assert_int_equal(support_fds(), before);
    close_pair(pair);
}

/* A packet that does not fit is no packet, and what came with it is closed. */
static void test_descriptor_receive_of_a_long_packet(void **state)
{
    (void)state;
    struct descriptor_set set;
    int pair[2];
    char text[1];
    open_pair(SOCK_SEQPACKET, pair);
    send_marked(pair[0], 3);
    const size_t before = support_fds();
    assert_int_equal(descriptor_receive(pair[1], text, sizeof text, 0, &set), -EMSGSIZE);
    assert_int_equal(set.count, 0);
    assert_int_equal(support_fds(), before);
    close_pair(pair);
}

static void test_descriptor_set_take_in_order(void **state)
{
    (void)state;
    struct descriptor_set set = {.fds = {7, 8, 9}, .count = 3};
    for (int fd = 7; fd <= 9; fd++)
        assert_int_equal(descriptor_set_take(&set), fd);
    assert_int_equal(descriptor_set_take(&set), -1);
    assert_int_equal(set.count, 0);
}

static void test_descriptor_close_keeps_errno(void **state)
{
    (void)state;
    int fd = marked(1);
    const int number = fd;
    errno = ENOSPC;
    descriptor_close(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(number, F_GETFD), -1);
    errno = ENOSPC;
    descriptor_close(&fd);
    assert_int_equal(errno, ENOSPC);
    fd = number; /* not open: close() fails */
    descriptor_close(&fd);
    assert_int_equal(errno, ENOSPC);
}

/* ---- ranges: in children, for they close all sorts of things ---------------------------------------------------- */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Closes 100 to 250 and looks at what is left. */
static int check_gaps(void *arg)
{
    (void)arg;
    static const int numbers[] = {99, 100, 101, 200, 249, 250, 251, 300};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        CHILD_CHECK(dup2(0, numbers[i]) == numbers[i]);
    descriptor_close_range(100, 250);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        CHILD_CHECK(is_open(numbers[i]) == (numbers[i] < 100 || numbers[i] > 250));
    descriptor_close_range(99, 98);
    CHILD_CHECK(is_open(99));
    descriptor_close_range(99, 99);
    CHILD_CHECK(!is_open(99));
    CHILD_CHECK(is_open(251));
    descriptor_close_range(3, ~0U);
    CHILD_CHECK(is_open(0) && is_open(2) && !is_open(251) && !is_open(300));
    return 0;
}

/* From now on this process has no close_range(2). */
static int lose_close_range(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int check_gaps_by_listing(void *arg)
{
    CHILD_CHECK(lose_close_range() == 0);
    CHILD_CHECK(syscall(SYS_close_range, 100, 100, 0) < 0 && errno == ENOSYS);
    return check_gaps(arg);
}

/* No number is left for the listing itself. */
static int check_gaps_blindly(void *arg)
{
    (void)arg;
    CHILD_CHECK(lose_close_range() == 0);
    CHILD_CHECK(dup2(0, 100) == 100);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = 1024};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    descriptor_close_range(3, ~0U);
    CHILD_CHECK(!is_open(100) && is_open(2));
    return 0;
}

static void test_descriptor_close_range_with_gaps(void **state)
{
    (void)state;
    child_run(false, check_gaps, NULL);
}

static void test_descriptor_close_range_without_the_call(void **state)
{
    (void)state;
    child_run(false, check_gaps_by_listing, NULL);
    child_run(false, check_gaps_blindly, NULL);
}

static void test_descriptor_verify_knows_its_file(void **state)
{
    (void)state;
    struct descriptor_identity identity;
    int first[2], second[2];
    support_pipe(first);
    support_pipe(second);
    assert_int_equal(descriptor_identify(first[0], &identity), 0);
    assert_int_equal(descriptor_verify(first[0], &identity), 0);
    assert_int_equal(descriptor_verify(second[0], &identity), -EBADF);
    assert_int_equal(dup2(second[0], first[0]), first[0]); /* the number is used again */
    assert_int_equal(descriptor_verify(first[0], &identity), -EBADF);
    close_pair(first);
    assert_int_equal(descriptor_verify(first[0], &identity), -EBADF);
    assert_int_equal(descriptor_identify(first[0], &identity), -EBADF);
    close_pair(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_descriptor_round_trip),
        SUPPORT_TEST(test_descriptor_send_refuses_too_many),
        SUPPORT_TEST(test_descriptor_send_never_blocks),
        SUPPORT_TEST(test_descriptor_send_to_nobody),
        SUPPORT_TEST(test_descriptor_receive_at_the_end),
        SUPPORT_TEST(test_descriptor_receive_of_a_truncated_set),
        SUPPORT_TEST(test_descriptor_receive_of_a_long_packet),
        SUPPORT_TEST(test_descriptor_set_take_in_order),
        SUPPORT_TEST(test_descriptor_close_keeps_errno),
        SUPPORT_TEST(test_descriptor_close_range_with_gaps),
        SUPPORT_TEST(test_descriptor_close_range_without_the_call),
        SUPPORT_TEST(test_descriptor_verify_knows_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
