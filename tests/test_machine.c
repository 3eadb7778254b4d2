/* How much memory there is: the texts of the kernel, and cgroups in a directory of the test's own. */
#include "cgroup_file.h"
#include "machine.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static void test_machine_meminfo(void **state)
{
    (void)state;
    struct machine_memory memory = {0};
    assert_true(machine_parse_meminfo("MemTotal:       24684084 kB\nMemFree:        24444288 kB\n"
                                      "MemAvailable:   24400016 kB\nBuffers: 756 kB\n",
                                      &memory));
    assert_true(memory.total == UINT64_C(24684084) * 1024);
    assert_true(memory.available == UINT64_C(24400016) * 1024);
    assert_false(machine_parse_meminfo("", &memory));
    assert_false(machine_parse_meminfo("MemTotal: 1 kB\n", &memory));
    assert_false(machine_parse_meminfo("MemTotal: x kB\nMemAvailable: 1 kB\n", &memory));
}

static void test_machine_cgroup_table(void **state)
{
    (void)state;
    static const char mixed[] = "12:cpu,cpuacct:/a\n4:memory:/docker/1:2\n3:memory_x:/no\n0::/init.scope\n";
    static const struct {
        const char *text, *controller, *path; /* path NULL: none */
    } table[] = {
        {"0::/user.slice/session-1.scope\n", NULL, "/user.slice/session-1.scope"},
        {"0::/\n", NULL, "/"},
        {"0::/last", NULL, "/last"},
        {"0::/user.slice\n", "memory", NULL},
        {mixed, NULL, "/init.scope"},
        {mixed, "memory", "/docker/1:2"},
        {mixed, "cpuacct", "/a"},
        {mixed, "cpu", "/a"},
        {mixed, "mem", NULL},
        {"1:name=systemd:/x\n", NULL, NULL},
        {"", NULL, NULL},
        {"0:", NULL, NULL},
        {"0::", NULL, NULL},
        {"0::relative\n", NULL, NULL},
        {"0::/much/too/long/a/path/for/the/buffer/of/this/test/123456\n", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char path[48] = "";
        const bool found = cgroup_parse_own(table[i].text, table[i].controller, path, sizeof path);
        if (found != (table[i].path != NULL) || (found && strcmp(path, table[i].path) != 0))
            fail_msg("row %zu: %d, %s", i, found, path);
    }
}

static void test_machine_mount_table(void **state)
{
    (void)state;
    static const struct {
        const char *line, *controller, *root, *point; /* root NULL: it is another mount */
    } table[] = {
        {"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", NULL, "/",
         "/sys/fs/cgroup"},
        {"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "memory", NULL, NULL},
        {"35 31 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "memory", "/docker/1",
         "/sys/fs/cgroup/memory"},
        {"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", NULL, NULL, NULL},
        {"36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n", "memory", NULL, NULL},
        {"30 23 0:26 / /with\\040blank\\134 rw a:1 b:2 - cgroup2 none rw\n", NULL, "/", "/with blank\\"},
        {"31 23 0:28 / / rw - ext4 /dev/cgroup2 rw\n", NULL, NULL, NULL},
        {"30 23 0:26 / /sys/fs/cgroup rw\n", NULL, NULL, NULL},
        {" - cgroup2 cgroup2 rw\n", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char root[64] = "", point[64] = "";
        const bool found = cgroup_parse_mountinfo(table[i].line, table[i].controller, root, point, sizeof root);
        if (found != (table[i].root != NULL) ||
            (found && (strcmp(root, table[i].root) != 0 || strcmp(point, table[i].point) != 0)))
            fail_msg("row %zu: %d, %s, %s", i, found, root, point);
    }
}

static void test_machine_directory_table(void **state)
{
    (void)state;
    static const struct {
        const char *root, *point, *path, *directory;
    } table[] = {
        {"/", "/sys/fs/cgroup", "/user.slice/a", "/sys/fs/cgroup/user.slice/a"},
        {"/", "/sys/fs/cgroup", "/", "/sys/fs/cgroup"},
        {"/docker/1", "/cg", "/docker/1", "/cg"},
        {"/docker/1", "/cg", "/docker/1/sub", "/cg/sub"},
        {"/docker/1", "/cg", "/docker/12", "/cg"}, /* another's */
        {"/docker/1", "/cg", "/", "/cg"},          /* a namespace of our own */
        {"/", "/cg", "/../../elsewhere", "/cg"},   /* outside of it */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char directory[64];
        assert_true(machine_directory(table[i].root, table[i].point, table[i].path, directory, sizeof directory));
        assert_string_equal(directory, table[i].directory);
    }
    char small[8];
    assert_false(machine_directory("/", "/sys/fs/cgroup", "/a", small, sizeof small));
}

static void test_machine_numbers(void **state)
{
    (void)state;
    assert_true(machine_parse_bytes("4096\n") == 4096);
    assert_true(machine_parse_bytes("0\n") == 0);
    assert_true(machine_parse_bytes("9223372036854771712\n") == UINT64_C(9223372036854771712));
    assert_true(machine_parse_bytes("max\n") == UINT64_MAX);
    assert_true(machine_parse_bytes("") == UINT64_MAX);
    assert_true(machine_parse_bytes("-1\n") == UINT64_MAX);
    assert_true(machine_parse_bytes("12 13\n") == UINT64_MAX);
    assert_true(machine_parse_bytes("99999999999999999999999\n") == UINT64_MAX);
    static const char stat[] = "anon 1\ninactive_file 70\nactive_file 8\ntotal_inactive_file 9";
    assert_true(cgroup_keyed_number(stat, "inactive_file") == 70);
    assert_true(cgroup_keyed_number(stat, "total_inactive_file") == 9);
    assert_true(cgroup_keyed_number(stat, "file") == 0);
    assert_true(cgroup_keyed_number("", "anon") == 0);
}

static void test_machine_bound_table(void **state)
{
    (void)state;
    static const struct {
        uint64_t limit, used, droppable, total, available; /* of 1000 and 600 */
    } table[] = {
        {UINT64_MAX, 5, 0, 1000, 600}, {1000, 900, 0, 1000, 600}, /* no more than the machine: no limit */
        {500, 100, 0, 500, 400},       {500, 100, 40, 500, 440},
        {500, 100, 200, 500, 500},     {900, 100, 0, 900, 600}, /* allowed, and the machine does not have it */
        {500, 500, 0, 500, 0},         {500, 700, 0, 500, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct machine_memory memory = {.total = 1000, .available = 600};
        machine_bound(&memory, table[i].limit, table[i].used, table[i].droppable);
        if (memory.total != table[i].total || memory.available != table[i].available)
            fail_msg("row %zu: %llu, %llu", i, (unsigned long long)memory.total, (unsigned long long)memory.available);
    }
}

/* ---- in the file system ---------------------------------------------------------------------------------------- */

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_files(const char *directory)
{
    static const char *const names[] = {"memory.max", "memory.current", "memory.stat", "memory.usage_in_bytes",
                                        "memory.limit_in_bytes"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void test_machine_read_takes_the_tightest(void **state)
{
    (void)state;
    char outer[] = "/tmp/reclaim-test-XXXXXX", inner[64];
    struct machine_level levels[2] = {{.is_v1 = false}, {.is_v1 = true}};
    const struct machine machine = {.levels = levels, .count = 2};
    struct machine_memory memory;
    assert_non_null(mkdtemp(outer));
    snprintf(inner, sizeof inner, "%s/inner", outer);
    assert_int_equal(mkdir(inner, 0700), 0);
    snprintf(levels[0].path, sizeof levels[0].path, "%s", inner);
    snprintf(levels[1].path, sizeof levels[1].path, "%s", outer);
    assert_true(machine_read(&machine, &memory)); /* nothing there: as if there were no cgroup */
    const uint64_t total = memory.total;
    write_file(inner, "memory.max", "max\n");
    write_file(outer, "memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(machine_read(&machine, &memory) && memory.total == total);
    write_file(outer, "memory.limit_in_bytes", "8388608\n");
    write_file(outer, "memory.usage_in_bytes", "4194304\n");
    write_file(outer, "memory.stat", "inactive_file 9\ntotal_inactive_file 1048576\n");
    assert_true(machine_read(&machine, &memory));
    assert_true(memory.total == 8 * MIB && memory.available == 5 * MIB);
    write_file(inner, "memory.max", "6291456\n");
    write_file(inner, "memory.current", "4194304\n");
    write_file(inner, "memory.stat", "anon 5\ninactive_file 0\n");
    assert_true(machine_read(&machine, &memory));
    assert_true(memory.total == 6 * MIB && memory.available == 2 * MIB);
    remove_files(inner);
    remove_files(outer);
}

static void test_machine_this_one(void **state)
{
    (void)state;
    struct machine machine;
    struct machine_memory memory;
    machine_open(&machine);
    assert_true(machine_read(&machine, &memory));
    assert_true(memory.total > 16 * MIB && memory.available > 0 && memory.available <= memory.total);
    machine_close(&machine);
    assert_int_equal(machine.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_machine_meminfo),
        SUPPORT_TEST(test_machine_cgroup_table),
        SUPPORT_TEST(test_machine_mount_table),
        SUPPORT_TEST(test_machine_directory_table),
        SUPPORT_TEST(test_machine_numbers),
        SUPPORT_TEST(test_machine_bound_table),
        SUPPORT_TEST(test_machine_read_takes_the_tightest),
        SUPPORT_TEST(test_machine_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
