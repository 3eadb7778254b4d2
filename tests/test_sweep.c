/* Whose a process is, the tag that says so, and ending exactly the one that was meant. */
#include "sweep.h"

#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERIAL UINT64_C(0x123456789ab)

/* Nobody knows 3. */
static bool is_known(uint64_t serial, void *context)
{
    (void)context;
    assert_int_not_equal(serial, 0);
    return serial == 1 || serial == 2;
}

static void test_sweep_belongs_table(void **state)
{
    (void)state;
    static const struct {
        uint64_t branch_serial, tag, branch_tag, expected;
    } table[] = {
        {0, 0, 0, 0}, {1, 0, 0, 1}, {1, 2, 2, 1}, /* descent from a worker that lives is better than any tag */
        {3, 0, 0, 3}, {0, 1, 0, 1}, {0, 2, 0, 2}, {0, 3, 0, 0}, /* a tag of nobody's: an outer pool's, or a chance */
        {0, 3, 1, 1}, {0, 0, 2, 2}, {0, 2, 1, 2},               /* its own tag is better than its ancestor's */
        {0, 0, 3, 0}, {0, 3, 3, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct sweep_process process = {
            .branch_serial = table[i].branch_serial,
            .tag = table[i].tag,
            .branch_tag = table[i].branch_tag,
        };
        assert_int_equal(sweep_belongs(&process, is_known, NULL), table[i].expected);
    }
}

/* ---- processes -------------------------------------------------------------------------------------------------- */

/* A child that ends when `go` does, and how it is reached. */
struct tagged {
    pid_t child, grandchild;
    int go; /* writing end: closing it lets both go */
};

/* Blocks until nobody has the writing end of go any more. */
_Noreturn static void linger(int go)
{
    support_await_byte(go);
    _exit(0);
}

/* In the child: tags itself, leaves a process in a session of its own, says its pid. */
_Noreturn static void tagged_child(int say, int go, int held)
{
    close(held);
    if (sweep_tag(SERIAL, sweep_tag_most()) < 0)
        _exit(1);
    const pid_t pid = fork();
    if (pid == 0) {
        setsid();
        const pid_t self = getpid();
        if (write(say, &self, sizeof self) != sizeof self)
            _exit(1);
        close(say);
        linger(go);
    }
    close(say);
    waitpid(pid, NULL, 0);
    linger(go);
}

static void tagged_start(struct tagged *tagged)
{
    int say[2], go[2];
    support_pipe(say);
    support_pipe(go);
    tagged->child = fork();
    if (tagged->child == 0) {
        close(say[0]);
        tagged_child(say[1], go[0], go[1]);
    }
    assert_true(tagged->child > 0);
    close(say[1]);
    close(go[0]);
    assert_int_equal(read(say[0], &tagged->grandchild, sizeof tagged->grandchild), sizeof tagged->grandchild);
    close(say[0]);
    tagged->go = go[1];
}

static void tagged_end(const struct tagged *tagged)
{
    close(tagged->go);
    support_await_death(tagged->grandchild);
    assert_int_equal(waitpid(tagged->child, NULL, 0), tagged->child);
}

static void test_sweep_tag_survives_fork_and_setsid(void **state)
{
    (void)state;
    struct tagged tagged;
    const uint64_t own = proc_tag(getpid());
    tagged_start(&tagged);
    assert_int_equal(proc_tag(tagged.child), SERIAL);
    assert_int_equal(proc_tag(tagged.grandchild), SERIAL);
    assert_int_equal(getsid(tagged.grandchild), tagged.grandchild);
    tagged_end(&tagged);
    assert_int_equal(proc_tag(getpid()), own); /* ours is as it was */
    assert_int_equal(proc_tag(tagged.child), 0);
}

/* All that comes out of a pipe, as text. */
static void read_all(int fd, char *text, size_t size)
{
    size_t have = 0;
    for (ssize_t got; (got = read(fd, text + have, size - 1 - have)) > 0;)
        have += (size_t)got;
    text[have] = '\0';
}

/* The executed program says itself what it has. */
static void test_sweep_tag_survives_exec(void **state)
{
    (void)state;
    int out[2];
    char text[4096];
    unsigned long long tag = 0;
    support_pipe(out);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        if (sweep_tag(SERIAL, sweep_tag_most()) == 0)
            execlp("cat", "cat", "/proc/self/limits", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    read_all(out[0], text, sizeof text);
    close(out[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    const char *line = strstr(text, "Max file locks");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "Max file locks %llu", &tag), 1);
    assert_int_equal(tag, SERIAL);
}

static void test_sweep_kill_of_a_child(void **state)
{
    (void)state;
    struct proc_entry entry;
    int go[2], status;
    support_pipe(go);
    const pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        linger(go[0]);
    }
    assert_int_equal(proc_entry_read(pid, &entry), 0);
    assert_int_equal(entry.parent, getpid());
    assert_true(sweep_signal(&entry, getpid(), SIGKILL));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(go[0]);
    close(go[1]);
}

/* Not our child: looked at again first, so that whoever has the pid by then is safe. */
static void test_sweep_kill_of_a_grandchild(void **state)
{
    (void)state;
    struct tagged tagged;
    struct proc_entry entry;
    tagged_start(&tagged);
    assert_int_equal(proc_entry_read(tagged.grandchild, &entry), 0);
    assert_int_equal(entry.parent, tagged.child);
    entry.start--;
    assert_false(sweep_signal(&entry, getpid(), SIGKILL));
    assert_true(support_alive(tagged.grandchild));
    entry.start++;
    assert_true(sweep_signal(&entry, getpid(), SIGKILL));
    support_await_death(tagged.grandchild);
    tagged_end(&tagged);
    assert_false(sweep_signal(&entry, getpid(), SIGKILL)); /* gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_sweep_belongs_table),        SUPPORT_TEST(test_sweep_tag_survives_fork_and_setsid),
        SUPPORT_TEST(test_sweep_tag_survives_exec),    SUPPORT_TEST(test_sweep_kill_of_a_child),
        SUPPORT_TEST(test_sweep_kill_of_a_grandchild),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
