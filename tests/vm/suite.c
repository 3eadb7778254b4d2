/* What the kernel's own count, limits and kills make of jobs: cgroup v2, in the virtual machine of tests/vm/init.
 *
 *     vm_suite --list           the cases of the setting in VM_SETTING
 *     vm_suite --case NAME      one of them, in a process of its own; VM_BASE: the delegated directory
 *     vm_suite --hog MIB        a command that touches so much memory, bit by bit
 *
 * Lines that begin with "= " are measurements: init shows them, also when the case has passed. */
#include "gate.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB    ((uint64_t)1 << 20)
#define LIMIT  (64 * MIB)
#define GREED  (400 * MIB) /* what a job asks for that is to meet a limit */
#define LITTLE (2 * MIB)   /* what a worker costs before it does anything */
#define PIDS   20

static const char *base; /* the directory in which pools make theirs */

/* ---- memory, from inside of jobs ----------------------------------------------------------------------------------
 */

static void dirty(volatile unsigned char *data, uint64_t size)
{
    for (uint64_t i = 0; i < size; i += 4096)
        data[i]++;
}

static unsigned char *map(uint64_t size, int flags)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

/* Memory in use. */
static unsigned char *touch(uint64_t size)
{
    unsigned char *data = map(size, MAP_PRIVATE);
    if (data != NULL)
        dirty(data, size);
    return data;
}

static bool hog(uint64_t size)
{
    for (uint64_t had = 0; had < size; had += MIB)
        if (touch(MIB) == NULL)
            return false;
    return true;
}

static int nothing(pool_call_t *call)
{
    (void)call;
    return 0;
}

/* The argument says how much. */
static int use_memory(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    return touch(*size) != NULL ? 0 : 1;
}

static int be_greedy(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    return hog(*size) ? 0 : 1;
}

/* ---- pools and jobs -----------------------------------------------------------------------------------------------
 */

static pool_t *open_pool(pool_options_t options)
{
    pool_t *pool;
    pool_error_t error;
    options.workers = options.workers == 0 ? 1 : options.workers;
    if (pool_open(&pool, &options, &error) < 0)
        fail_msg("pool_open: %s", error.message);
    return pool;
}

/* A pool for which only the kernel decides about memory. */
static pool_options_t without_admission(pool_memory_method_t method)
{
    return (pool_options_t){.memory_method = method, .memory_budget = POOL_NONE, .memory_floor = POOL_NONE};
}

static pool_memory_method_t method_of(const pool_t *pool)
{
    pool_memory_t memory;
    assert_int_equal(pool_memory(pool, &memory), 0);
    return memory.method;
}

static void expect_method(const pool_result_t *result, pool_memory_method_t method)
{
    assert_string_equal(pool_memory_method_name(result->usage.memory_method), pool_memory_method_name(method));
}

static void expect_done(const pool_result_t *result)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
}

static void run_done(pool_t *pool, pool_fn fn)
{
    pool_job_t *job = support_submit(pool, fn, NULL, 0, NULL);
    expect_done(support_wait(job));
    pool_job_release(job);
}

static void expect_between(const char *what, uint64_t value, uint64_t least, uint64_t most)
{
    printf("= %s: %.2f MiB\n", what, (double)value / MIB);
    if (value < least || value > most)
        fail_msg("%s: %.2f MiB is not in %.2f to %.2f", what, (double)value / MIB, (double)least / MIB,
                 (double)most / MIB);
}

/* Ended by its own limit, as the kernel's count says. */
static void expect_at_limit(const pool_result_t *result)
{
    support_expect(result, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT);
    expect_method(result, POOL_MEMORY_CGROUP);
    assert_int_equal(result->usage.memory_limit, LIMIT);
    expect_between("peak at the limit", result->usage.peak_memory, LIMIT - LIMIT / 50, LIMIT + MIB);
    assert_in_range(result->usage.overshoot, 0, MIB);
}

/* Runs fn, which says that it adds `size` bytes, and asserts that the kernel saw that within 2 %. */
static void expect_peak_of(pool_t *pool, pool_fn fn, uint64_t size)
{
    pool_job_t *job = support_submit(pool, fn, &size, sizeof size, NULL);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    expect_method(result, POOL_MEMORY_CGROUP);
    expect_between("peak", result->usage.peak_memory, size - size / 50, size + size / 50);
    assert_in_range(result->usage.peak_bound, 0, MIB);
    pool_job_release(job);
}

static void expect_peak(pool_fn fn, uint64_t size)
{
    pool_t *pool = open_pool((pool_options_t){0});
    expect_peak_of(pool, fn, size);
    pool_free(pool);
}

/* And of nothing worth telling. */
static void expect_no_peak_of(pool_t *pool, pool_fn fn)
{
    pool_job_t *job = support_submit(pool, fn, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    expect_method(result, POOL_MEMORY_CGROUP);
    expect_between("peak of nothing", result->usage.peak_memory, 0, LITTLE);
    pool_job_release(job);
}

/* ---- what is in the file system -----------------------------------------------------------------------------------
 */

/* The names in a directory that begin so, in one line: "" when there are none. How many. */
static size_t list(const char *path, const char *prefix, char *names, size_t size)
{
    size_t count = 0;
    names[0] = '\0';
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            count++;
            strncat(names, entry->d_name, size - strlen(names) - 1);
            strncat(names, " ", size - strlen(names) - 1);
        }
    closedir(dir);
    return count;
}

static void expect_pools(size_t count)
{
    char names[1024];
    const size_t there = list(base, "reclaim.", names, sizeof names);
    if (there != count)
        fail_msg("%zu instead of %zu in %s: %s", there, count, base, names);
}

static bool read_file(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    close(fd);
    text[got < 0 ? 0 : got] = '\0';
    return got >= 0;
}

/* ---- how a pool measures ------------------------------------------------------------------------------------------
 */

static void run_and_expect_method(pool_t *pool, pool_memory_method_t method)
{
    uint64_t size = 8 * MIB;
    assert_int_equal(method_of(pool), method);
    pool_job_t *job = support_submit(pool, use_memory, &size, sizeof size, NULL);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    expect_method(result, method);
    pool_job_release(job);
}

static void test_method_is_found(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    run_and_expect_method(pool, POOL_MEMORY_CGROUP);
    expect_pools(1);
    pool_free(pool);
    expect_pools(0);
}

static void test_method_by_name(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){.memory_method = POOL_MEMORY_CGROUP});
    run_and_expect_method(pool, POOL_MEMORY_CGROUP);
    pool_free(pool);
}

static void test_method_in_a_named_cgroup(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){.cgroup = base});
    run_and_expect_method(pool, POOL_MEMORY_CGROUP);
    expect_pools(1);
    pool_free(pool);
    expect_pools(0);
}

static void test_method_sampled_makes_no_cgroup(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){.memory_method = POOL_MEMORY_SAMPLED});
    assert_int_equal(method_of(pool), POOL_MEMORY_SAMPLED);
    expect_pools(0);
    run_done(pool, nothing);
    pool_free(pool);
}

/* Where we are, and what there is in the delegated directory. */
struct sight {
    char own[1024], names[1024], controllers[256];
};

static void look(struct sight *sight)
{
    char path[1024];
    *sight = (struct sight){0};
    snprintf(path, sizeof path, "%s/cgroup.subtree_control", base);
    assert_true(read_file("/proc/self/cgroup", sight->own, sizeof sight->own));
    assert_true(read_file(path, sight->controllers, sizeof sight->controllers));
    list(base, "", sight->names, sizeof sight->names);
}

static void expect_refused(const pool_options_t *options, int code)
{
    struct sight before, after;
    pool_t *pool;
    pool_error_t error = {0};
    look(&before);
    assert_int_equal(pool_open(&pool, options, &error), code);
    assert_null(pool);
    assert_int_equal(error.code, code);
    assert_true(strlen(error.message) > 10);
    look(&after);
    assert_string_equal(after.own, before.own);
    assert_string_equal(after.names, before.names);
    assert_string_equal(after.controllers, before.controllers);
    assert_int_equal(support_descendants(getpid()), 0);
}

/* The first that its process does: nothing has been enabled yet. */
static void test_method_in_a_bad_cgroup_is_refused(void **state)
{
    char path[1024];
    pool_t *pool;
    pool_error_t error = {0};
    (void)state;
    snprintf(path, sizeof path, "%s/none", base);
    expect_refused(&(pool_options_t){.cgroup = path}, -ENOENT);
    assert_non_null(strstr(pool_message(), path));
    if (getuid() != 0)
        expect_refused(&(pool_options_t){.cgroup = "/sys/fs/cgroup"}, -EACCES);
    assert_true(pool_open(&pool, &(pool_options_t){.cgroup = "/tmp"}, &error) < 0); /* no cgroup at all */
    assert_true(pool_open(&pool, &(pool_options_t){.cgroup = "none"}, &error) < 0); /* not absolute */
}

struct news {
    int lines;
    char last[512];
};

/* Of cgroups: an old kernel has other news, too. */
static void hear(const char *line, void *user)
{
    struct news *news = user;
    if (strstr(line, "cgroup") == NULL)
        return;
    news->lines++;
    snprintf(news->last, sizeof news->last, "%s", line);
}

static void test_method_without_delegation_is_sampled(void **state)
{
    (void)state;
    struct news news = {0};
    pool_t *pool = open_pool((pool_options_t){.log = hear, .log_user = &news});
    assert_int_equal(method_of(pool), POOL_MEMORY_SAMPLED);
    run_done(pool, nothing);
    pool_free(pool);
    printf("= the log hook heard: %s\n", news.last);
    assert_int_equal(news.lines, 1);
    expect_refused(&(pool_options_t){.memory_method = POOL_MEMORY_CGROUP}, -ENOTSUP);
}

/* ---- limits -------------------------------------------------------------------------------------------------------
 */

static void test_limit_of_a_function(void **state)
{
    (void)state;
    const uint64_t greed = GREED;
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_job_t *job = support_submit(pool, be_greedy, &greed, sizeof greed, &options);
    expect_at_limit(support_wait(job));
    run_done(pool, nothing);
    pool_job_release(job);
    pool_free(pool);
}

static void test_limit_of_a_command(void **state)
{
    (void)state;
    const char *argv[] = {"/proc/self/exe", "--hog", "400", NULL};
    char self[1024];
    const ssize_t length = readlink(argv[0], self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    argv[0] = self;
    const pool_command_t command = {.argv = argv};
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_t *job;
    if (pool_submit_command(pool, &command, &options, &job) < 0)
        fail_msg("pool_submit_command: %s", pool_message());
    expect_at_limit(support_wait(job));
    pool_job_release(job);
    pool_free(pool);
}

/* A job within its limit is left alone. */
static void test_limit_that_is_kept(void **state)
{
    (void)state;
    const uint64_t size = LIMIT - 8 * MIB;
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_job_t *job = support_submit(pool, be_greedy, &size, sizeof size, &options);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    assert_int_equal(result->usage.memory_limit, LIMIT);
    assert_int_equal(result->usage.overshoot, 0);
    pool_job_release(job);
    pool_free(pool);
}

/* Worker, child and grandchild come to the gate; only the grandchild grows. */
static int let_a_grandchild_be_greedy(pool_call_t *call)
{
    gate_say(call, getpid());
    pid_t pid = fork();
    if (pid == 0) {
        gate_say(call, getpid());
        pid = fork();
        if (pid == 0) {
            gate_say(call, getpid());
            _exit(hog(GREED) ? 0 : 1);
        }
        for (;;)
            pause(); /* whatever becomes of the grandchild */
    }
    for (;;)
        pause();
}

static void test_limit_of_a_tree(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_options_t options = gate_options(&gate);
    options.memory_limit = LIMIT;
    pool_job_t *job = support_submit(pool, let_a_grandchild_be_greedy, NULL, 0, &options);
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        pids[i] = gate_await(&gate);
    expect_at_limit(support_wait(job));
    for (int i = 0; i < 3; i++)
        assert_false(support_alive(pids[i]));
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* A SIGKILL from us is not the limit's. */
static void test_limit_is_not_blamed_for_a_kill(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_t *job = gate_submit(pool, &gate, (pool_job_options_t){.memory_limit = LIMIT});
    assert_int_equal(kill(gate_await(&gate), SIGKILL), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_CRASHED, POOL_CAUSE_KILLED);
    assert_int_equal(result->signal, SIGKILL);
    expect_method(result, POOL_MEMORY_CGROUP);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- peaks --------------------------------------------------------------------------------------------------------
 */

static void test_peak_of_50_and_200_mib(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    expect_peak_of(pool, use_memory, 50 * MIB);
    expect_no_peak_of(pool, nothing);
    expect_peak_of(pool, use_memory, 200 * MIB);
    pool_free(pool);
}

/* Over before anybody could have looked twice. */
static int use_memory_for_a_moment(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    unsigned char *data = touch(*size);
    return data != NULL ? munmap(data, *size) : 1;
}

static void test_peak_of_a_moment(void **state)
{
    (void)state;
    expect_peak(use_memory_for_a_moment, 50 * MIB);
}

#define CHILDREN 3

/* Each child runs body on its part and has it until all have; false: something failed. */
static bool in_children(int count, void (*body)(unsigned char *data, uint64_t size), unsigned char *data, uint64_t size)
{
    int done[2], go[2], status;
    char byte = 0;
    if (pipe(done) < 0 || pipe(go) < 0)
        return false;
    for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid < 0)
            return false;
        if (pid == 0) {
            close(go[1]);
            body(data, size);
            _exit(write(done[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < count; i++)
        if (read(done[0], &byte, 1) != 1)
            return false;
    close(go[1]);
    for (int i = 0; i < count; i++)
        if (wait(&status) < 0 || status != 0)
            return false;
    return true;
}

static void touch_own(unsigned char *data, uint64_t size)
{
    (void)data;
    touch(size);
}

static int use_memory_in_children(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    return in_children(CHILDREN, touch_own, NULL, *size / CHILDREN) ? 0 : 1;
}

static void test_peak_of_children_at_the_same_time(void **state)
{
    (void)state;
    expect_peak(use_memory_in_children, 120 * MIB);
}

static void touch_shared(unsigned char *data, uint64_t size)
{
    dirty(data, size);
}

static int share_memory(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    unsigned char *data = map(*size, MAP_SHARED);
    if (data == NULL)
        return 1;
    dirty(data, *size);
    return in_children(2, touch_shared, data, *size) && data[0] == 3 ? 0 : 1;
}

static void test_peak_of_shared_memory_counts_once(void **state)
{
    (void)state;
    expect_peak(share_memory, 100 * MIB);
}

/* Pages given back with MADV_FREE stay until the kernel wants them: they count ... */
static int give_back_a_half(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    unsigned char *data = touch(*size / 2);
    if (data == NULL || madvise(data, *size / 2, MADV_FREE) < 0)
        return 1;
    return touch(*size / 2) != NULL ? 0 : 1;
}

static void test_peak_with_madv_free(void **state)
{
    (void)state;
    const uint64_t size = LIMIT + LIMIT / 4;
    pool_t *pool = open_pool((pool_options_t){0});
    expect_peak_of(pool, give_back_a_half, size);
    /* ... and a limit takes them, before it kills anybody. */
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_job_t *job = support_submit(pool, give_back_a_half, &size, sizeof size, &options);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    expect_between("peak under a limit", result->usage.peak_memory, LIMIT / 2, LIMIT + MIB);
    pool_job_release(job);
    pool_free(pool);
}

static void test_peak_of_nothing_under_a_big_host(void **state)
{
    (void)state;
    unsigned char *host = touch(200 * MIB);
    assert_non_null(host);
    pool_t *pool = open_pool((pool_options_t){0});
    expect_no_peak_of(pool, nothing);
    expect_peak_of(pool, use_memory, 50 * MIB);
    pool_free(pool);
    munmap(host, 200 * MIB);
}

static unsigned char *template;

static int warm_up(void *arg, pool_error_t *error)
{
    (void)error;
    template = touch(*(const uint64_t *)arg);
    return template != NULL ? 0 : 1;
}

static int rewrite_template(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    dirty(template, *size);
    return template[0] == 2 ? 0 : 1;
}

static void test_peak_of_a_rewritten_template(void **state)
{
    (void)state;
    uint64_t size = 64 * MIB;
    pool_t *pool = open_pool((pool_options_t){.on_start = warm_up, .on_start_arg = &size});
    expect_no_peak_of(pool, nothing);
    expect_peak_of(pool, rewrite_template, size);
    pool_free(pool);
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static bool write_file(const char *path, uint64_t size)
{
    static const char zeros[65536];
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool well = fd >= 0;
    for (uint64_t at = 0; well && at < size; at += sizeof zeros)
        well = write(fd, zeros, sizeof zeros) == sizeof zeros;
    close(fd);
    return well;
}

static bool read_mapped(const char *path, uint64_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const unsigned char *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    unsigned sum = 0;
    close(fd);
    if (data == MAP_FAILED)
        return false;
    for (uint64_t i = 0; i < size; i += 4096)
        sum += data[i];
    return sum == 0;
}

#define TMPFS_FILE "/tmp/file"
#define DISK_FILE  "/disk/file" /* made by init; nothing of it is cached */
#define FILE_SIZE  (32 * MIB)

/* Takes what nobody uses of the file on the disk out of the page cache. */
static void drop_disk_file(void)
{
    const int fd = open(DISK_FILE, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

static int write_tmpfs(pool_call_t *call)
{
    const uint64_t *size = pool_call_arg(call, NULL);
    return write_file(TMPFS_FILE, *size) ? 0 : 1;
}

static int read_tmpfs(pool_call_t *call)
{
    (void)call;
    return read_mapped(TMPFS_FILE, FILE_SIZE) ? 0 : 1;
}

/* A file in tmpfs is memory of whoever wrote it, and of nobody who reads it. */
static void test_peak_of_tmpfs_is_its_writers(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    expect_peak_of(pool, write_tmpfs, FILE_SIZE);
    expect_no_peak_of(pool, read_tmpfs);
    unlink(TMPFS_FILE);
    assert_true(write_file(TMPFS_FILE, FILE_SIZE));
    expect_no_peak_of(pool, read_tmpfs);
    unlink(TMPFS_FILE);
    pool_free(pool);
}

static int read_disk(pool_call_t *call)
{
    (void)call;
    return read_mapped(DISK_FILE, FILE_SIZE) ? 0 : 1;
}

/* What a job brings into the page cache is its own, until the kernel drops that to keep a limit; what is there already
 * is not. */
static void test_peak_of_page_cache_is_its_first_readers(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = {.memory_limit = FILE_SIZE / 2};
    pool_job_t *job = support_submit(pool, read_disk, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    expect_between("peak under a limit", result->usage.peak_memory, FILE_SIZE / 4, FILE_SIZE / 2);
    pool_job_release(job);
    drop_disk_file();
    expect_peak_of(pool, read_disk, FILE_SIZE);
    expect_no_peak_of(pool, read_disk);
    pool_free(pool);
}

/* ---- processes ----------------------------------------------------------------------------------------------------
 */

struct forks {
    int count, error;
};

static int fork_until_refused(pool_call_t *call)
{
    struct forks forks = {0};
    for (pid_t pid; forks.error == 0;) {
        pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        if (pid < 0)
            forks.error = errno;
        else if (++forks.count > 2 * PIDS)
            break;
    }
    return pool_call_return(call, &forks, sizeof forks);
}

/* All of them fork as fast as they can, until something is refused, or has not been for too long. */
static int bomb(pool_call_t *call)
{
    struct forks forks = {0};
    const pid_t self = getpid();
    atomic_int *tries = (atomic_int *)map(sizeof *tries, MAP_SHARED);
    while (tries != NULL && forks.error == 0 && atomic_fetch_add(tries, 1) < 50 * PIDS)
        if (fork() < 0)
            forks.error = errno;
        else
            forks.count++;
    while (getpid() != self)
        pause();
    return pool_call_return(call, &forks, sizeof forks);
}

/* most: while some are killed others of a bomb may still fork. */
static void expect_refused_forks(pool_fn fn, int least, int most)
{
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = {.pids = PIDS};
    pool_job_t *job = support_submit(pool, fn, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    const struct forks *forks = result->data;
    assert_int_equal(result->size, sizeof *forks);
    assert_int_equal(forks->error, EAGAIN);
    assert_in_range(forks->count, least, PIDS);
    assert_in_range(result->usage.processes_killed, least, most);
    assert_true(result->usage.processes > result->usage.processes_killed);
    run_done(pool, nothing); /* and the place is free again */
    pool_job_release(job);
    pool_free(pool);
}

static void test_pids_are_counted(void **state)
{
    (void)state;
    expect_refused_forks(fork_until_refused, PIDS, PIDS);
}

static void test_pids_end_a_bomb(void **state)
{
    (void)state;
    expect_refused_forks(bomb, 1, 50 * PIDS);
}

static int leave_a_daemon(pool_call_t *call)
{
    int said[2];
    char byte = 0;
    if (pipe(said) < 0)
        return 1;
    const pid_t pid = fork();
    if (pid == 0) {
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        gate_say(call, getpid());
        _exit(write(said[1], &byte, 1) == 1 ? pause() : 1);
    }
    return waitpid(pid, NULL, 0) == pid && read(said[0], &byte, 1) == 1 ? 0 : 1;
}

static void test_daemons_do_not_stay(void **state)
{
    (void)state;
    struct gate gate;
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = gate_options(&gate);
    pool_job_t *job = support_submit(pool, leave_a_daemon, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    expect_method(result, POOL_MEMORY_CGROUP);
    assert_false(support_alive(gate_await(&gate)));
    assert_true(result->usage.processes_killed >= 1);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
}

/* ---- CPU ----------------------------------------------------------------------------------------------------------
 */

/* The value of a file in the worker's own cgroup. */
static int read_cpu_weight(pool_call_t *call)
{
    char own[1024], path[1200], value[64];
    if (!read_file("/proc/self/cgroup", own, sizeof own) || strncmp(own, "0::", 3) != 0)
        return 1;
    own[strcspn(own, "\n")] = '\0';
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.weight", own + 3);
    return read_file(path, value, sizeof value) ? pool_call_return(call, value, strlen(value) + 1) : 1;
}

static void test_cpu_weight(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = {.cpu_weight = 50};
    pool_job_t *job = support_submit(pool, read_cpu_weight, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    expect_done(result);
    assert_string_equal(result->data, "50\n");
    pool_job_release(job);
    pool_free(pool);
}

static void test_cpu_weight_without_delegation_is_refused(void **state)
{
    (void)state;
    pool_t *pool = open_pool((pool_options_t){0});
    const pool_job_options_t options = {.cpu_weight = 50};
    pool_job_t *job;
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &options, &job), -ENOTSUP);
    assert_null(job);
    pool_free(pool);
}

/* ---- want of memory outside of the job's limit --------------------------------------------------------------------
 */

static void expect_machine_oom(pool_memory_method_t method, uint64_t greed)
{
    pool_t *pool = open_pool(without_admission(method));
    pool_job_t *job = support_submit(pool, be_greedy, &greed, sizeof greed, NULL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_OUT_OF_MEMORY, POOL_CAUSE_MACHINE_OOM);
    assert_int_equal(result->usage.memory_limit, 0);
    expect_method(result, method);
    expect_between("peak", result->usage.peak_memory, 64 * MIB, greed);
    run_done(pool, nothing);
    pool_job_release(job);
    pool_free(pool);
}

/* The cgroup around everything has 160 MiB. */
static void test_oom_around(void **state)
{
    (void)state;
    expect_machine_oom(POOL_MEMORY_CGROUP, GREED);
}

static void test_oom_around_sampled(void **state)
{
    (void)state;
    expect_machine_oom(POOL_MEMORY_SAMPLED, GREED);
}

/* The machine has 768 MiB. */
static void test_oom_of_the_machine(void **state)
{
    (void)state;
    expect_machine_oom(POOL_MEMORY_CGROUP, 4096 * MIB);
}

static void test_oom_of_the_machine_sampled(void **state)
{
    (void)state;
    expect_machine_oom(POOL_MEMORY_SAMPLED, 4096 * MIB);
}

/* A process that takes the machine's memory when it is told to, and gives it back when it is told to. */
struct presser {
    pid_t pid;
    int say[2], hear[2];
};

static void presser_start(struct presser *presser)
{
    uint64_t size;
    support_pipe(presser->say);
    support_pipe(presser->hear);
    presser->pid = fork();
    assert_true(presser->pid >= 0);
    if (presser->pid != 0)
        return;
    close(presser->say[1]);
    if (read(presser->say[0], &size, sizeof size) == sizeof size && hog(size) && write(presser->hear[1], "h", 1) == 1)
        _exit(read(presser->say[0], &size, 1) == 0 ? 0 : 1);
    _exit(1);
}

static void presser_press(const struct presser *presser, uint64_t size)
{
    assert_int_equal(write(presser->say[1], &size, sizeof size), sizeof size);
    assert_int_equal(support_await_byte(presser->hear[0]), 'h');
}

static void presser_end(const struct presser *presser)
{
    int status;
    close(presser->say[1]);
    assert_int_equal(waitpid(presser->pid, &status, 0), presser->pid);
    assert_int_equal(status, 0);
    close(presser->say[0]);
    close(presser->hear[0]);
    close(presser->hear[1]);
}

static uint64_t available(void)
{
    char text[4096];
    unsigned long long kib = 0;
    assert_true(read_file("/proc/meminfo", text, sizeof text));
    const char *line = strstr(text, "MemAvailable:");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "MemAvailable: %llu", &kib), 1);
    return (uint64_t)kib * 1024;
}

/* Below the floor the job that may be run again is, though the other one is younger; both end well when there is
 * memory again. */
static void expect_eviction(pool_memory_method_t method)
{
    struct gate willing, unwilling;
    struct presser presser;
    pool_stats_t stats;
    gate_open(&willing);
    gate_open(&unwilling);
    presser_start(&presser);
    const uint64_t floor = available() / 2;
    pool_t *pool = open_pool((pool_options_t){.workers = 2, .memory_method = method, .memory_floor = (int64_t)floor});
    pool_job_t *first = gate_submit(pool, &willing, (pool_job_options_t){.rerunnable = true, .memory_expected = MIB});
    const pid_t evicted = gate_await(&willing);
    pool_job_t *second = gate_submit(pool, &unwilling, (pool_job_options_t){.memory_expected = MIB});
    const pid_t kept = gate_await(&unwilling);
    presser_press(&presser, available() - floor + 48 * MIB);
    support_await_death(evicted);
    while (pool_job_state(first) != POOL_STATE_QUEUED)
        usleep(1000);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.evictions, 1);
    assert_true(support_alive(kept));
    presser_end(&presser);
    assert_int_not_equal(gate_await(&willing), evicted);
    gate_release(&willing, 1);
    gate_release(&unwilling, 1);
    const pool_result_t *result = support_wait(first);
    expect_done(result);
    assert_int_equal(result->usage.evictions, 1);
    assert_int_equal(result->usage.attempt, 1);
    result = support_wait(second);
    expect_done(result);
    assert_int_equal(result->usage.evictions, 0);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0);
    close(unwilling.ready[1]); /* nobody else has come to that gate */
    unwilling.ready[1] = -1;
    assert_int_equal(support_await_byte(unwilling.ready[0]), -1);
    pool_job_release(first);
    pool_job_release(second);
    pool_free(pool);
    gate_close(&willing);
    gate_close(&unwilling);
}

static bool put_text(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool put = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return put;
}

/* One that the kernel keeps stalling, for it is far above its memory.high and there is no swap. Returns its pid. */
static pid_t start_stalling(const char *directory)
{
    char path[512];
    snprintf(path, sizeof path, "%s/memory.high", directory);
    assert_int_equal(mkdir(directory, 0755), 0);
    assert_true(put_text(path, "8388608"));
    snprintf(path, sizeof path, "%s/cgroup.procs", directory);
    const pid_t pid = fork();
    if (pid == 0) {
        if (!put_text(path, "0"))
            _exit(1);
        for (;;)
            hog(MIB);
    }
    assert_true(pid > 0);
    return pid;
}

static void hear_all(const char *line, void *user)
{
    atomic_int *heard = user;
    if (strstr(line, "jobs wait: tasks stall for lack of memory (PSI)") != NULL)
        atomic_fetch_or(heard, 1);
    if (strstr(line, "there is memory again") != NULL)
        atomic_fetch_or(heard, 2);
}

/* While tasks stall for want of memory nothing starts, though there is enough of it. */
static void test_pressure_stalls(void **state)
{
    (void)state;
    char directory[256];
    atomic_int heard = 0;
    pool_memory_t memory = {0};
    pool_t *pool = open_pool((pool_options_t){.workers = 1, .log = hear_all, .log_user = &heard});
    snprintf(directory, sizeof directory, "%s/stall", base);
    const pid_t stalling = start_stalling(directory);
    while (!memory.pressure && usleep(1000) == 0)
        assert_int_equal(pool_memory(pool, &memory), 0);
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, NULL);
    while ((atomic_load(&heard) & 1) == 0)
        usleep(1000);
    assert_int_equal(pool_job_state(job), POOL_STATE_QUEUED);
    kill(stalling, SIGKILL);
    assert_int_equal(waitpid(stalling, NULL, 0), stalling);
    expect_done(support_wait(job));
    while ((atomic_load(&heard) & 2) == 0)
        usleep(1000);
    pool_job_release(job);
    pool_free(pool);
    assert_int_equal(rmdir(directory), 0);
}

static void test_pressure_evicts(void **state)
{
    (void)state;
    expect_eviction(POOL_MEMORY_CGROUP);
}

static void test_pressure_evicts_sampled(void **state)
{
    (void)state;
    expect_eviction(POOL_MEMORY_SAMPLED);
}

/* ---- nothing stays ------------------------------------------------------------------------------------------------
 */

static void test_nothing_stays_of_a_dead_fork_server(void **state)
{
    (void)state;
    struct gate gate;
    pool_stats_t stats;
    char before[1024], after[1024];
    gate_open(&gate);
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_t *job = gate_submit(pool, &gate, (pool_job_options_t){0});
    const pid_t worker = gate_await(&gate);
    assert_int_equal(list(base, "reclaim.", before, sizeof before), 1);
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(kill(stats.fork_server_pid, SIGKILL), 0);
    support_expect(support_wait(job), POOL_LOST, POOL_CAUSE_LOST);
    assert_false(support_alive(worker));
    run_done(pool, nothing); /* by the next one */
    assert_int_equal(list(base, "reclaim.", after, sizeof after), 1);
    assert_string_not_equal(after, before);
    pool_job_release(job);
    pool_free(pool);
    expect_pools(0);
    gate_close(&gate);
}

/* The pool of another host, for us to kill. */
static _Noreturn void be_host(int fd)
{
    pool_t *pool;
    pool_stats_t stats;
    const pool_options_t options = {.workers = 2};
    if (pool_open(&pool, &options, NULL) < 0 || pool_stats(pool, &stats) < 0 ||
        write(fd, &stats, sizeof stats) != sizeof stats)
        _exit(1);
    for (;;)
        pause();
}

static void start_host(pid_t *host, pool_stats_t *stats)
{
    int ends[2];
    support_pipe(ends);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so that wait() tells when all are gone */
    *host = fork();
    assert_true(*host >= 0);
    if (*host == 0)
        be_host(ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], stats, sizeof *stats), sizeof *stats);
    close(ends[0]);
    expect_pools(1);
}

static void reap_all(void)
{
    while (wait(NULL) > 0)
        ;
    assert_int_equal(errno, ECHILD);
}

static void test_nothing_stays_of_a_dead_host(void **state)
{
    (void)state;
    pid_t host;
    pool_stats_t stats;
    start_host(&host, &stats);
    assert_int_equal(kill(host, SIGKILL), 0);
    reap_all();
    expect_pools(0);
}

/* When all who could tidy up are dead, the next pool does. */
static void test_next_pool_sweeps_what_a_dead_one_left(void **state)
{
    (void)state;
    pid_t host;
    pool_stats_t stats;
    char before[1024], after[1024];
    start_host(&host, &stats);
    const pid_t pids[] = {stats.keeper_pid, stats.fork_server_pid, host};
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(pids[i], SIGSTOP), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(pids[i], SIGKILL), 0);
    reap_all();
    assert_int_equal(list(base, "reclaim.", before, sizeof before), 1);
    pool_t *pool = open_pool((pool_options_t){0});
    run_done(pool, nothing);
    assert_int_equal(list(base, "reclaim.", after, sizeof after), 1);
    assert_string_not_equal(after, before);
    pool_free(pool);
    expect_pools(0);
}

/* Two pools in one directory do not take each other's for a dead one's. */
static void test_pools_leave_each_other_alone(void **state)
{
    (void)state;
    pool_t *first = open_pool((pool_options_t){0});
    pool_t *second = open_pool((pool_options_t){0});
    expect_pools(2);
    expect_peak_of(first, use_memory, 50 * MIB);
    expect_peak_of(second, use_memory, 50 * MIB);
    pool_free(first);
    expect_pools(1);
    expect_peak_of(second, use_memory, 50 * MIB);
    pool_free(second);
    expect_pools(0);
}

/* ---- cgroups that a job makes below its own ------------------------------------------------------------------------
 */

static bool put(const char *directory, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

/* Hands the memory controller on to a cgroup below, and goes there, as a pool in a job does: then the kernel counts its
 * kills there. limit: of that one; NULL: none. */
static bool go_below(const char *limit)
{
    char line[256] = "", own[300], inner[320];
    FILE *file = fopen("/proc/self/cgroup", "re");
    const bool read = file != NULL && fgets(line, sizeof line, file) != NULL && strncmp(line, "0::", 3) == 0;
    if (file != NULL)
        fclose(file);
    line[strcspn(line, "\n")] = '\0';
    snprintf(own, sizeof own, "/sys/fs/cgroup%s", line + 3);
    snprintf(inner, sizeof inner, "%s/inner", own);
    return read && mkdir(inner, 0755) == 0 && put(inner, "cgroup.procs", "0") &&
           put(own, "cgroup.subtree_control", "+memory") && (limit == NULL || put(inner, "memory.max", limit));
}

static int be_greedy_below(pool_call_t *call)
{
    return !go_below(NULL) ? pool_call_fail(call, 2, "%s", strerror(errno)) : hog(GREED) ? 0 : 1;
}

static void test_below_the_limit_is_the_jobs(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_t *pool = open_pool((pool_options_t){0});
    for (int i = 0; i < 3; i++) {
        pool_job_t *job = support_submit(pool, be_greedy_below, NULL, 0, &options);
        expect_at_limit(support_wait(job));
        pool_job_release(job);
    }
    pool_free(pool);
}

static void test_below_the_limit_around_is_the_machines(void **state)
{
    (void)state;
    pool_t *pool = open_pool(without_admission(POOL_MEMORY_CGROUP));
    pool_job_t *job = support_submit(pool, be_greedy_below, NULL, 0, NULL);
    support_expect(support_wait(job), POOL_OUT_OF_MEMORY, POOL_CAUSE_MACHINE_OOM);
    pool_job_release(job);
    pool_free(pool);
}

/* A limit of its own making has killed a child of it; its own end is another matter. */
static int outlive_a_child(pool_call_t *call)
{
    int status = 0;
    if (!go_below("16M"))
        return pool_call_fail(call, 2, "%s", strerror(errno));
    const pid_t pid = fork();
    if (pid == 0) {
        put("/proc/self", "oom_score_adj", "1000");
        _exit(hog(GREED) ? 0 : 1);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return pool_call_fail(call, 3, "the child had status %x", (unsigned)status);
    if (*(const int *)pool_call_arg(call, NULL) != 0)
        raise(SIGKILL);
    return 0;
}

static void test_below_another_limit_is_not_the_jobs(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_t *pool = open_pool((pool_options_t){0});
    for (int dies = 0; dies < 2; dies++) {
        pool_job_t *job = support_submit(pool, outlive_a_child, &dies, sizeof dies, &options);
        support_expect(support_wait(job), dies ? POOL_CRASHED : POOL_DONE,
                       dies ? POOL_CAUSE_KILLED : POOL_CAUSE_EXITED);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* A pool in a job makes its cgroups below that job's, where those are its user's. */
static int open_a_pool_inside(pool_call_t *call)
{
    pool_t *pool;
    pool_job_t *job;
    pool_error_t error;
    const uint64_t size = GREED;
    const pool_options_t options = {.workers = 1, .memory_method = POOL_MEMORY_CGROUP, .memory_budget = POOL_NONE};
    if (pool_open(&pool, &options, &error) < 0)
        return pool_call_fail(call, 2, "%s", error.message);
    if (pool_submit(pool, be_greedy, &size, sizeof size, NULL, &job) < 0)
        return pool_call_fail(call, 3, "%s", pool_message());
    pool_job_wait(job, -1);
    return pool_call_fail(call, 4, "the job outlived its limit: %s", pool_job_result(job)->message);
}

static void test_below_a_pool_in_a_job(void **state)
{
    (void)state;
    const pool_job_options_t options = {.memory_limit = LIMIT};
    pool_t *pool = open_pool((pool_options_t){0});
    pool_job_t *job = support_submit(pool, open_a_pool_inside, NULL, 0, &options);
    expect_at_limit(support_wait(job));
    pool_job_release(job);
    pool_free(pool);
}

/* ---- without a pids controller --------------------------------------------------------------------------------------
 */

static void note_fallback(const char *line, void *user)
{
    if (strstr(line, "no pids controller") != NULL)
        atomic_fetch_add((atomic_int *)user, 1);
}

static int fork_and_stay(pool_call_t *call)
{
    (void)call;
    for (int i = 0; i < 2 * PIDS; i++)
        if (fork() == 0)
            break;
    return pause();
}

static void test_pids_without_their_controller_are_counted(void **state)
{
    (void)state;
    atomic_int said = 0;
    const pool_job_options_t options = {.pids = PIDS};
    pool_t *pool =
        open_pool((pool_options_t){.memory_method = POOL_MEMORY_CGROUP, .log = note_fallback, .log_user = &said});
    assert_int_equal(atomic_load(&said), 1);
    pool_job_t *job = support_submit(pool, nothing, NULL, 0, &options);
    expect_done(support_wait(job));
    expect_method(pool_job_result(job), POOL_MEMORY_CGROUP);
    pool_job_release(job);
    job = support_submit(pool, fork_and_stay, NULL, 0, &options);
    support_expect(support_wait(job), POOL_FAILED, POOL_CAUSE_PROCESS_LIMIT);
    pool_job_release(job);
    assert_int_equal(pool_submit(pool, nothing, NULL, 0, &(pool_job_options_t){.cpu_weight = 50}, &job), -ENOTSUP);
    pool_free(pool);
}

/* ---- which case where ---------------------------------------------------------------------------------------------
 */

static const char *const settings[] = {"root-leaf",  "root-direct", "user-leaf", "user-direct",
                                       "user-plain", "enclosed",    "machine",   "memory-only"};
enum {
    ROOT_LEAF = 1 << 0,
    ROOT_DIRECT = 1 << 1,
    USER_LEAF = 1 << 2,
    USER_DIRECT = 1 << 3,
    USER_PLAIN = 1 << 4,
    ENCLOSED = 1 << 5,
    MACHINE = 1 << 6,
    MEMORY_ONLY = 1 << 7, /* no other controller was handed down */
    DELEGATED = ROOT_LEAF | ROOT_DIRECT | USER_LEAF | USER_DIRECT
};

/* What the test_ functions are called, less their test_. */
#define CASE(function, where)                           \
    {                                                   \
        SUPPORT_TEST(test_##function), #function, where \
    }
#define BARE(function, where)                               \
    {                                                       \
        cmocka_unit_test(test_##function), #function, where \
    }

static const struct {
    struct CMUnitTest test;
    const char *name;
    unsigned where;
} cases[] = {
    CASE(method_is_found, DELEGATED | ENCLOSED),
    CASE(method_by_name, DELEGATED),
    CASE(method_in_a_named_cgroup, DELEGATED),
    CASE(method_sampled_makes_no_cgroup, DELEGATED),
    BARE(method_in_a_bad_cgroup_is_refused, DELEGATED | USER_PLAIN),
    CASE(method_without_delegation_is_sampled, USER_PLAIN),
    CASE(limit_of_a_function, DELEGATED),
    CASE(limit_of_a_command, DELEGATED),
    CASE(limit_that_is_kept, DELEGATED),
    CASE(limit_of_a_tree, DELEGATED),
    CASE(limit_is_not_blamed_for_a_kill, DELEGATED),
    CASE(peak_of_50_and_200_mib, DELEGATED),
    CASE(peak_of_a_moment, DELEGATED),
    CASE(peak_of_children_at_the_same_time, DELEGATED),
    CASE(peak_of_shared_memory_counts_once, DELEGATED),
    CASE(peak_with_madv_free, DELEGATED),
    CASE(peak_of_nothing_under_a_big_host, DELEGATED),
    CASE(peak_of_a_rewritten_template, DELEGATED),
    CASE(peak_of_tmpfs_is_its_writers, DELEGATED),
    CASE(peak_of_page_cache_is_its_first_readers, DELEGATED),
    CASE(pids_are_counted, DELEGATED),
    CASE(pids_end_a_bomb, DELEGATED),
    CASE(daemons_do_not_stay, DELEGATED),
    CASE(cpu_weight, DELEGATED),
    CASE(cpu_weight_without_delegation_is_refused, USER_PLAIN),
    CASE(nothing_stays_of_a_dead_fork_server, DELEGATED),
    CASE(nothing_stays_of_a_dead_host, DELEGATED),
    CASE(next_pool_sweeps_what_a_dead_one_left, DELEGATED),
    CASE(pools_leave_each_other_alone, DELEGATED),
    CASE(pressure_evicts, DELEGATED),
    CASE(pressure_stalls, ROOT_LEAF),
    CASE(pressure_evicts_sampled, USER_PLAIN),
    CASE(oom_around, ENCLOSED),
    CASE(oom_around_sampled, ENCLOSED),
    CASE(below_the_limit_is_the_jobs, DELEGATED),
    CASE(below_another_limit_is_not_the_jobs, DELEGATED),
    CASE(below_a_pool_in_a_job, USER_LEAF | USER_DIRECT),
    CASE(below_the_limit_around_is_the_machines, ENCLOSED),
    CASE(pids_without_their_controller_are_counted, MEMORY_ONLY),
    CASE(limit_of_a_function, MEMORY_ONLY),
    CASE(oom_of_the_machine_sampled, MACHINE),
    CASE(oom_of_the_machine, MACHINE),
};
#define CASES (sizeof cases / sizeof cases[0])

static unsigned setting(void)
{
    const char *name = getenv("VM_SETTING");
    for (unsigned i = 0; name != NULL && i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(settings[i], name) == 0)
            return 1U << i;
    return 0;
}

static int run_case(const char *name)
{
    for (size_t i = 0; i < CASES; i++)
        if (strcmp(cases[i].name, name) == 0) {
            const struct CMUnitTest tests[] = {cases[i].test};
            return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
        }
    return 2;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    base = getenv("VM_BASE");
    if (argc == 3 && strcmp(argv[1], "--hog") == 0)
        return hog(strtoull(argv[2], NULL, 10) * MIB) ? 0 : 1;
    if (argc == 3 && strcmp(argv[1], "--case") == 0 && base != NULL)
        return run_case(argv[2]);
    if (argc != 2 || strcmp(argv[1], "--list") != 0 || setting() == 0) {
        fprintf(stderr, "run it with tests/vm/run.sh\n");
        return 2;
    }
    for (size_t i = 0; i < CASES; i++)
        if ((cases[i].where & setting()) != 0)
            puts(cases[i].name);
    return 0;
}
