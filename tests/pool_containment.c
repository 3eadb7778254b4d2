/* Whatever a job does to its own processes, descriptors and memory stays its own: fault matrix 25, 25b, 27, 28, 30. */
#include "child.h"
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define VALUE_SIZE ((size_t)1 << 20)
#define BOMB_MAX   (SUPPORT_SANITIZED ? 300 : 2000) /* processes, if nothing stopped it */
#define BOMB_PIDS  20

/* ---- daemonised helpers ------------------------------------------------------------------------------------------ */

/* Forks twice, out of the session: true in the helper, whose parent is not the job any more. */
static bool daemonise(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() > 0)
            _exit(0);
        return true;
    }
    waitpid(pid, NULL, 0);
    return false;
}

/* Says its pid and lives for ever, every other one as another program without an environment. */
_Noreturn static void be_helper(const pool_call_t *call, int number)
{
    gate_say(call, getpid());
    if (number % 2 == 1)
        execle("/bin/sleep", "helper", "100000", (char *)NULL, (char *const[]){NULL});
    for (;;)
        pause();
}

static int start_helpers(pool_call_t *call)
{
    const int *count = pool_call_arg(call, NULL);
    for (int i = 0; i < *count; i++)
        if (daemonise())
            be_helper(call, i);
    gate_wait(call);
    return 0;
}

struct family {
    struct gate gate;
    pool_job_t *job;
    int count;
    pid_t helpers[8];
};

static void family_start(struct family *family, pool_t *pool, int count)
{
    gate_open(&family->gate);
    const pool_job_options_t options = gate_options(&family->gate);
    family->count = count;
    family->job = support_submit(pool, start_helpers, &count, sizeof count, &options);
    for (int i = 0; i < count; i++)
        family->helpers[i] = gate_await(&family->gate);
}

static void expect_alive(const struct family *family, bool alive)
{
    for (int i = 0; i < family->count; i++)
        assert_int_equal(support_alive(family->helpers[i]), alive);
}

static void family_end(struct family *family)
{
    gate_release(&family->gate, 1);
    const pool_result_t *result = support_wait(family->job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    expect_alive(family, false);
    /* those between the worker and its helpers may have been seen, too, before they ended */
    assert_in_range(result->usage.processes, 1 + family->count, 1 + 2 * family->count);
    assert_int_equal(result->usage.processes_killed, family->count);
    assert_false(result->usage.unkillable);
    pool_job_release(family->job);
    gate_close(&family->gate);
}

static void test_containment_helpers_belong_to_their_own_job(void **state)
{
    (void)state;
    struct family a, b, c;
    pool_t *pool = support_open(3, 0);
    family_start(&a, pool, 3);
    family_start(&b, pool, 5);
    family_start(&c, pool, 0);
    family_end(&a);
    expect_alive(&b, true);
    family_end(&c);
    expect_alive(&b, true);
    family_start(&a, pool, 2);
    expect_alive(&b, true);
    family_end(&b);
    expect_alive(&a, true);
    family_end(&a);
    pool_free(pool);
}

static int helpers_unprivileged(void *unused)
{
    struct gate gate;
    pool_t *pool;
    pool_job_t *job;
    const int count = 2;
    (void)unused;
    CHILD_CHECK(pipe(gate.ready) == 0 && pipe(gate.go) == 0);
    const int fds[] = {gate.ready[1], gate.go[0]};
    const pool_job_options_t options = {.fds = fds, .fd_count = 2};
    CHILD_CHECK(pool_open(&pool, NULL, NULL) == 0);
    CHILD_CHECK(pool_submit(pool, start_helpers, &count, sizeof count, &options, &job) == 0);
    pid_t helpers[2];
    for (int i = 0; i < count; i++)
        CHILD_CHECK(read(gate.ready[0], &helpers[i], sizeof helpers[i]) == sizeof helpers[i]);
    CHILD_CHECK(write(gate.go[1], "g", 1) == 1);
    CHILD_CHECK(pool_job_wait(job, -1) == 0);
    CHILD_CHECK(!support_alive(helpers[0]) && !support_alive(helpers[1]));
    CHILD_CHECK(pool_job_result(job)->usage.processes_killed == 2);
    pool_job_release(job);
    pool_free(pool);
    return 0;
}

static void *linger(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

/* The helper's first thread ends and another goes on: it looks like a zombie. */
static int start_a_headless_helper(pool_call_t *call)
{
    if (daemonise()) {
        pthread_t thread;
        gate_say(call, getpid());
        pthread_create(&thread, NULL, linger, NULL);
        syscall(SYS_exit, 0);
    }
    gate_wait(call);
    return 0;
}

static void test_containment_helper_without_its_first_thread(void **state)
{
    (void)state;
    struct family family = {.count = 1};
    pool_t *pool = support_open(1, 0);
    gate_open(&family.gate);
    const pool_job_options_t options = gate_options(&family.gate);
    family.job = support_submit(pool, start_a_headless_helper, NULL, 0, &options);
    family.helpers[0] = gate_await(&family.gate);
    family_end(&family);
    pool_free(pool);
}

static void test_containment_helpers_of_an_unprivileged_host(void **state)
{
    (void)state;
    child_run(true, helpers_unprivileged, NULL);
}

/* ---- too many processes ------------------------------------------------------------------------------------------ */

/* Everybody leaves the session and forks, without end but for the test's own bound. */
static int bomb(pool_call_t *call)
{
    atomic_int *count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)call;
    if (count == MAP_FAILED)
        return 1;
    while (atomic_fetch_add(count, 1) < BOMB_MAX) {
        setsid();
        fork();
    }
    for (;;)
        if (pause() == 0)
            return 2;
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

static int bomb_is_contained(void *unused)
{
    pool_t *pool;
    pool_job_t *job, *other;
    const pool_options_t two = {.workers = 2, .memory_method = POOL_MEMORY_SAMPLED}; /* a cgroup refuses the fork */
    const pool_job_options_t options = {.pids = BOMB_PIDS};
    (void)unused;
    CHILD_CHECK(pool_open(&pool, &two, NULL) == 0);
    CHILD_CHECK(pool_submit(pool, bomb, NULL, 0, &options, &job) == 0);
    CHILD_CHECK(pool_submit(pool, nothing, NULL, 0, NULL, &other) == 0);
    CHILD_CHECK(pool_job_wait(other, -1) == 0);
    CHILD_CHECK(pool_job_result(other)->outcome == POOL_DONE);
    CHILD_CHECK(pool_job_wait(job, -1) == 0);
    CHILD_CHECK(pool_job_result(job)->outcome == POOL_FAILED);
    CHILD_CHECK(pool_job_result(job)->cause == POOL_CAUSE_PROCESS_LIMIT);
    CHILD_CHECK(pool_job_result(job)->usage.processes > BOMB_PIDS);
    CHILD_CHECK(pool_job_result(job)->usage.processes_killed > 0);
    CHILD_CHECK(!pool_job_result(job)->usage.unkillable);
    CHILD_CHECK(strstr(pool_job_result(job)->message, "20") != NULL);
    pool_job_release(job);
    pool_job_release(other);
    CHILD_CHECK(pool_close(pool, POOL_CLOSE_WAIT) == 0);
    CHILD_CHECK(support_descendants(getpid()) == 0);
    pool_free(pool);
    return 0;
}

static void test_containment_fork_bomb(void **state)
{
    (void)state;
    child_run(false, bomb_is_contained, NULL);
}

static void test_containment_fork_bomb_of_an_unprivileged_host(void **state)
{
    (void)state;
    child_run(true, bomb_is_contained, NULL);
}

/* Says its pid; ends the bomb before its limit, by the caller's word. */
static int bomb_at_the_gate(pool_call_t *call)
{
    gate_say(call, getpid());
    return bomb(call);
}

static void test_containment_cancelled_fork_bomb(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = support_open(1, 0);
    const pool_job_options_t options = {.fds = gate.fds, .fd_count = 2, .kill_after_ms = 100};
    pool_job_t *job = support_submit(pool, bomb_at_the_gate, NULL, 0, &options);
    gate_await(&gate);
    assert_int_equal(pool_job_cancel(job), 0);
    support_expect(support_wait(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void run_command(pool_t *pool, const char *line, int32_t pids, pool_outcome_t outcome, pool_cause_t cause)
{
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    const pool_command_t command = {.argv = argv};
    const pool_job_options_t options = {.pids = pids};
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, &options, &job), 0);
    support_expect(support_wait(job), outcome, cause);
    pool_job_release(job);
}

static void test_containment_process_limit_of_commands(void **state)
{
    (void)state;
    const char *four = "sleep 1000 & sleep 1000 & sleep 1000 & wait", *brief = "sleep 0.1 & sleep 0.1 & wait";
    pool_t *pool;
    assert_int_equal(pool_open(&pool, &(pool_options_t){.workers = 1, .memory_method = POOL_MEMORY_SAMPLED}, NULL), 0);
    run_command(pool, four, 3, POOL_FAILED, POOL_CAUSE_PROCESS_LIMIT);
    run_command(pool, brief, 3, POOL_DONE, POOL_CAUSE_EXITED);
    pool_free(pool);
}

/* ---- a result in a grandchild's hands ---------------------------------------------------------------------------- */

/* Its value is built in place; a helper that has left keeps it mapped, and may go on writing. */
static int share_result(pool_call_t *call)
{
    const bool *scribble = pool_call_arg(call, NULL);
    volatile unsigned char *value = pool_call_alloc_result(call, VALUE_SIZE);
    if (value == NULL)
        return 1;
    for (size_t i = 0; i < VALUE_SIZE; i++)
        value[i] = (unsigned char)(i % 251);
    if (daemonise()) {
        gate_say(call, getpid());
        for (unsigned char i = 0; *scribble; i++)
            value[VALUE_SIZE / 2] = i;
        for (;;)
            pause();
    }
    gate_wait(call);
    return pool_call_return(call, (const void *)value, VALUE_SIZE);
}

static void expect_stable_result(bool scribble)
{
    struct gate gate;
    gate_open(&gate);
    const pool_job_options_t options = gate_options(&gate);
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, share_result, &scribble, sizeof scribble, &options);
    const pid_t helper = gate_await(&gate);
    gate_release(&gate, 1);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, VALUE_SIZE);
    assert_false(support_alive(helper));
    const unsigned char *value = result->data, middle = value[VALUE_SIZE / 2];
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < VALUE_SIZE; i++)
            assert_int_equal(value[i], i == VALUE_SIZE / 2 && scribble ? middle : i % 251);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

static void test_containment_grandchild_maps_the_result(void **state)
{
    (void)state;
    expect_stable_result(false);
    expect_stable_result(true);
}

/* With `early` the value is whole only when nobody can change it: the job waits for its helper's end. */
static void test_containment_early_waits_for_who_maps_the_result(void **state)
{
    (void)state;
    struct gate gate;
    const bool scribble = true;
    gate_open(&gate);
    const pool_job_options_t options = {.fds = gate.fds, .fd_count = 2, .early = true};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, share_result, &scribble, sizeof scribble, &options);
    const pid_t helper = gate_await(&gate);
    gate_release(&gate, 1);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_false(support_alive(helper));
    assert_true(result->usage.complete);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- descriptors that are not its own ---------------------------------------------------------------------------- */

enum breakage { CLOSE_ALL, CLOSE_RANGE, COVER, REUSE, BREAKAGES };

struct breaking {
    enum breakage how;
    size_t size; /* of its value */
};

static char *break_path; /* of the file that covers other descriptors */

static void break_descriptors(enum breakage how)
{
    const int file = how == COVER || how == REUSE ? open(break_path, O_WRONLY | O_APPEND) : -1;
    switch (how) {
    case CLOSE_ALL:
        for (int fd = 0; fd < 1100; fd++)
            close(fd);
        break;
    case CLOSE_RANGE:
        syscall(SYS_close_range, 0, ~0U, 0);
        break;
    case COVER:
        for (int fd = 0; fd < 1100; fd++)
            if (fd != file)
                dup2(file, fd);
        break;
    case REUSE:
        for (int fd = 3; fd < 1100; fd++)
            if (fd != file)
                close(fd);
        while (dup(file) >= 0 && dup(file) < 1100)
            ;
        break;
    case BREAKAGES:
        break;
    }
    if (file >= 0)
        for (int fd = 3; fd < 1100; fd++)
            if (write(fd, "j", 1) < 0 && errno != EBADF)
                _exit(9);
}

static int break_and_return(pool_call_t *call)
{
    const struct breaking *breaking = pool_call_arg(call, NULL);
    static unsigned char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    break_descriptors(breaking->how);
    const int rc = pool_call_return(call, value, breaking->size);
    return rc == 0 ? 0 : pool_call_fail(call, -rc, "no descriptors are left: %s", strerror(-rc));
}

static int break_and_fail(pool_call_t *call)
{
    const struct breaking *breaking = pool_call_arg(call, NULL);
    break_descriptors(breaking->how);
    return pool_call_fail(call, 12, "all is broken");
}

static int break_and_crash(pool_call_t *call)
{
    const struct breaking *breaking = pool_call_arg(call, NULL);
    break_descriptors(breaking->how);
    raise(SIGKILL);
    return 0;
}

/* Only 'j's have come to the file that took the place of our descriptors. */
static void expect_untouched(int fd)
{
    char text[4096];
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (ssize_t got; (got = read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            assert_int_equal(text[i], 'j');
}

static const pool_result_t *run_breaking(pool_t *pool, pool_fn fn, struct breaking breaking, pool_job_t **job)
{
    const pool_job_options_t options = {.output = POOL_OUTPUT_DISCARD, .nofile = 1100};
    *job = support_submit(pool, fn, &breaking, sizeof breaking, &options);
    return support_wait(*job);
}

static void expect_told(pool_t *pool, enum breakage how)
{
    static const size_t sizes[] = {0, 1, 100, 2500};
    pool_job_t *job;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const pool_result_t *result = run_breaking(pool, break_and_return, (struct breaking){how, sizes[i]}, &job);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        assert_int_equal(result->size, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(((const char *)result->data)[j], 'v');
        pool_job_release(job);
    }
    const pool_result_t *result = run_breaking(pool, break_and_fail, (struct breaking){how, 0}, &job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, 12);
    assert_string_equal(result->message, "all is broken");
    pool_job_release(job);
    support_expect(run_breaking(pool, break_and_crash, (struct breaking){how, 0}, &job), POOL_CRASHED,
                   POOL_CAUSE_KILLED);
    pool_job_release(job);
}

/* A value that needs the channels cannot come: that is said. */
static void expect_refused(pool_t *pool, enum breakage how)
{
    static const size_t sizes[] = {50000, VALUE_SIZE};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pool_job_t *job;
        const pool_result_t *result = run_breaking(pool, break_and_return, (struct breaking){how, sizes[i]}, &job);
        if ((how == COVER || how == REUSE) && sizes[i] == VALUE_SIZE) /* not even a memory file can be made */
            support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
        else
            support_expect(result, POOL_CRASHED, POOL_CAUSE_PROTOCOL);
        assert_null(result->data);
        assert_non_null(strstr(result->message, "descriptors"));
        pool_job_release(job);
    }
}

static void test_containment_broken_descriptors(void **state)
{
    (void)state;
    char path[] = "/tmp/reclaim-containment-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    break_path = path;
    pool_t *pool = support_open(1, 0);
    for (enum breakage how = 0; how < BREAKAGES; how++) {
        expect_told(pool, how);
        expect_refused(pool, how);
        expect_untouched(fd);
    }
    pool_free(pool);
    unlink(path);
    close(fd);
}

/* ---- the host's unflushed stdio ---------------------------------------------------------------------------------- */

static FILE *stale_low, *stale_high;

static int flush_everything(pool_call_t *call)
{
    (void)call;
    fflush(NULL);
    if (stale_low != NULL)
        fflush(stale_low);
    return pool_call_return(call, "flushed", 7);
}

static int exit_with_flush(pool_call_t *call)
{
    (void)call;
    if (SUPPORT_SANITIZED)
        _exit(3); /* they look for leaks in exit() */
    exit(3);      /* flushes, too */
}

static off_t size_of(FILE *file)
{
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    return st.st_size;
}

/* A file with bytes that are only in its buffer, at a number of that much or more. */
static FILE *make_stale(int number)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    FILE *stale = fdopen(fcntl(fileno(file), F_DUPFD_CLOEXEC, number), "w");
    assert_non_null(stale);
    fclose(file);
    assert_true(fputs("stale bytes", stale) >= 0);
    assert_int_equal(size_of(stale), 0);
    return stale;
}

static void run_flushers(void)
{
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, flush_everything, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_memory_equal(result->data, "flushed", 7);
    pool_job_release(job);
    job = support_submit(pool, exit_with_flush, NULL, 0, NULL);
    support_expect(support_wait(job), POOL_CRASHED, POOL_CAUSE_EXITED);
    pool_job_release(job);
    pool_free(pool);
}

static void expect_written_once(FILE *stale)
{
    assert_int_equal(size_of(stale), 0);
    assert_int_equal(fflush(stale), 0);
    assert_int_equal(size_of(stale), strlen("stale bytes"));
    fclose(stale);
}

static void test_containment_stale_files_are_flushed_by_the_host_alone(void **state)
{
    (void)state;
    stale_low = make_stale(10);
    stale_high = make_stale(700);
    run_flushers();
    expect_written_once(stale_low);
    expect_written_once(stale_high);
    stale_low = stale_high = NULL;
}

static void test_containment_stale_stdout_is_flushed_by_the_host_alone(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    const int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(dup2(fileno(file), STDOUT_FILENO), STDOUT_FILENO);
    fputs("stale bytes", stdout);
    run_flushers();
    const off_t before = size_of(file);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_int_equal(before, 0);
    assert_int_equal(size_of(file), strlen("stale bytes"));
    fclose(file);
}

/* ---- preloaded state, random numbers ----------------------------------------------------------------------------- */

static int table[1024];

static int load_table(void *arg, pool_error_t *error)
{
    (void)error;
    for (int i = 0; i < 1024; i++)
        table[i] = i * *(const int *)arg;
    return 0;
}

/* How many entries are not as they were loaded; then none is. */
static int spoil_table(pool_call_t *call)
{
    const int *factor = pool_call_arg(call, NULL);
    int wrong = 0;
    for (int i = 0; i < 1024; i++)
        wrong += table[i] != i * *factor;
    memset(table, 0xff, sizeof table);
    return wrong;
}

static void test_containment_preloaded_state_is_each_jobs_own(void **state)
{
    (void)state;
    int factor = 3;
    pool_t *pool;
    const pool_options_t options = {.workers = 2, .on_start = load_table, .on_start_arg = &factor};
    assert_int_equal(pool_open(&pool, &options, NULL), 0);
    for (int i = 0; i < 6; i++) {
        pool_job_t *job = support_submit(pool, spoil_table, &factor, sizeof factor, NULL);
        assert_int_equal(support_wait(job)->code, 0);
        pool_job_release(job);
    }
    assert_int_equal(table[5], 0); /* nor is it the host's */
    pool_free(pool);
}

struct draw {
    long random, lrand48;
    int rand;
    double drand48;
};

static int draw_numbers(pool_call_t *call)
{
    struct draw draw = {0};
    draw.random = random();
    draw.lrand48 = lrand48();
    draw.rand = rand();
    draw.drand48 = drand48();
    return pool_call_return(call, &draw, sizeof draw);
}

static void test_containment_workers_draw_different_numbers(void **state)
{
    (void)state;
    enum { COUNT = 4 };
    struct draw draws[COUNT];
    pool_t *pool = support_open(2, 0);
    srandom(1);
    srand48(1);
    for (int i = 0; i < COUNT; i++) {
        pool_job_t *job = support_submit(pool, draw_numbers, NULL, 0, NULL);
        memcpy(&draws[i], support_wait(job)->data, sizeof draws[i]);
        pool_job_release(job);
    }
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(draws[i].random, draws[j].random);
            assert_int_not_equal(draws[i].lrand48, draws[j].lrand48);
            assert_int_not_equal(draws[i].rand, draws[j].rand);
            assert_true(draws[i].drand48 > draws[j].drand48 || draws[i].drand48 < draws[j].drand48);
        }
    pool_free(pool);
}

/* ---- what cannot be killed ----------------------------------------------------------------------------------------
 */

#define UNTOUCHABLE "untouchable" /* as its first argument: this program is to be that */

/* Another user's process altogether, as a job can start one through a setuid program: nobody may kill it. It leaves a
 * child that tells its pid at 3, and stays until 4 ends. */
static int be_untouchable(void)
{
    char byte;
    if (setresuid(0, 0, 0) < 0 || fork() != 0)
        _exit(0);
    const pid_t pid = getpid();
    if (write(3, &pid, sizeof pid) != sizeof pid)
        _exit(1);
    _exit(read(4, &byte, 1) == 0 ? 0 : 1);
}

/* A copy of this program that is root's, whoever starts it. */
static void install_untouchable(char path[64])
{
    char line[512], self[128];
    const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(size > 0);
    self[size] = '\0';
    snprintf(path, 64, "/tmp/pool_containmentXXXXXX");
    assert_non_null(mkdtemp(path));
    snprintf(line, sizeof line, "chmod 755 %s && cp %s %s/helper && chmod 4755 %s/helper", path, self, path, path);
    assert_int_equal(system(line), 0);
}

struct untouchable {
    char directory[64];
    int said[2], never[2];
};

/* Its job is told of with a word of its own, after a bound; others' ends do not wait for that, with something left
 * behind or not. */
static int leave_untouchable(void *arg)
{
    const struct untouchable *untouchable = arg;
    char helper[128];
    pid_t pid;
    pool_t *pool;
    pool_job_t *stuck, *job;
    const int fds[] = {untouchable->said[1], untouchable->never[0]};
    snprintf(helper, sizeof helper, "%s/helper", untouchable->directory);
    const char *argv[] = {helper, UNTOUCHABLE, NULL}, *leaving[] = {"/bin/sh", "-c", "setsid sleep 1000 &", NULL};
    const pool_command_t command = {.argv = argv}, other = {.argv = leaving};
    const pool_job_options_t options = {.fds = fds, .fd_count = 2};
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = 2}, NULL) == 0);
    CHILD_CHECK(pool_submit_command(pool, &command, &options, &stuck) == 0);
    if (read(untouchable->said[0], &pid, sizeof pid) != sizeof pid)
        return 1;
    for (int i = 0; i < 20; i++) {
        CHILD_CHECK(pool_submit_command(pool, &other, NULL, &job) == 0 && pool_job_wait(job, -1) == 0);
        CHILD_CHECK(pool_job_result(job)->outcome == POOL_DONE && !pool_job_result(job)->usage.unkillable);
        CHILD_CHECK(pool_job_result(job)->usage.processes_killed <= 1);
        CHILD_CHECK(pool_job_state(stuck) != POOL_STATE_SETTLED);
        pool_job_release(job);
    }
    CHILD_CHECK(pool_job_wait(stuck, -1) == 0);
    const pool_result_t *result = pool_job_result(stuck);
    CHILD_CHECK(result->outcome == POOL_DONE && result->cause == POOL_CAUSE_UNKILLABLE && result->usage.unkillable);
    CHILD_CHECK(strstr(result->message, "cannot be killed") != NULL);
    CHILD_CHECK(support_alive(pid));
    pool_job_release(stuck);
    pool_free(pool);
    return 0;
}

static void test_containment_unkillable_delays_its_own_job_alone(void **state)
{
    struct untouchable untouchable;
    char line[128];
    (void)state;
    if (geteuid() != 0)
        skip();
    install_untouchable(untouchable.directory);
    support_pipe(untouchable.said);
    support_pipe(untouchable.never);
    child_run(true, leave_untouchable, &untouchable);
    close(untouchable.said[1]);
    close(untouchable.never[0]);
    close(untouchable.never[1]); /* it ends, and with it the last writer */
    while (support_await_byte(untouchable.said[0]) >= 0)
        ;
    close(untouchable.said[0]);
    snprintf(line, sizeof line, "rm -r %s", untouchable.directory);
    assert_int_equal(system(line), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], UNTOUCHABLE) == 0)
        return be_untouchable();
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_containment_helpers_belong_to_their_own_job),
        SUPPORT_TEST(test_containment_helper_without_its_first_thread),
        SUPPORT_TEST(test_containment_helpers_of_an_unprivileged_host),
        SUPPORT_TEST(test_containment_fork_bomb),
        SUPPORT_TEST(test_containment_fork_bomb_of_an_unprivileged_host),
        SUPPORT_TEST(test_containment_cancelled_fork_bomb),
        SUPPORT_TEST(test_containment_process_limit_of_commands),
        SUPPORT_TEST(test_containment_grandchild_maps_the_result),
        SUPPORT_TEST(test_containment_early_waits_for_who_maps_the_result),
        SUPPORT_TEST(test_containment_broken_descriptors),
        SUPPORT_TEST(test_containment_stale_files_are_flushed_by_the_host_alone),
        SUPPORT_TEST(test_containment_stale_stdout_is_flushed_by_the_host_alone),
        SUPPORT_TEST(test_containment_preloaded_state_is_each_jobs_own),
        SUPPORT_TEST(test_containment_workers_draw_different_numbers),
        SUPPORT_TEST(test_containment_unkillable_delays_its_own_job_alone),
    };
    return cmocka_run_group_tests_name("containment", tests, NULL, NULL);
}
