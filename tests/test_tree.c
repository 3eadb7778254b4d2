/* The processes of a job, as they come, share, exec and go. */
#include "tree.h"

#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB  ((uint64_t)1 << 20)
#define SIZE (16 * MIB)
#define NEAR (SUPPORT_SANITIZED ? 6 * MIB : MIB)

static void *touch(uint64_t size)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    return data;
}

/* A process that does something, says so, and waits to be killed. */
static pid_t start(void (*act)(void))
{
    int ends[2];
    support_pipe(ends);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        act();
        if (write(ends[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(support_await_byte(ends[0]), 'r');
    close(ends[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void rest(void) {}

static void use(void)
{
    touch(SIZE);
}

static pid_t grandchild;

static void use_and_fork(void)
{
    touch(SIZE);
    grandchild = start(use);
}

static uint64_t inherited(void)
{
    struct proc_status status;
    assert_int_equal(proc_status_read(getpid(), &status), 0);
    return status.anonymous;
}

static void assert_near(uint64_t got, uint64_t expected)
{
    if (got + NEAR < expected || got > expected + NEAR)
        fail_msg("%.1f MiB instead of %.1f", (double)got / MIB, (double)expected / MIB);
}

static void test_tree_of_one(void **state)
{
    (void)state;
    struct tree tree;
    const pid_t pid = start(use);
    assert_int_equal(tree_init(&tree, pid, inherited(), 0), 0);
    tree_look(&tree);
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 1);
    const struct footprint footprint = tree_footprint(&tree);
    assert_near(footprint.least, SIZE);
    assert_near(footprint.most, SIZE);
    tree_deinit(&tree);
    end(pid);
}

/* The grandchild has its parent's pages beside its own; only page tables tell that. */
static void test_tree_of_two_that_share(void **state)
{
    (void)state;
    struct tree tree;
    struct footprint_truth truth;
    const pid_t pid = start(use_and_fork);
    assert_int_equal(tree_init(&tree, pid, inherited(), 0), 0);
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 2);
    assert_int_equal(tree.seen, 2);
    tree_look(&tree);
    const struct footprint footprint = tree_footprint(&tree);
    assert_near(footprint.least, 2 * SIZE);
    assert_near(footprint.most, 3 * SIZE);
    assert_true(footprint_is_vague(&footprint));
    assert_true(tree_footprint_walked(&tree, 1, &truth));
    assert_near(truth.bytes, 2 * SIZE);
    assert_near(truth.twice, SIZE);
    assert_true(tree_touched(&tree) < NEAR);
    tree_kill(&tree);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    tree_look(&tree); /* both are gone */
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 1);
    assert_int_equal(tree_footprint(&tree).most, 0);
    assert_false(tree_footprint_walked(&tree, 1, &truth));
    tree_deinit(&tree);
}

/* A process that does nothing until it is told to. */
struct parent {
    pid_t pid;
    int go[2], said[2];
};

static void parent_start(struct parent *parent, void (*act)(const struct parent *))
{
    support_pipe(parent->go);
    support_pipe(parent->said);
    parent->pid = fork();
    assert_true(parent->pid >= 0);
    if (parent->pid == 0) {
        support_await_byte(parent->go[0]);
        act(parent);
        _exit(1);
    }
}

static void parent_go(const struct parent *parent)
{
    assert_int_equal(write(parent->go[1], "g", 1), 1);
    assert_int_equal(support_await_byte(parent->said[0]), 'r');
}

static void parent_end(const struct parent *parent, pid_t child)
{
    kill(child, SIGKILL);
    end(parent->pid);
    for (int i = 0; i < 2; i++) {
        close(parent->go[i]);
        close(parent->said[i]);
    }
}

static int grow_and_fork(int said)
{
    touch(SIZE);
    start(rest);
    return write(said, "r", 1) == 1 ? pause() : 1;
}

static void grow_and_fork_here(const struct parent *parent)
{
    grow_and_fork(parent->said[1]);
}

/* What it has touched since the last look its child shares as well. */
static void test_tree_of_one_that_grows_and_forks(void **state)
{
    (void)state;
    struct tree tree;
    struct parent parent;
    parent_start(&parent, grow_and_fork_here);
    assert_int_equal(tree_init(&tree, parent.pid, inherited(), 0), 0);
    tree_look(&tree);
    parent_go(&parent);
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 2);
    tree_look(&tree);
    const struct footprint footprint = tree_footprint(&tree);
    assert_near(footprint.least, SIZE);
    assert_near(footprint.most, 2 * SIZE);
    parent_end(&parent, tree.all[1].pid);
    tree_deinit(&tree);
}

/* One that is nobody's child here is told of by others; who is told of no more leaves. */
static void test_tree_adopts(void **state)
{
    (void)state;
    struct tree tree;
    const pid_t worker = start(rest), other = start(use);
    assert_int_equal(tree_init(&tree, worker, inherited(), 0), 0);
    tree_walk(&tree, &other, 1);
    assert_int_equal(tree.count, 2);
    tree_look(&tree);
    assert_near(tree_footprint(&tree).most, SIZE);
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 1);
    tree_deinit(&tree);
    end(worker);
    end(other);
}

static unsigned char *table;

static void rewrite_table(void)
{
    memset(table, 7, SIZE);
}

static void test_tree_rewrites_what_it_inherited(void **state)
{
    (void)state;
    struct tree tree;
    struct footprint_truth truth;
    table = touch(SIZE);
    const uint64_t before = inherited();
    const pid_t pid = start(rewrite_table);
    assert_int_equal(tree_init(&tree, pid, before, 0), 0);
    tree_look(&tree);
    assert_near(tree_footprint(&tree).most, 0);
    assert_true(tree_touched(&tree) >= SIZE);
    assert_true(tree_footprint_walked(&tree, 1, &truth));
    assert_near(truth.rewritten, SIZE);
    assert_near(truth.bytes, SIZE);
    tree_deinit(&tree);
    end(pid);
    munmap(table, SIZE);
}

#define BIG "big"

/* Another program, which has its parent's place and a stack of its own. */
static void exec_big(const struct parent *parent)
{
    dup2(parent->said[1], STDOUT_FILENO);
    execl("/proc/self/exe", "test_tree", BIG, (char *)NULL);
}

/* Found before it exec'ed, and then it forks: what its child has is its own all the same. */
static void test_tree_of_one_that_execs_and_forks(void **state)
{
    (void)state;
    struct tree tree;
    struct parent parent;
    parent_start(&parent, exec_big);
    assert_int_equal(tree_init(&tree, getpid(), inherited(), 0), 0);
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 2);
    parent_go(&parent);
    tree_walk(&tree, NULL, 0);
    assert_int_equal(tree.count, 3);
    tree_look(&tree);
    const struct footprint footprint = tree_footprint(&tree);
    assert_near(footprint.least, SIZE);
    assert_true(footprint.most > 2 * SIZE - NEAR);
    parent_end(&parent, tree.all[2].pid);
    tree_deinit(&tree);
}

static void test_tree_of_nobody(void **state)
{
    (void)state;
    struct tree tree;
    assert_true(tree_init(&tree, 1 << 29, 0, 0) < 0);
    assert_int_equal(tree_footprint(&tree).most, 0);
    tree_deinit(&tree);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], BIG) == 0)
        return grow_and_fork(STDOUT_FILENO);
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_tree_of_one),
        SUPPORT_TEST(test_tree_of_two_that_share),
        SUPPORT_TEST(test_tree_of_one_that_grows_and_forks),
        SUPPORT_TEST(test_tree_adopts),
        SUPPORT_TEST(test_tree_rewrites_what_it_inherited),
        SUPPORT_TEST(test_tree_of_one_that_execs_and_forks),
        SUPPORT_TEST(test_tree_of_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
