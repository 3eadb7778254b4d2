/* cgroup v2: what the kernel's files say, and what is answered where no cgroup can be had. Makes none: a machine's own
 * are not for tests. tests/vm has the rest. */
#include "cgroup.h"
#include "cgroup_file.h"
#include "descriptor.h"

#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* ---- text ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *path; /* NULL: none */
} owns[] = {
    {"0::/\n", "/"},
    {"0::/user.slice/user-1000.slice/session-1.scope\n", "/user.slice/user-1000.slice/session-1.scope"},
    {"0::/a", "/a"}, /* no newline */
    {"0::/a b\\x2dc:d\n", "/a b\\x2dc:d"},
    {"0::/../b\n", "/../b"}, /* seen from another namespace */
    {"12:memory:/m\n1:name=systemd:/s\n0::/own\n", "/own"},
    {"0::/own\n12:memory:/m\n", "/own"},
    {"12:memory:/m\n1:name=systemd:/s\n", NULL},
    {"1:name=0::/x:/y\n0::/own\n", "/own"},
    {"1:name=0::/x:/y\n", NULL},
    {"1:name=x:/0::/y\n", NULL},
    {"10::/x\n", NULL},
    {"10::/x\n0::/own\n", "/own"},
    {"0::own\n", NULL},
    {"0:memory:/x\n", NULL},
    {"\n0::/own\n", "/own"},
    {"", NULL},
    {"\n", NULL},
    {"0::", NULL},
};

static void test_cgroup_parse_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(owns); i++) {
        char path[64] = "untouched";
        if (cgroup_parse_own(owns[i].text, NULL, path, sizeof path) != (owns[i].path != NULL))
            fail_msg("row %zu", i);
        assert_string_equal(path, owns[i].path != NULL ? owns[i].path : "untouched");
    }
}

static void test_cgroup_parse_own_too_long(void **state)
{
    (void)state;
    char path[8];
    assert_true(cgroup_parse_own("0::/123456\n", NULL, path, sizeof path));
    assert_string_equal(path, "/123456");
    assert_false(cgroup_parse_own("0::/1234567\n", NULL, path, sizeof path));
    assert_false(cgroup_parse_own("0::/1234567", NULL, path, sizeof path));
    assert_string_equal(path, "/123456");
}

#define LINE(root, point) "29 23 0:26 " root " " point " rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

static const struct {
    const char *line, *own, *path; /* path NULL: not this one */
    size_t top;
} mounts[] = {
    {LINE("/", "/sys/fs/cgroup"), "/", "/sys/fs/cgroup", 14},
    {LINE("/", "/sys/fs/cgroup"), "/a/b", "/sys/fs/cgroup/a/b", 14},
    {LINE("/", "/sys/fs/cgroup/unified"), "/a", "/sys/fs/cgroup/unified/a", 22},
    {LINE("/", "/my\\040cgroups\\134x\\011"), "/a", "/my cgroups\\x\t/a", 14},
    {LINE("/", "/odd\\9"), "/a", "/odd\\9/a", 6},
    /* the mount shows a part */
    {LINE("/docker/1", "/c"), "/docker/1", "/c", 2},
    {LINE("/docker/1", "/c"), "/docker/1/x", "/c/x", 2},
    {LINE("/docker/1", "/c"), "/docker/12", NULL, 0},
    {LINE("/docker/1", "/c"), "/docker", NULL, 0},
    {LINE("/docker/1", "/c"), "/", NULL, 0},
    /* a cgroup namespace: the mount, or the process, is outside of ours */
    {LINE("/..", "/c"), "/", NULL, 0},
    {LINE("/../..", "/c"), "/a", NULL, 0},
    {LINE("/", "/c"), "/../a", NULL, 0},
    {LINE("/", "/c"), "/..", NULL, 0},
    {LINE("/..", "/c"), "/../a", "/c/a", 2},
    {LINE("/..", "/c"), "/../../a", NULL, 0},
    {LINE("/", "/c"), "/..a/b", "/c/..a/b", 2},
    /* with optional fields */
    {"31 23 0:27 / /c rw shared:9 master:1 - cgroup2 none rw\n", "/a", "/c/a", 2},
    /* others */
    {"32 31 0:29 / /c/memory rw - cgroup cgroup rw,memory\n", "/a", NULL, 0},
    {"10 31 0:28 / /c rw - tmpfs cgroup2 rw\n", "/a", NULL, 0},
    {"10 31 0:28 / /c\\040-\\040cgroup2\\040 rw - tmpfs tmpfs rw\n", "/a", NULL, 0},
    {"x - cgroup2 y\n", "/a", NULL, 0},
    {"", "/a", NULL, 0},
};

static void test_cgroup_parse_mount(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mounts); i++) {
        char path[128];
        size_t top = 0;
        if (cgroup_parse_mount(mounts[i].line, mounts[i].own, path, sizeof path, &top) != (mounts[i].path != NULL))
            fail_msg("row %zu", i);
        if (mounts[i].path != NULL) {
            assert_string_equal(path, mounts[i].path);
            assert_int_equal(top, mounts[i].top);
        }
    }
}

static void test_cgroup_parse_mount_too_long(void **state)
{
    (void)state;
    char line[4 * CGROUP_PATH_MAX], name[2 * CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];
    assert_true(cgroup_parse_mount(LINE("/", "/c"), "/a", path, 5, NULL));
    assert_false(cgroup_parse_mount(LINE("/", "/c"), "/a", path, 4, NULL));
    for (size_t size = CGROUP_PATH_MAX - 3; size < sizeof name; size += 1 + size / 8) {
        memset(name, 'x', size);
        name[0] = '/';
        name[size] = '\0';
        snprintf(line, sizeof line, "29 23 0:26 / %s rw - cgroup2 c rw\n", name);
        assert_int_equal(cgroup_parse_mount(line, "/a", path, sizeof path, NULL), size + 2 < sizeof path);
        snprintf(line, sizeof line, "29 23 0:26 %s /c rw - cgroup2 c rw\n", name);
        assert_int_equal(cgroup_parse_mount(line, name, path, sizeof path, NULL), size < sizeof path - 1);
    }
}

static const struct {
    const char *list, *word;
    bool has;
} words[] = {
    {"cpuset cpu io memory hugetlb pids rdma\n", "memory", true},
    {"memory\n", "memory", true},
    {"memory", "memory", true},
    {"cpu memory", "memory", true},
    {"memory_x\n", "memory", false},
    {"x_memory pids\n", "memory", false},
    {"memoryx memory\n", "memory", true},
    {"mem ory\n", "memory", false},
    {"cpuset io\n", "cpu", false},
    {"cpuset cpu io\n", "cpu", true},
    {"cpuset io  cpu  \n", "cpu", true},
    {"hugetlb\n", "memory", false},
    {"\n", "memory", false},
    {"", "memory", false},
    {"memory\n", "", false},
    {"", "", false},
    {"memory pids\n", "memory pids", false},
};

static void test_cgroup_has_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++)
        if (cgroup_has_word(words[i].list, words[i].word) != words[i].has)
            fail_msg("row %zu: %s in %s", i, words[i].word, words[i].list);
}

#define EVENTS "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n"

static const struct {
    const char *text, *key;
    uint64_t number;
} numbers[] = {
    {EVENTS, "low", 1},
    {EVENTS, "max", 3},
    {EVENTS, "oom", 4},
    {EVENTS, "oom_kill", 5},
    {EVENTS, "oom_group_kill", 6},
    {EVENTS, "kill", 0},
    {EVENTS, "oom_", 0},
    {EVENTS, "group_kill", 0},
    {EVENTS, "", 0},
    {"oom_group_kill 6\noom_kill 5\n", "oom", 0},
    {"oom_kill 5\noom 7", "oom", 7},
    {"populated 1\nfrozen 0\n", "populated", 1},
    {"populated 1\nfrozen 0\n", "frozen", 0},
    {"oom 18446744073709551615\n", "oom", UINT64_MAX},
    {"oom\n", "oom", 0},
    {"oom", "oom", 0},
    {"oom \n", "oom", 0},
    {"oom x\n", "oom", 0},
    {"\n\noom 3\n", "oom", 3},
    {"", "oom", 0},
};

static void test_cgroup_keyed_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (cgroup_keyed_number(numbers[i].text, numbers[i].key) != numbers[i].number)
            fail_msg("row %zu: %s", i, numbers[i].key);
}

static void test_cgroup_pool_name(void **state)
{
    (void)state;
    assert_true(cgroup_is_pool_name("reclaim.a1B2c3"));
    assert_false(cgroup_is_pool_name("reclaim.a1B2c"));
    assert_false(cgroup_is_pool_name("reclaim.a1B2c34"));
    assert_false(cgroup_is_pool_name("reclaim.service"));
    assert_false(cgroup_is_pool_name("reclaimxa1B2c3"));
    assert_false(cgroup_is_pool_name("xreclaim.a1B2c"));
    assert_false(cgroup_is_pool_name(""));
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

/* A directory that looks like a cgroup, with one file in it. */
static int fake(char path[32], const char *name, const char *text, size_t size)
{
    snprintf(path, 32, "/tmp/test-cgroup.XXXXXX");
    assert_non_null(mkdtemp(path));
    const int dir = open(path, CGROUP_FILE_DIRECTORY);
    const int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(dir >= 0 && fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
    return dir;
}

static void fake_remove(const char *path, int dir, const char *name)
{
    assert_int_equal(unlinkat(dir, name, 0), 0);
    close(dir);
    assert_int_equal(rmdir(path), 0);
}

static void test_cgroup_file_pids(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static char text[MANY * 8 + 1];
    static pid_t pids[MANY];
    char path[32];
    size_t size = 0;
    for (int i = 1; i <= MANY; i++) /* of different lengths: pieces end within numbers */
        size += (size_t)snprintf(text + size, sizeof text - size, "%d\n", i * 7);
    const int dir = fake(path, "cgroup.procs", text, size);
    assert_int_equal(cgroup_file_pids(dir, pids, MANY), MANY);
    for (int i = 1; i <= MANY; i++)
        assert_int_equal(pids[i - 1], i * 7);
    pids[2] = -5;
    assert_int_equal(cgroup_file_pids(dir, pids, 2), MANY);
    assert_int_equal(pids[2], -5);
    assert_int_equal(cgroup_file_pids(dir, NULL, 0), MANY);
    fake_remove(path, dir, "cgroup.procs");
    assert_int_equal(cgroup_file_pids(-1, pids, MANY), 0);
}

static void test_cgroup_file_pids_of_none_and_of_others(void **state)
{
    (void)state;
    pid_t pids[4] = {9, 9, 9, 9};
    char path[32];
    int dir = fake(path, "cgroup.procs", "", 0);
    assert_int_equal(cgroup_file_pids(dir, pids, 4), 0);
    fake_remove(path, dir, "cgroup.procs");
    dir = fake(path, "cgroup.procs", "0\n12\n0\n", 7);
    assert_int_equal(cgroup_file_pids(dir, pids, 4), 3);
    assert_true(pids[0] == 0 && pids[1] == 12 && pids[2] == 0 && pids[3] == 9);
    fake_remove(path, dir, "cgroup.procs");
}

static void test_cgroup_file_read_is_bounded(void **state)
{
    (void)state;
    char path[32], text[4] = "xyz";
    const int dir = fake(path, "file", "12345", 5);
    assert_int_equal(descriptor_read_file(dir, "file", text, sizeof text), 3);
    assert_string_equal(text, "123");
    assert_int_equal(descriptor_read_file(dir, "none", text, sizeof text), -ENOENT);
    assert_string_equal(text, "123"); /* only touched when there was something to read */
    assert_int_equal(cgroup_file_write(dir, "none", "1"), -ENOENT);
    fake_remove(path, dir, "file");
}

static void test_cgroup_hand_down_only_once(void **state)
{
    (void)state;
    char path[32], text[32];
    int dir = fake(path, "cgroup.subtree_control", "cpu memory\n", 11);
    assert_int_equal(cgroup_file_hand_down(dir, "memory"), 0);
    assert_int_equal(descriptor_read_file(dir, "cgroup.subtree_control", text, sizeof text), 11);
    assert_string_equal(text, "cpu memory\n");
    assert_int_equal(cgroup_file_hand_down(dir, "pids"), 0);
    assert_int_equal(descriptor_read_file(dir, "cgroup.subtree_control", text, sizeof text), 11);
    assert_memory_equal(text, "+pids", 5);
    fake_remove(path, dir, "cgroup.subtree_control");
    dir = fake(path, "other", "", 0);
    assert_int_equal(cgroup_file_hand_down(dir, "memory"), -ENOENT);
    fake_remove(path, dir, "other");
}

/* ---- where there is none --------------------------------------------------------------------------------------- */

static void test_cgroup_current_of_nothing(void **state)
{
    (void)state;
    struct cgroup_usage usage = {.oom_kill = 1};
    assert_int_equal(cgroup_current(-1), 0);
    assert_true(cgroup_leaf_open_current(-1) < 0);
    assert_true(cgroup_leaf_join(-1) < 0);
    assert_true(cgroup_leaf_read(-1, &usage) < 0);
    assert_int_equal(usage.oom_kill, 0);
    const struct cgroup_limits none = {-1, -1, -1}, some = {-1, 5, -1};
    assert_int_equal(cgroup_leaf_limit(-1, &none), 0);
    assert_true(cgroup_leaf_limit(-1, &some) < 0);
    struct cgroup_pool pool = {.dir = -1, .base = -1};
    cgroup_pool_close(&pool);
    assert_int_equal(pool.dir, -1);
    const struct cgroup_place nowhere = {0};
    cgroup_sweep(&nowhere);
    char why[CGROUP_WHY_MAX] = "";
    assert_int_equal(cgroup_pool_open(&nowhere, &pool, why, sizeof why), -ENOENT);
    assert_true(pool.dir == -1 && pool.base == -1 && why[0] != '\0');
}

static void write_file(int dir, const char *name, const char *text)
{
    const int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* As kernels of three ages have it: 5.17 and later count kills of the whole leaf; before, kills below it show in the
 * sum alone; before 5.2 there is nothing but the sum. */
static void test_cgroup_leaf_read_by_the_kernels_age(void **state)
{
    (void)state;
    char path[] = "/tmp/test_cgroupXXXXXX";
    struct cgroup_usage usage;
    assert_non_null(mkdtemp(path));
    const int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    write_file(dir, "memory.current", "4096\n");
    write_file(dir, "memory.events", "low 0\noom 7\noom_kill 5\n");
    write_file(dir, "memory.events.local", "low 0\noom 3\noom_kill 0\noom_group_kill 2\n");
    assert_int_equal(cgroup_leaf_read(dir, &usage), 0);
    assert_true(usage.oom == 3 && usage.oom_kill == 0 && usage.group_kill == 2 && usage.below == 0);
    write_file(dir, "memory.events.local", "low 0\noom 3\noom_kill 1\n");
    assert_int_equal(cgroup_leaf_read(dir, &usage), 0);
    assert_true(usage.oom == 3 && usage.oom_kill == 1 && usage.group_kill == 0 && usage.below == 5);
    unlinkat(dir, "memory.events.local", 0);
    assert_int_equal(cgroup_leaf_read(dir, &usage), 0);
    assert_true(usage.oom == 7 && usage.oom_kill == 5 && usage.below == 5);
    unlinkat(dir, "memory.events", 0);
    unlinkat(dir, "memory.current", 0);
    close(dir);
    rmdir(path);
}

static const struct {
    const char *named, *says;
    int code;
} refused[] = {
    {"relative", "relative is not an absolute path", -EINVAL},
    {"", "is not an absolute path", -EINVAL},
    {"./sys/fs/cgroup", "is not an absolute path", -EINVAL},
    {"/tmp", "/tmp is not in a cgroup v2 file system", -EINVAL},
    {"/tmp/../tmp/.", "is not in a cgroup v2 file system", -EINVAL},
    {"/proc/self/status", "is not in a cgroup v2 file system", -EINVAL},
    {"/nonexistent/cgroup", "/nonexistent/cgroup cannot be used as a cgroup: No such file", -ENOENT},
    {"/dev/null/x", "Not a directory", -ENOTDIR},
};

static void test_cgroup_find_named_and_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct cgroup_place place = {.path = "x", .pids = true};
        char why[CGROUP_WHY_MAX] = "";
        const int rc = cgroup_find(refused[i].named, &place, why, sizeof why);
        if (rc != refused[i].code || strstr(why, refused[i].says) == NULL)
            fail_msg("row %zu: %d, %s", i, rc, why);
        assert_string_equal(place.path, "");
        assert_false(place.pids);
    }
}

static void test_cgroup_find_named_and_long(void **state)
{
    (void)state;
    struct cgroup_place place;
    char name[8192], why[CGROUP_WHY_MAX], little[8];
    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    assert_int_equal(cgroup_find(name, &place, why, sizeof why), -ENAMETOOLONG);
    assert_true(strlen(why) < sizeof why);
    assert_memory_equal(why, "...xxx", 6);
    assert_non_null(strstr(why, "cannot be used as a cgroup: "));
    assert_int_equal(cgroup_find("/tmp", &place, little, sizeof little), -EINVAL);
    assert_string_equal(little, "/tmp is");
}

static size_t entries_of(const char *path, char own[CGROUP_PATH_MAX])
{
    size_t count = 0;
    DIR *entries = opendir(path);
    while (entries != NULL && readdir(entries) != NULL)
        count++;
    if (entries != NULL)
        closedir(entries);
    char text[8192];
    assert_true(descriptor_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof text) > 0);
    if (!cgroup_parse_own(text, NULL, own, CGROUP_PATH_MAX))
        own[0] = '\0';
    return count;
}

/* Where the memory controller is of version 1, which is where one may look without changing anything. */
static void test_cgroup_find_where_memory_is_v1(void **state)
{
    (void)state;
    static const char *const tops[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char before[CGROUP_PATH_MAX], after[CGROUP_PATH_MAX], why[CGROUP_WHY_MAX] = "";
    struct cgroup_place place = {.path = "x"};
    if (access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) < 0)
        skip();
    size_t counts[COUNT(tops)];
    for (size_t i = 0; i < COUNT(tops); i++)
        counts[i] = entries_of(tops[i], before);
    assert_int_equal(cgroup_find(NULL, &place, why, sizeof why), -ENOTSUP);
    assert_string_equal(place.path, "");
    assert_non_null(strstr(why, "has the memory controller as version 1"));
    for (size_t i = 0; i < COUNT(tops); i++)
        assert_int_equal(entries_of(tops[i], after), counts[i]);
    assert_string_equal(before, after);
    if (access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) == 0) {
        assert_int_equal(cgroup_find("/sys/fs/cgroup/unified", &place, why, sizeof why), -ENOTSUP);
        assert_non_null(strstr(why, "/sys/fs/cgroup/unified has no memory controller"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_cgroup_parse_own),
        SUPPORT_TEST(test_cgroup_parse_own_too_long),
        SUPPORT_TEST(test_cgroup_parse_mount),
        SUPPORT_TEST(test_cgroup_parse_mount_too_long),
        SUPPORT_TEST(test_cgroup_has_word),
        SUPPORT_TEST(test_cgroup_keyed_number),
        SUPPORT_TEST(test_cgroup_pool_name),
        SUPPORT_TEST(test_cgroup_file_pids),
        SUPPORT_TEST(test_cgroup_file_pids_of_none_and_of_others),
        SUPPORT_TEST(test_cgroup_file_read_is_bounded),
        SUPPORT_TEST(test_cgroup_hand_down_only_once),
        SUPPORT_TEST(test_cgroup_current_of_nothing),
        SUPPORT_TEST(test_cgroup_find_named_and_refused),
        SUPPORT_TEST(test_cgroup_find_named_and_long),
        SUPPORT_TEST(test_cgroup_leaf_read_by_the_kernels_age),
        SUPPORT_TEST(test_cgroup_find_where_memory_is_v1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
