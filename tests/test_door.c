/* The listening socket: what it may replace, where it may stand, who may come in. */
#include "door.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char root[] = "/tmp/reclaim-door-XXXXXX";
static char message[512];

static bool listen_fails, no_memory;

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

int __wrap_listen(int fd, int backlog)
{
    errno = ENOBUFS;
    return listen_fails ? -1 : __real_listen(fd, backlog);
}

char *__wrap_strdup(const char *text)
{
    return no_memory ? NULL : __real_strdup(text);
}

static int begin(void **state)
{
    strcpy(root + sizeof root - 7, "XXXXXX");
    listen_fails = no_memory = false;
    return mkdtemp(root) == NULL ? -1 : support_begin(state);
}

static int end(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", root);
    const int rc = system(command); /* NOLINT(cert-env33-c): a folder of ours */
    const int clean = support_end(state);
    return rc != 0 ? -1 : clean;
}

#define DOOR_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* A path below root; four at a time. */
static const char *below(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    return address;
}

static int dial(const char *path)
{
    const struct sockaddr_un address = address_of(path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    const int rc = -errno;
    close(fd);
    return rc;
}

/* A socket at path; backlog < 0: it does not listen. */
static int bind_at(const char *path, int type, int backlog)
{
    const struct sockaddr_un address = address_of(path);
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void expect_refused(const char *path, int rc, const char *says)
{
    struct door door;
    message[0] = '\0';
    assert_int_equal(door_open(&door, path, message), rc);
    if (strstr(message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", message, says);
}

static void test_door_opens_in_directories_that_it_makes(void **state)
{
    const char *path = below("a/b/reclaimd.sock");
    struct door door;
    (void)state;
    const mode_t before = umask(022);
    assert_int_equal(door_open(&door, path, message), 0);
    assert_int_equal(umask(before), 022); /* as it was */
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(below("a/b")), 0700);
    assert_int_equal(mode_of(below("a")), 0700);
    assert_int_equal(fcntl(door.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(door.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    const int fd = dial(path);
    assert_true(fd >= 0);
    close(fd);
    door_close(&door);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(below("a/b"), F_OK), 0);
}

static void test_door_opens_at_a_relative_path(void **state)
{
    char before[1000];
    struct door door;
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(root), 0);
    const int first = door_open(&door, "x.sock", message);
    if (first == 0)
        door_close(&door);
    const int second = door_open(&door, "sub/x.sock", message);
    if (second == 0)
        door_close(&door);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
}

static void test_door_replaces_a_stale_socket(void **state)
{
    const char *path = below("x.sock");
    struct door door;
    (void)state;
    close(bind_at(path, SOCK_STREAM, 1)); /* as a daemon that was killed leaves it */
    assert_int_equal(dial(path), -ECONNREFUSED);
    assert_int_equal(door_open(&door, path, message), 0);
    assert_int_equal(mode_of(path), 0600);
    const int fd = dial(path);
    assert_true(fd >= 0);
    close(fd);
    door_close(&door);
}

static void test_door_leaves_an_answered_socket(void **state)
{
    const char *path = below("x.sock");
    struct door door;
    (void)state;
    assert_int_equal(door_open(&door, path, message), 0);
    expect_refused(path, -EADDRINUSE, "another daemon answers");
    const int fd = dial(path);
    assert_true(fd >= 0);
    close(fd);
    door_close(&door);
}

/* A daemon so busy that its queue is full is there all the same. */
static void test_door_leaves_a_socket_with_a_full_queue(void **state)
{
    const char *path = below("x.sock");
    int fds[8], count = 0;
    (void)state;
    const int busy = bind_at(path, SOCK_STREAM, 0);
    while (count < 8 && (fds[count] = dial(path)) >= 0)
        count++;
    assert_true(count < 8);
    assert_int_equal(fds[count], -EAGAIN);
    expect_refused(path, -EADDRINUSE, "another daemon answers");
    while (count > 0)
        close(fds[--count]);
    close(busy);
}

static void test_door_leaves_a_socket_of_another_kind(void **state)
{
    const char *path = below("x.sock");
    (void)state;
    const int fd = bind_at(path, SOCK_DGRAM, -1);
    expect_refused(path, -EPROTOTYPE, "cannot tell");
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
}

static void test_door_refuses_what_is_no_socket(void **state)
{
    (void)state;
    const int fd = bind_at(below("real.sock"), SOCK_STREAM, 1);
    assert_int_equal(symlink(below("real.sock"), below("link")), 0);
    expect_refused(below("link"), -EEXIST, "a symlink");
    assert_int_equal(symlink(below("nowhere"), below("dangling")), 0);
    expect_refused(below("dangling"), -EEXIST, "a symlink");
    assert_int_equal(access(below("nowhere"), F_OK), -1);
    assert_int_equal(mkdir(below("directory"), 0700), 0);
    expect_refused(below("directory"), -EEXIST, "no socket");
    close(open(below("file"), O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
    expect_refused(below("file"), -EEXIST, "no socket");
    assert_int_equal(access(below("file"), F_OK), 0);
    expect_refused(below("file/x.sock"), -ENOTDIR, "not a directory");
    close(fd);
}

static void test_door_refuses_paths_that_are_too_long(void **state)
{
    char path[300];
    struct door door;
    (void)state;
    expect_refused("", -EINVAL, "empty");
    const size_t size = (size_t)snprintf(path, sizeof path, "%s/", root);
    memset(path + size, 'x', sizeof path - size);
    path[108] = '\0';
    expect_refused(path, -ENAMETOOLONG, "108 bytes");
    path[107] = '\0';
    assert_int_equal(door_open(&door, path, message), 0);
    door_close(&door);
}

static void test_door_refuses_directories_of_others(void **state)
{
    (void)state;
    assert_int_equal(mkdir(below("open"), 0700), 0);
    static const mode_t modes[] = {0720, 0702, 0777, 01777};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(below("open"), modes[i]), 0);
        expect_refused(below("open/x.sock"), -EACCES, "others may write to");
    }
    /* above the last one a sticky bit is enough, as /tmp has it */
    struct door door;
    assert_int_equal(door_open(&door, below("open/own/x.sock"), message), 0);
    door_close(&door);
    assert_int_equal(chmod(below("open"), 0777), 0);
    expect_refused(below("open/own/x.sock"), -EACCES, "others may write to");
    if (geteuid() != 0)
        return;
    assert_int_equal(mkdir(below("theirs"), 0700), 0);
    assert_int_equal(chown(below("theirs"), 65534, 65534), 0);
    expect_refused(below("theirs/x.sock"), -EACCES, "uid 65534");
}

static int open_without_rights(void *arg)
{
    struct door door;
    (void)arg;
    CHILD_CHECK(door_open(&door, below("shut/deep/x.sock"), message) == -EACCES);
    CHILD_CHECK(strstr(message, "cannot make the directory") != NULL);
    CHILD_CHECK(door_open(&door, below("shut/x.sock"), message) == -EACCES);
    CHILD_CHECK(strstr(message, "cannot listen at") != NULL);
    CHILD_CHECK(umask(022) == 027);
    return 0;
}

/* root's directory may hold an ordinary user's door, but only if he can make one there. */
static void test_door_says_where_it_may_not(void **state)
{
    (void)state;
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(mkdir(below("shut"), 0755), 0);
    assert_int_equal(chmod(below("shut"), 0555), 0);
    const mode_t before = umask(027);
    child_run(true, open_without_rights, NULL);
    umask(before);
}

/* Two that start at the same time do not remove each other's socket. */
static void test_door_opens_one_at_a_time(void **state)
{
    struct door door;
    (void)state;
    const int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    expect_refused(below("x.sock"), -EADDRINUSE, "at this moment");
    close(fd);
    assert_int_equal(door_open(&door, below("x.sock"), message), 0);
    door_close(&door);
}

/* Each descriptor that there is not is told, and none of the others stays. */
static void test_door_without_descriptors(void **state)
{
    static const char *const says[] = {"cannot open", "cannot tell", "cannot make a socket"};
    struct rlimit limit, before;
    const char *path = below("x.sock");
    (void)state;
    close(bind_at(path, SOCK_STREAM, 1));
    const int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    for (int i = 0; i < 3; i++) {
        struct door door;
        if (i == 2)
            unlink(path);
        limit.rlim_cur = (rlim_t)(next + (i > 0 ? 1 : 0));
        setrlimit(RLIMIT_NOFILE, &limit);
        const int rc = door_open(&door, path, message);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(rc, -EMFILE);
        assert_non_null(strstr(message, says[i]));
    }
    assert_int_equal(access(path, F_OK), -1);
}

static void test_door_that_cannot_listen_leaves_nothing(void **state)
{
    (void)state;
    listen_fails = true;
    expect_refused(below("x.sock"), -ENOBUFS, "cannot listen at");
    listen_fails = false;
    assert_int_equal(access(below("x.sock"), F_OK), -1);
    no_memory = true;
    expect_refused(below("x.sock"), -ENOMEM, "memory");
    no_memory = false;
}

static void test_door_removes_only_its_own(void **state)
{
    const char *path = below("x.sock");
    struct door door;
    (void)state;
    assert_int_equal(door_open(&door, path, message), 0);
    assert_int_equal(unlink(path), 0);
    const int fd = bind_at(path, SOCK_STREAM, 1);
    door_close(&door);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
}

static void test_door_takes_a_socket_of_the_service_manager(void **state)
{
    struct door door;
    (void)state;
    const char *path = below("x.sock");
    assert_int_equal(door_take(&door, bind_at(path, SOCK_STREAM, 1), message), 0);
    assert_int_equal(fcntl(door.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(door.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    const int fd = dial(path);
    assert_true(fd >= 0);
    close(fd);
    door_close(&door);
    assert_int_equal(access(path, F_OK), 0); /* not ours to remove */
    const int others[] = {
        bind_at(below("1"), SOCK_STREAM, -1),    bind_at(below("2"), SOCK_DGRAM, -1),
        bind_at(below("3"), SOCK_SEQPACKET, 1),  socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        open("/dev/null", O_RDONLY | O_CLOEXEC),
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        message[0] = '\0';
        assert_int_equal(door_take(&door, others[i], message), -ENOTSOCK);
        assert_non_null(strstr(message, "LISTEN_FDS"));
        assert_int_equal(fcntl(others[i], F_GETFD), -1); /* taken, and closed */
    }
}

struct visit {
    int fd; /* accepted */
    uid_t uid;
};

static int visited_by_root(void *arg)
{
    const struct visit *visit = arg;
    uid_t uid;
    pid_t pid;
    CHILD_CHECK(door_peer(visit->fd, &uid, &pid) == 0);
    CHILD_CHECK(uid == visit->uid && pid == getppid());
    return 0;
}

static void test_door_knows_its_peer(void **state)
{
    uid_t uid;
    pid_t pid;
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(door_peer(pair[0], &uid, &pid), 0);
    assert_int_equal(uid, geteuid());
    assert_int_equal(pid, getpid());
    if (geteuid() == 0)
        child_run(true, visited_by_root, &(struct visit){.fd = pair[0], .uid = 0});
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(door_peer(pair[0], &uid, &pid), -EBADF);
}

/* Somebody else: his credentials are those of the moment when he connected. */
static int visit_as_another(void *arg)
{
    return dial(arg) >= 0 ? 0 : 1;
}

static void test_door_denies_another_uid(void **state)
{
    static char path[200];
    struct door door;
    uid_t uid;
    pid_t pid;
    (void)state;
    if (geteuid() != 0)
        skip();
    strcpy(path, below("x.sock"));
    assert_int_equal(door_open(&door, path, message), 0);
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(chmod(path, 0666), 0);
    child_run(true, visit_as_another, path);
    const int fd = accept(door.fd, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(door_peer(fd, &uid, &pid), -EACCES);
    assert_int_equal(uid, 65534);
    close(fd);
    door_close(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_door_opens_in_directories_that_it_makes),
        DOOR_TEST(test_door_opens_at_a_relative_path),
        DOOR_TEST(test_door_replaces_a_stale_socket),
        DOOR_TEST(test_door_leaves_an_answered_socket),
        DOOR_TEST(test_door_leaves_a_socket_with_a_full_queue),
        DOOR_TEST(test_door_leaves_a_socket_of_another_kind),
        DOOR_TEST(test_door_refuses_what_is_no_socket),
        DOOR_TEST(test_door_refuses_paths_that_are_too_long),
        DOOR_TEST(test_door_refuses_directories_of_others),
        DOOR_TEST(test_door_says_where_it_may_not),
        DOOR_TEST(test_door_opens_one_at_a_time),
        DOOR_TEST(test_door_without_descriptors),
        DOOR_TEST(test_door_that_cannot_listen_leaves_nothing),
        DOOR_TEST(test_door_removes_only_its_own),
        DOOR_TEST(test_door_takes_a_socket_of_the_service_manager),
        DOOR_TEST(test_door_knows_its_peer),
        DOOR_TEST(test_door_denies_another_uid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
