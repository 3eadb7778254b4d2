/* /proc: names that are meant to confuse, trees read while they change, and numbers that must make sense. */
#include "proc.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The fields from ppid to starttime, and what the kernel has after them. */
#define REST " 1 5 5 0 -1 4194304 10 20 30 40 5 6 7 8 20 0 1 0 98765 8192 100 18446744073709551615 1 2 3"

static void test_proc_parse_odd_names(void **state)
{
    (void)state;
    static const char *const names[] = {"sh",   "",          ")",     "(",        ") R 1 (x",       "a b) Z 2 3",
                                        "))))", "new\nline", "tab\t", "\xff\xfe", "0123456789abcde"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[512];
        struct proc_entry entry;
        snprintf(text, sizeof text, "4321 (%s) S" REST "\n", names[i]);
        assert_int_equal(proc_entry_parse(text, &entry), 0);
        assert_int_equal(entry.pid, 4321);
        assert_int_equal(entry.parent, 1);
        assert_int_equal(entry.state, 'S');
        assert_int_equal(entry.start, 98765);
    }
}

static void test_proc_parse_refuses_what_is_cut_off(void **state)
{
    (void)state;
    static const char whole[] = "7 (sh) Z" REST;
    const char *end = strstr(whole, " 8192");
    struct proc_entry entry;
    for (size_t size = 0; whole + size <= end - strlen(" 98765"); size++) {
        char *text = strndup(whole, size);
        assert_int_equal(proc_entry_parse(text, &entry), -EBADMSG);
        free(text);
    }
    assert_int_equal(proc_entry_parse(whole, &entry), 0);
    assert_int_equal(proc_entry_parse("x (sh) S" REST, &entry), -EBADMSG);
}

/* A process that calls itself so: what the kernel really says. */
static int check_own_name(void *name)
{
    struct proc_entry entry;
    CHILD_CHECK(prctl(PR_SET_NAME, name) == 0);
    CHILD_CHECK(proc_entry_read(getpid(), &entry) == 0);
    CHILD_CHECK(entry.pid == getpid() && entry.parent == getppid() && entry.state == 'R');
    return 0;
}

static void test_proc_entry_of_odd_names(void **state)
{
    (void)state;
    char first[] = ") R 1 (x", second[] = "((( )))", third[] = "a\nb";
    child_run(false, check_own_name, first);
    child_run(false, check_own_name, second);
    child_run(false, check_own_name, third);
}

static void test_proc_entry_of_zombies_and_the_gone(void **state)
{
    (void)state;
    struct proc_entry entry;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(proc_entry_read(pid, &entry), 0);
    assert_int_equal(entry.state, 'Z');
    assert_int_equal(entry.parent, getpid());
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(proc_entry_read(pid, &entry), -ESRCH);
    assert_int_equal(proc_tag(pid), 0);
    assert_int_equal(proc_peak(pid), 0);
}

static void test_proc_list_is_sorted_and_has_us(void **state)
{
    (void)state;
    struct proc_list list = {0};
    for (int round = 0; round < 2; round++) { /* the second time in the same memory */
        assert_int_equal(proc_list_read(&list), 0);
        for (size_t i = 1; i < list.count; i++)
            assert_true(list.entries[i - 1].pid < list.entries[i].pid);
        const struct proc_entry *self = proc_list_find(&list, getpid());
        assert_non_null(self);
        assert_int_equal(self->parent, getppid());
        assert_null(proc_list_find(&list, 0));
        assert_null(proc_list_find(&list, -1));
    }
    proc_list_free(&list);
    assert_null(proc_list_find(&list, getpid()));
}

/* ---- trees ------------------------------------------------------------------------------------------------------ */

static struct proc_entry family[] = {
    {.pid = 1, .parent = 0},   {.pid = 10, .parent = 1},  {.pid = 20, .parent = 10}, {.pid = 21, .parent = 10},
    {.pid = 30, .parent = 20}, {.pid = 40, .parent = 30}, {.pid = 50, .parent = 99}, /* its parent is not listed */
    {.pid = 60, .parent = 61}, {.pid = 61, .parent = 62}, {.pid = 62, .parent = 60}, /* a loop */
    {.pid = 70, .parent = 70}, {.pid = 80, .parent = 70},
};

static const struct proc_list family_list = {family, sizeof family / sizeof family[0], 0};

static void test_proc_branch(void **state)
{
    (void)state;
    assert_int_equal(proc_list_branch(&family_list, 20, 10), 20);
    assert_int_equal(proc_list_branch(&family_list, 30, 10), 20);
    assert_int_equal(proc_list_branch(&family_list, 40, 10), 20);
    assert_int_equal(proc_list_branch(&family_list, 21, 10), 21);
    assert_int_equal(proc_list_branch(&family_list, 40, 1), 10);
    assert_int_equal(proc_list_branch(&family_list, 10, 10), 0);
    assert_int_equal(proc_list_branch(&family_list, 1, 10), 0);
    assert_int_equal(proc_list_branch(&family_list, 21, 20), 0);
}

static void test_proc_branch_of_missing_parents_and_loops(void **state)
{
    (void)state;
    const struct proc_list none = {0};
    assert_int_equal(proc_list_branch(&family_list, 50, 10), 0);
    assert_int_equal(proc_list_branch(&family_list, 50, 99), 50);
    assert_int_equal(proc_list_branch(&family_list, 12345, 10), 0);
    assert_int_equal(proc_list_branch(&family_list, 60, 10), 0);
    assert_int_equal(proc_list_branch(&family_list, 60, 62), 61);
    assert_int_equal(proc_list_branch(&family_list, 80, 10), 0);
    assert_int_equal(proc_list_branch(&none, 20, 10), 0);
}

/* A chain as long as the list is climbed to its end. */
static void test_proc_branch_of_a_long_chain(void **state)
{
    (void)state;
    enum { LENGTH = 3000 };
    static struct proc_entry chain[LENGTH];
    const struct proc_list list = {chain, LENGTH, 0};
    for (int i = 0; i < LENGTH; i++)
        chain[i] = (struct proc_entry){.pid = i + 2, .parent = i + 1};
    assert_int_equal(proc_list_branch(&list, LENGTH + 1, 1), 2);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

#define MEMORY ((size_t)48 << 20)
#define SLACK  ((size_t)4 << 20)

static unsigned char *touched(size_t size, int fd)
{
    unsigned char *data =
        mmap(NULL, size, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    assert_true(data != MAP_FAILED);
    memset(data, 1, size);
    return data;
}

static void test_proc_resident_sees_what_is_touched(void **state)
{
    (void)state;
    uint64_t before, anonymous_before, with, anonymous_with;
    assert_int_equal(proc_resident(getpid(), &before, &anonymous_before), 0);
    assert_true(before > 0 && anonymous_before > 0 && anonymous_before <= before);
    unsigned char *data = touched(MEMORY, -1);
    assert_int_equal(proc_resident(getpid(), &with, &anonymous_with), 0);
    assert_true(with >= before + MEMORY - SLACK);
    if (!SUPPORT_SANITIZED) /* or it keeps books of what is touched */
        assert_true(with <= before + MEMORY + SLACK);
    assert_true(anonymous_with >= anonymous_before + MEMORY - SLACK);
    munmap(data, MEMORY);
    assert_int_equal(proc_resident(getpid(), &with, &anonymous_with), 0);
    if (!SUPPORT_SANITIZED)
        assert_true(with <= before + SLACK);
}

/* Memory in a memfd is resident and not anonymous. */
static void test_proc_resident_tells_shared_memory_apart(void **state)
{
    (void)state;
    uint64_t before, anonymous_before, with, anonymous_with;
    const int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, MEMORY), 0);
    assert_int_equal(proc_resident(getpid(), &before, &anonymous_before), 0);
    unsigned char *data = touched(MEMORY, fd);
    assert_int_equal(proc_resident(getpid(), &with, &anonymous_with), 0);
    assert_true(with >= before + MEMORY - SLACK);
    if (!SUPPORT_SANITIZED)
        assert_true(anonymous_with <= anonymous_before + SLACK);
    munmap(data, MEMORY);
    close(fd);
}

static void test_proc_peak_stays(void **state)
{
    (void)state;
    uint64_t resident, anonymous;
    munmap(touched(MEMORY, -1), MEMORY);
    assert_int_equal(proc_resident(getpid(), &resident, &anonymous), 0);
    assert_true(proc_peak(getpid()) + SLACK >= resident);
    assert_true(proc_peak(getpid()) >= MEMORY);
    assert_true(proc_peak(getpid()) < MEMORY * 1000);
}

/* Their list is a long line in the file, before what is looked for. */
static int check_with_many_groups(void *arg)
{
    static gid_t groups[3000];
    (void)arg;
    for (size_t i = 0; i < 3000; i++)
        groups[i] = 4000000000U + (gid_t)i;
    CHILD_CHECK(setgroups(3000, groups) == 0);
    CHILD_CHECK(proc_peak(getpid()) > 0);
    CHILD_CHECK(proc_threads() == (int)support_threads());
    return 0;
}

static void test_proc_status_with_many_groups(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    child_run(false, check_with_many_groups, NULL);
}

static void test_proc_of_nobody(void **state)
{
    (void)state;
    uint64_t resident, anonymous;
    struct proc_entry entry;
    assert_true(proc_resident(-1, &resident, &anonymous) < 0);
    assert_int_equal(proc_peak(-1), 0);
    assert_int_equal(proc_tag(-1), 0);
    assert_int_equal(proc_entry_read(-1, &entry), -ESRCH);
    assert_int_equal(proc_threads(), support_threads());
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void test_proc_parse_status(void **state)
{
    (void)state;
    struct proc_status status;
    assert_int_equal(proc_status_parse("Name:\tRssAnon: 7\nVmHWM:\t 9 kB\nRssAnon:\t    2048 kB\nRssFile:\t  12 kB\n"
                                       "RssShmem:\t 4 kB\n",
                                       &status),
                     0);
    assert_int_equal(status.anonymous, 2048 * 1024);
    assert_int_equal(status.file, 12 * 1024);
    assert_int_equal(status.shared, 4 * 1024);
    assert_int_equal(proc_status_parse("Name:\tzombie\nState:\tZ\n", &status), -EBADMSG);
    assert_int_equal(proc_status_parse("", &status), -EBADMSG);
    assert_int_equal(proc_status_parse("RssAnon:\nRssFile: 1 kB\nRssShmem: 1 kB\n", &status), -EBADMSG);
}

static void test_proc_parse_rollup(void **state)
{
    (void)state;
    static const char text[] = "00400000-7fff0000 ---p 00000000 00:00 0    [rollup]\nRss: 999 kB\nPss: 9 kB\n"
                               "Pss_Anon: %s kB\nPss_File: 3 kB\nPss_Shmem: %s kB\nPrivate_Dirty: %s kB\n"
                               "Anonymous: %s kB\nLazyFree: 5 kB\nAnonHugePages: 0 kB\n";
    static const struct {
        const char *anonymous, *shared, *dirty, *all;
        uint64_t private;
    } table[] = {
        {"100", "0", "100", "100", 100}, /* all its own */
        {"60", "0", "20", "100", 20},    /* 80 of it shared by two */
        {"60", "50", "70", "100", 20},   /* dirty shared memory beside it */
        {"10", "0", "90", "40", 10},     /* dirty pages of a file */
        {"10", "50", "30", "40", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char whole[1024];
        struct proc_rollup rollup;
        snprintf(whole, sizeof whole, text, table[i].anonymous, table[i].shared, table[i].dirty, table[i].all);
        assert_int_equal(proc_rollup_parse(whole, &rollup), 0);
        assert_int_equal(rollup.anonymous, strtoul(table[i].anonymous, NULL, 10) * 1024);
        assert_int_equal(rollup.shared, strtoul(table[i].shared, NULL, 10) * 1024);
        assert_int_equal(rollup.all, strtoul(table[i].all, NULL, 10) * 1024);
        assert_int_equal(rollup.lazy, 5 * 1024);
        assert_int_equal(rollup.private, table[i].private * 1024);
        whole[strlen(whole) / 2] = '\0';
        assert_int_equal(proc_rollup_parse(whole, &rollup), -EBADMSG);
    }
}

static void test_proc_memory_of_this_process(void **state)
{
    (void)state;
    const size_t size = (size_t)16 << 20;
    struct proc_status before, after;
    struct proc_rollup rollup;
    assert_int_equal(proc_status_read(getpid(), &before), 0);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_int_equal(proc_status_read(getpid(), &after), 0);
    assert_in_range(after.anonymous - before.anonymous, size - (1 << 20), size + (1 << 20));
    assert_int_equal(proc_rollup_read(getpid(), &rollup), 0);
    assert_true(rollup.all >= size && rollup.anonymous >= size && rollup.private >= size);
    munmap(data, size);
    assert_int_equal(proc_status_read(1 << 29, &after), -ESRCH);
    assert_int_equal(proc_rollup_read(1 << 29, &rollup), -ESRCH);
}

/* ---- children ---------------------------------------------------------------------------------------------------- */

static void *fork_one(void *pid)
{
    *(pid_t *)pid = fork();
    if (*(pid_t *)pid == 0)
        for (;;)
            pause();
    return NULL;
}

/* Whichever thread has forked them. */
static void test_proc_children(void **state)
{
    (void)state;
    pid_t first, second, found[8];
    pthread_t thread;
    assert_int_equal(proc_children(getpid(), found, 8), 0);
    fork_one(&first);
    assert_int_equal(proc_children(getpid(), found, 8), 1);
    assert_int_equal(found[0], first);
    assert_int_equal(pthread_create(&thread, NULL, fork_one, &second), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(proc_children(getpid(), found, 8), 2);
    assert_true((found[0] == first && found[1] == second) || (found[0] == second && found[1] == first));
    assert_int_equal(proc_children(getpid(), found, 1), 2); /* more than there is room for */
    kill(first, SIGKILL);
    kill(second, SIGKILL);
    assert_int_equal(waitpid(first, NULL, 0), first);
    assert_int_equal(waitpid(second, NULL, 0), second);
    assert_int_equal(proc_children(getpid(), found, 8), 0);
    assert_int_equal(proc_children(1 << 29, found, 8), -ESRCH);
}

/* Their file is longer than what one read(2) gives of it. */
static void test_proc_children_are_many(void **state)
{
    (void)state;
    enum { MANY = 900 };
    static pid_t children[MANY], found[MANY];
    char text[32];
    for (int i = 0; i < MANY; i++)
        fork_one(&children[i]);
    assert_int_equal(proc_children(getpid(), found, MANY), MANY);
    assert_memory_equal(found, children, sizeof children);
    snprintf(text, sizeof text, "/proc/self/task/%d/children", (int)getpid());
    const int file = open(text, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(proc_children_at(file, found, MANY), MANY);
    const ssize_t length = proc_children_text(file, text, sizeof text); /* no pid in half */
    assert_in_range(length, sizeof text - 9, sizeof text - 1);
    assert_int_equal(text[length - 1], ' ');
    close(file);
    for (int i = 0; i < MANY; i++) {
        kill(children[i], SIGKILL);
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    }
}

static void *linger_and_end_all(void *go)
{
    support_await_byte(*(int *)go);
    _exit(0);
}

static void test_proc_without_its_first_thread(void **state)
{
    (void)state;
    struct proc_entry entry = {.state = '?'};
    int go[2];
    support_pipe(go);
    const pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        close(go[1]);
        pthread_create(&thread, NULL, linger_and_end_all, &go[0]);
        syscall(SYS_exit, 0);
    }
    while (proc_entry_read(pid, &entry) == 0 && entry.state != 'Z')
        sched_yield();
    assert_false(proc_entry_is_over(&entry));
    const pid_t survivor = proc_survivor(pid);
    assert_true(survivor > 0 && survivor != pid);
    close(go[0]);
    close(go[1]);
    while (proc_entry_read(pid, &entry) == 0 && !proc_entry_is_over(&entry))
        sched_yield();
    assert_int_equal(proc_survivor(pid), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(proc_survivor(pid), 0);
}

static void test_proc_parse_call(void **state)
{
    struct proc_call call;
    (void)state;
    assert_int_equal(proc_call_parse("202 0x7f36303f4330 0x80 0x2 0x0 0x0 0xffffffff 0x7ffd5 0x7f363027a12b\n", &call),
                     0);
    assert_int_equal(call.number, 202);
    assert_int_equal(call.arguments[0], 0x7f36303f4330);
    assert_int_equal(call.arguments[5], 0xffffffff);
    assert_int_equal(proc_call_parse("running\n", &call), -EAGAIN);
    assert_int_equal(proc_call_parse("-1 0x7ffd5 0x7f363027a12b\n", &call), -EAGAIN);
    assert_int_equal(proc_call_parse("202 0x1 0x2", &call), -EBADMSG);
    assert_int_equal(proc_call_parse("", &call), -EBADMSG);
}

static void test_proc_call_of_a_child(void **state)
{
    struct proc_call call = {0};
    int ends[2];
    (void)state;
    support_pipe(ends);
    const pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    while (proc_call_read(pid, &call) == -EAGAIN || call.number != SYS_read)
        sched_yield();
    assert_int_equal(call.arguments[0], ends[0]);
    assert_int_equal(call.arguments[2], 1);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(proc_call_read(pid, &call) == -ESRCH);
}

static void test_proc_births(void **state)
{
    (void)state;
    const int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    assert_true(loadavg >= 0);
    const uint64_t before = proc_births(loadavg);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(before != 0 && proc_births(loadavg) != before);
    close(loadavg);
    assert_int_equal(proc_births(-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_proc_parse_odd_names),
        SUPPORT_TEST(test_proc_parse_refuses_what_is_cut_off),
        SUPPORT_TEST(test_proc_entry_of_odd_names),
        SUPPORT_TEST(test_proc_entry_of_zombies_and_the_gone),
        SUPPORT_TEST(test_proc_list_is_sorted_and_has_us),
        SUPPORT_TEST(test_proc_branch),
        SUPPORT_TEST(test_proc_branch_of_missing_parents_and_loops),
        SUPPORT_TEST(test_proc_branch_of_a_long_chain),
        SUPPORT_TEST(test_proc_resident_sees_what_is_touched),
        SUPPORT_TEST(test_proc_resident_tells_shared_memory_apart),
        SUPPORT_TEST(test_proc_peak_stays),
        SUPPORT_TEST(test_proc_status_with_many_groups),
        SUPPORT_TEST(test_proc_of_nobody),
        SUPPORT_TEST(test_proc_parse_status),
        SUPPORT_TEST(test_proc_parse_rollup),
        SUPPORT_TEST(test_proc_memory_of_this_process),
        SUPPORT_TEST(test_proc_children),
        SUPPORT_TEST(test_proc_children_are_many),
        SUPPORT_TEST(test_proc_without_its_first_thread),
        SUPPORT_TEST(test_proc_parse_call),
        SUPPORT_TEST(test_proc_call_of_a_child),
        SUPPORT_TEST(test_proc_births),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
