/* systemd's side, played with real sockets: what is told, and what is handed over. */
#include "notify.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static char directory[64], path[96], message[512], heard[2048];
static int manager = -1; /* systemd's socket */
static struct notify notify;

static int notify_begin(void **state)
{
    strcpy(directory, "/tmp/reclaim-notify-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/notify", directory);
    notify.fd = -1;
    return support_begin(state);
}

static int notify_end(void **state)
{
    notify_close(&notify);
    if (manager >= 0)
        close(manager);
    manager = -1;
    unlink(path);
    rmdir(directory);
    for (const char *const *name =
             (const char *const[]){"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", NULL};
         *name != NULL; name++)
        unsetenv(*name);
    return support_end(state);
}

/* Binds to path, or to the abstract name. */
static void listen_at(const char *abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address;
    const struct timeval patience = {.tv_sec = 10};
    if (abstract == NULL)
        strcpy(address.sun_path, path);
    else {
        memcpy(address.sun_path + 1, abstract, strlen(abstract));
        size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract));
    }
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)(const void *)&address, size), 0);
    assert_int_equal(setsockopt(manager, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
}

static const char *hear(void)
{
    const ssize_t size = recv(manager, heard, sizeof heard - 1, 0);
    assert_true(size > 0);
    heard[size] = '\0';
    return heard;
}

static void test_notify_path(void **state)
{
    (void)state;
    listen_at(NULL);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(notify_open(&notify, message), 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_int_equal(notify_tell(&notify, "READY=1"), 0);
    assert_string_equal(hear(), "READY=1");
    assert_int_equal(notify_tell(&notify, "WATCHDOG=1"), 0);
    assert_string_equal(hear(), "WATCHDOG=1");
    assert_int_equal(notify_status(&notify, "%d jobs\nREADY=1", 3), 0);
    assert_string_equal(hear(), "STATUS=3 jobs?READY=1");
    assert_int_equal(notify_tell(&notify, "STOPPING=1"), 0);
    assert_string_equal(hear(), "STOPPING=1");
    assert_int_equal(notify_reloading(&notify), 0);
    unsigned long long usec;
    assert_int_equal(sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
    assert_true(usec > 0);
    assert_int_equal(notify.watchdog_ms, 0);
}

static void test_notify_abstract(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@reclaim-notify-%d", (int)getpid());
    listen_at(name + 1);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(notify_open(&notify, message), 0);
    assert_int_equal(notify_tell(&notify, "READY=1"), 0);
    assert_string_equal(hear(), "READY=1");
}

static void test_notify_long_status(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    listen_at(NULL);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(notify_open(&notify, message), 0);
    assert_int_equal(notify_status(&notify, "%s", text), 0);
    assert_int_equal(strlen(hear()), 7 + 500);
}

static void test_notify_nobody(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    assert_int_equal(notify_open(&notify, message), 0);
    assert_int_equal(notify.fd, -1);
    assert_int_equal(notify.watchdog_ms, 0);
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(notify_tell(&notify, "READY=1"), 0);
    notify_close(&notify);
}

static void test_notify_bad_address(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'x', sizeof text - 1);
    text[0] = '/';
    text[sizeof text - 1] = '\0';
    for (const char *const *bad = (const char *const[]){"", "relative", "@", NULL}; *bad != NULL; bad++) {
        setenv("NOTIFY_SOCKET", *bad, 1);
        assert_int_equal(notify_open(&notify, message), -EAFNOSUPPORT);
        assert_non_null(strstr(message, "NOTIFY_SOCKET"));
        assert_null(getenv("NOTIFY_SOCKET"));
        assert_int_equal(notify_tell(&notify, "READY=1"), 0);
    }
    setenv("NOTIFY_SOCKET", text, 1);
    assert_int_equal(notify_open(&notify, message), -ENAMETOOLONG);
    setenv("NOTIFY_SOCKET", path, 1); /* where nobody is: told at the first word, and nothing depends on it */
    assert_int_equal(notify_open(&notify, message), 0);
    assert_int_equal(notify_tell(&notify, "READY=1"), -ENOENT);
}

static void test_notify_no_descriptor(void **state)
{
    (void)state;
    struct rlimit old, none;
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int rc = notify_open(&notify, message);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(rc, -EMFILE);
    assert_int_equal(notify_tell(&notify, "READY=1"), 0);
}

static void test_notify_watchdog(void **state)
{
    (void)state;
    static const struct {
        const char *usec, *pid; /* pid "": our own */
        int64_t ms;
    } table[] = {
        {"30000000", "", 15000},
        {"30000000", NULL, 15000},
        {"30000000", "1", 0},
        {"30000000", "x", 0},
        {"0", "", 0},
        {"-1", "", 0},
        {"1s", "", 0},
        {"10", "", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char pid[32];
        snprintf(pid, sizeof pid, "%d", (int)getpid());
        setenv("NOTIFY_SOCKET", path, 1);
        setenv("WATCHDOG_USEC", table[i].usec, 1);
        if (table[i].pid != NULL)
            setenv("WATCHDOG_PID", table[i].pid[0] == '\0' ? pid : table[i].pid, 1);
        assert_int_equal(notify_open(&notify, message), 0);
        if (notify.watchdog_ms != table[i].ms)
            fail_msg("%s for %s: %d", table[i].usec, table[i].pid, (int)notify.watchdog_ms);
        assert_null(getenv("WATCHDOG_PID"));
        notify_close(&notify);
    }
}

static void set_listeners(pid_t pid, const char *count)
{
    char text[32];
    snprintf(text, sizeof text, "%d", (int)pid);
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "a:b", 1);
}

/* In a process of its own, whose descriptors 3 and 4 may be anything. */
static int handed_over(void *arg)
{
    (void)arg;
    const int made = socket(AF_UNIX, SOCK_STREAM, 0);
    CHILD_CHECK(made >= 0);
    CHILD_CHECK(dup2(made, 3) == 3 && dup2(made, 4) == 4);
    fcntl(3, F_SETFD, 0);
    fcntl(4, F_SETFD, 0);
    set_listeners(getpid(), "2");
    CHILD_CHECK(notify_listeners(message) == 2);
    CHILD_CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) != 0);
    CHILD_CHECK((fcntl(4, F_GETFD) & FD_CLOEXEC) != 0);
    CHILD_CHECK(getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL && getenv("LISTEN_FDNAMES") == NULL);
    CHILD_CHECK(notify_listeners(message) == 0);
    close(4);
    set_listeners(getpid(), "2");
    CHILD_CHECK(notify_listeners(message) == -EBADF);
    CHILD_CHECK(strstr(message, "descriptor 4 is not open") != NULL);
    return 0;
}

static void test_notify_listeners(void **state)
{
    (void)state;
    child_run(false, handed_over, NULL);
}

static void test_notify_listeners_of_others(void **state)
{
    (void)state;
    assert_int_equal(notify_listeners(message), 0);
    set_listeners(1, "1"); /* for who started us */
    assert_int_equal(notify_listeners(message), 0);
    assert_null(getenv("LISTEN_FDS"));
    set_listeners(getpid(), "0");
    assert_int_equal(notify_listeners(message), 0);
    set_listeners(getpid(), "many");
    assert_int_equal(notify_listeners(message), -EINVAL);
    set_listeners(getpid(), "99999999999");
    assert_int_equal(notify_listeners(message), -EINVAL);
}

#define NOTIFY_TEST(function) cmocka_unit_test_setup_teardown(function, notify_begin, notify_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NOTIFY_TEST(test_notify_path),
        NOTIFY_TEST(test_notify_abstract),
        NOTIFY_TEST(test_notify_long_status),
        NOTIFY_TEST(test_notify_nobody),
        NOTIFY_TEST(test_notify_bad_address),
        NOTIFY_TEST(test_notify_no_descriptor),
        NOTIFY_TEST(test_notify_watchdog),
        NOTIFY_TEST(test_notify_listeners),
        NOTIFY_TEST(test_notify_listeners_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
