/* Values and arguments in parts, values in a job's own memfd, values of failed jobs, limits on values; and what a host
 * gets of them: a map that may be written to, a descriptor. */
#include "child.h"
#include "descriptor.h"
#include "message.h"
#include "payload.h"
#include "support.h"
#include "thief.h"

#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB   ((size_t)1 << 20)
#define LARGE (3 * MIB + 5)

#define FEW_FILES 80 /* that a process may have open */

static unsigned char pattern[LARGE];

static void fill_pattern(void)
{
    for (size_t i = 0; i < LARGE; i++)
        pattern[i] = (unsigned char)(i * 31 + i / 251);
}

static void expect_done(const pool_result_t *result, size_t size)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, size);
    if (size == 0)
        assert_null(result->data);
    else
        assert_int_equal(memcmp(result->data, pattern, size), 0);
}

static void expect_failed(const pool_result_t *result, pool_cause_t cause, const char *words)
{
    support_expect(result, POOL_FAILED, cause);
    if (strstr(result->message, words) == NULL)
        fail_msg("not \"%s\": %s", words, result->message);
}

/* ---- in parts ---------------------------------------------------------------------------------------------------- */

#define PARTS_MOST 300

/* Cuts size bytes of data into count parts, of which every third is empty. The last one takes the rest. */
static void cut(const void *data, size_t size, size_t count, pool_bytes_t parts[PARTS_MOST])
{
    const char *at = data;
    const size_t piece = size / count;
    for (size_t i = 0; i < count; i++) {
        const size_t take = i + 1 == count ? size : i % 3 == 1 ? 0 : piece < size ? piece : size;
        parts[i] = (pool_bytes_t){take == 0 ? NULL : at, take};
        at += take;
        size -= take;
    }
}

struct cut_order {
    size_t size, count;
};

static const struct cut_order cuts[] = {
    {0, 1},     {0, 300},   {1, 2},         {100, 1},   {61440, 2},  {61440, 300}, {61441, 2},
    {61441, 3}, {MIB, 300}, {3 * MIB, 129}, {LARGE, 1}, {LARGE, 64}, {LARGE, 65},
};

static int return_in_parts(pool_call_t *call)
{
    const struct cut_order *order = pool_call_arg(call, NULL);
    pool_bytes_t parts[PARTS_MOST];
    cut(pattern, order->size, order->count, parts);
    return pool_call_return_parts(call, parts, order->count);
}

static void test_value_in_parts_is_whole(void **state)
{
    (void)state;
    fill_pattern();
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        for (int early = 0; early < 2; early++) {
            pool_job_t *job =
                support_submit(pool, return_in_parts, &cuts[i], sizeof *cuts, &(pool_job_options_t){.early = early});
            expect_done(support_wait(job), cuts[i].size);
            pool_job_release(job);
        }
    pool_free(pool);
}

static int echo(pool_call_t *call)
{
    size_t size;
    const void *arg = pool_call_arg(call, &size);
    return pool_call_return(call, arg, size);
}

static void test_argument_in_parts_is_whole(void **state)
{
    (void)state;
    fill_pattern();
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        pool_bytes_t parts[PARTS_MOST];
        pool_job_t *job;
        cut(pattern, cuts[i].size, cuts[i].count, parts);
        assert_int_equal(pool_submit_parts(pool, echo, parts, cuts[i].count, NULL, &job), 0);
        expect_done(support_wait(job), cuts[i].size);
        pool_job_release(job);
    }
    pool_job_t *job;
    assert_int_equal(pool_submit_parts(pool, echo, NULL, 0, NULL, &job), 0);
    expect_done(support_wait(job), 0);
    pool_job_release(job);
    pool_free(pool);
}

/* Each refusal that is not as the header says sets a bit of the code. */
static int misuse_parts(pool_call_t *call)
{
    int wrong = 0;
    const pool_bytes_t no_data[] = {{pattern, 10}, {NULL, 1}};
    const pool_bytes_t too_large[] = {{pattern, SIZE_MAX}, {pattern, 2}};
    const pool_bytes_t larger_than_files[] = {{pattern, (size_t)1 << 63}};
    wrong |= pool_call_return_parts(call, NULL, 1) == -EINVAL ? 0 : 1;
    wrong |= pool_call_return_parts(call, no_data, 2) == -EINVAL ? 0 : 2;
    wrong |= pool_call_return_parts(call, too_large, 2) == -EINVAL ? 0 : 4;
    wrong |= pool_call_return_parts(call, larger_than_files, 1) == -EINVAL ? 0 : 8;
    wrong |= pool_call_return_parts(call, no_data, 1) == 0 ? 0 : 16;
    wrong |= pool_call_return_parts(call, no_data, 1) == -EALREADY ? 0 : 32;
    return wrong;
}

static void test_parts_misuse_is_refused(void **state)
{
    (void)state;
    fill_pattern();
    const pool_bytes_t no_data[] = {{pattern, 10}, {NULL, 1}};
    const pool_bytes_t too_large[] = {{pattern, SIZE_MAX}, {pattern, 2}};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, misuse_parts, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    assert_int_equal(result->code, 0);
    expect_done(result, 10);
    pool_job_release(job);
    assert_int_equal(pool_submit_parts(pool, echo, NULL, 2, NULL, &job), -EINVAL);
    assert_int_equal(pool_submit_parts(pool, echo, no_data, 2, NULL, &job), -EINVAL);
    assert_null(job);
    assert_int_equal(pool_submit_parts(pool, echo, too_large, 2, NULL, &job), -EINVAL);
    assert_int_equal(pool_submit_parts(pool, NULL, no_data, 1, NULL, &job), -EINVAL);
    pool_free(pool);
}

/* ---- in a memfd of the job's own --------------------------------------------------------------------------------- */

struct own {
    size_t written, size; /* bytes in the file, and that are returned */
    unsigned flags;       /* of memfd_create(2) */
    bool keep_mapped;
    int seals; /* set before */
};

static int return_own(pool_call_t *call)
{
    const struct own *own = pool_call_arg(call, NULL);
    const int fd = memfd_create("own", own->flags);
    if (fd < 0 || payload_write(fd, pattern, own->written) < 0)
        return pool_call_fail(call, 100, "%s", strerror(errno));
    if (own->keep_mapped && mmap(NULL, own->written, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
        return 101;
    if (own->seals != 0 && fcntl(fd, F_ADD_SEALS, own->seals) < 0)
        return 102;
    const int rc = pool_call_return_fd(call, fd, own->size);
    close(fd); /* the value does not need it */
    return -rc;
}

static const pool_result_t *run_own(pool_t *pool, struct own own, bool early, pool_job_t **job)
{
    *job = support_submit(pool, return_own, &own, sizeof own, &(pool_job_options_t){.early = early});
    return support_wait(*job);
}

static void test_own_memfd_is_the_value(void **state)
{
    (void)state;
    fill_pattern();
    const struct own good[] = {
        {.written = LARGE, .size = LARGE, .flags = MFD_ALLOW_SEALING | MFD_CLOEXEC},
        {.written = LARGE, .size = MIB, .flags = MFD_ALLOW_SEALING},
        {.written = 10, .size = 10, .flags = MFD_ALLOW_SEALING},
        {.written = 10, .size = 0, .flags = MFD_ALLOW_SEALING},
        {.written = 0, .size = 0, .flags = MFD_ALLOW_SEALING},
        {.written = LARGE, .size = LARGE, .flags = MFD_ALLOW_SEALING, .keep_mapped = true},
        {.written = LARGE, .size = LARGE, .flags = 0}, /* cannot be sealed */
        {.written = LARGE, .size = MIB, .flags = 0, .keep_mapped = true},
        {.written = LARGE, .size = LARGE, .flags = MFD_ALLOW_SEALING, .seals = F_SEAL_SHRINK | F_SEAL_GROW},
        {.written = LARGE, .size = LARGE, .flags = MFD_ALLOW_SEALING, .seals = F_SEAL_WRITE | F_SEAL_SEAL},
    };
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (int early = 0; early < 2; early++) {
            pool_job_t *job;
            expect_done(run_own(pool, good[i], early, &job), good[i].size);
            pool_job_release(job);
        }
    pool_free(pool);
}

static void test_own_memfd_too_short_is_refused(void **state)
{
    (void)state;
    const struct own bad[] = {
        {.written = 100, .size = 101, .flags = MFD_ALLOW_SEALING},
        {.written = 0, .size = 1, .flags = MFD_ALLOW_SEALING},
        {.written = 100, .size = (size_t)1 << 63, .flags = MFD_ALLOW_SEALING},
        {.written = 100, .size = SIZE_MAX, .flags = MFD_ALLOW_SEALING},
        {.written = 100, .size = 50, .flags = MFD_ALLOW_SEALING, .seals = F_SEAL_SHRINK},
    };
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pool_job_t *job;
        const pool_result_t *result = run_own(pool, bad[i], false, &job);
        support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
        assert_int_equal(result->code, EINVAL);
        assert_null(result->data);
        pool_job_release(job);
    }
    pool_free(pool);
}

static int refuse_others(pool_call_t *call)
{
    int wrong = 0, ends[2];
    char name[] = "/dev/shm/reclaim-test-XXXXXX";
    const int file = mkstemp(name), program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const int memfd = memfd_create("own", MFD_ALLOW_SEALING);
    if (file < 0 || program < 0 || memfd < 0 || pipe(ends) < 0 || ftruncate(file, 100) < 0 || ftruncate(memfd, 100) < 0)
        return 100;
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", memfd);
    const int read_only = open(path, O_RDONLY | O_CLOEXEC);
    wrong |= pool_call_return_fd(call, ends[0], 0) == -EINVAL ? 0 : 1;
    wrong |= pool_call_return_fd(call, file, 100) == -EINVAL ? 0 : 2; /* of a tmpfs */
    wrong |= pool_call_return_fd(call, program, 100) == -EINVAL ? 0 : 4;
    wrong |= pool_call_return_fd(call, 555, 100) == -EBADF ? 0 : 8;
    wrong |= pool_call_return_fd(call, -1, 0) == -EBADF ? 0 : 16;
    wrong |= pool_call_return_fd(call, read_only, 100) == -EINVAL ? 0 : 32;
    wrong |= pool_call_return(call, "good", 4) == 0 ? 0 : 64;
    wrong |= pool_call_return_fd(call, memfd, 100) == -EALREADY ? 0 : 128;
    unlink(name);
    return wrong;
}

static void test_other_descriptors_are_refused(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, refuse_others, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    assert_int_equal(result->code, 0);
    assert_int_equal(result->size, 4);
    assert_memory_equal(result->data, "good", 4);
    pool_job_release(job);
    pool_free(pool);
}

/* An error that nobody looks at: the job must not end well without its value. */
static int ignore_refusal(pool_call_t *call)
{
    pool_call_return_fd(call, 555, 100);
    return 0;
}

/* Puts another file where the value's is. */
static int reuse_descriptors(pool_call_t *call)
{
    pool_call_return(call, pattern, LARGE);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int fd = 3; fd < 100; fd++) {
        char path[40], name[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, name, sizeof name - 1) > 0 && strstr(name, "reclaim-result") != NULL)
            dup2(null, fd);
    }
    return 0;
}

static void test_values_that_cannot_be_returned_fail_their_jobs(void **state)
{
    (void)state;
    pool_t *pool = support_open_full(1, 0);
    pool_job_t *job = support_submit(pool, ignore_refusal, NULL, 0, NULL);
    expect_failed(support_wait(job), POOL_CAUSE_EXITED, "the value could not be returned: Invalid argument");
    pool_job_release(job);
    job = support_submit(pool, reuse_descriptors, NULL, 0, NULL);
    expect_failed(support_wait(job), POOL_CAUSE_EXITED, "closed or reused its descriptor");
    pool_job_release(job);
    pool_free(pool);
}

static int measure_own(pool_call_t *call)
{
    const bool *map = pool_call_arg(call, NULL);
    const size_t size = 64 * MIB;
    const int fd = memfd_create("own", MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return 1;
    if (*map)
        memset(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, size);
    for (size_t done = 0; !*map && done < size; done += MIB)
        if (pwrite(fd, pattern, MIB, (off_t)done) != (ssize_t)MIB)
            return 2;
    return -pool_call_return_fd(call, fd, size);
}

/* Once, whether it was written through a map or with write(2). */
static void test_own_memfd_counts_once(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    for (int map = 0; map < 2; map++) {
        const bool order = map != 0;
        pool_job_t *job = support_submit(pool, measure_own, &order, sizeof order, NULL);
        const pool_result_t *result = support_wait(job);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        if (result->usage.memory_method != POOL_MEMORY_CGROUP && !SUPPORT_SANITIZED)
            assert_in_range(result->usage.peak_memory, 62 * MIB, 72 * MIB);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* ---- failing with bytes ------------------------------------------------------------------------------------------ */

static int fail_with_bytes(pool_call_t *call)
{
    const size_t *size = pool_call_arg(call, NULL);
    pool_call_return(call, pattern, *size);
    return pool_call_fail(call, 4, "attempt %u", pool_call_attempt(call));
}

static void test_failed_jobs_keep_their_value(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 500, 61440, 61441, LARGE};
    fill_pattern();
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        const size_t size = sizes[i / 2];
        const pool_job_options_t options = {.early = i % 2 != 0, .retries = 1, .retry_on = POOL_RETRY_ON(POOL_FAILED)};
        pool_job_t *job = support_submit(pool, fail_with_bytes, &size, sizeof size, &options);
        const pool_result_t *result = support_wait(job);
        support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
        assert_string_equal(result->message, "attempt 2");
        assert_int_equal(result->code, 4);
        assert_int_equal(result->size, size);
        assert_true(size == 0 ? result->data == NULL : memcmp(result->data, pattern, size) == 0);
        pool_job_release(job);
    }
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    assert_int_equal(stats.settled[POOL_FAILED], 2 * sizeof sizes / sizeof *sizes);
    assert_int_equal(stats.settled[POOL_DONE], 0);
    assert_int_equal(stats.retried, 2 * sizeof sizes / sizeof *sizes);
    pool_free(pool);
}

static volatile sig_atomic_t asked;

static void on_term(int signal_number)
{
    (void)signal_number;
    asked = 1;
}

/* Runs until it is asked to end, and then ends with this code, and a value. */
static int end_when_asked(pool_call_t *call)
{
    const int *code = pool_call_arg(call, NULL);
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    signal(SIGTERM, on_term);
    while (!asked)
        sigsuspend(&before);
    pool_call_return(call, "last words", 10);
    return *code == 0 ? 0 : pool_call_fail(call, *code, "interrupted");
}

static void test_timed_out_jobs_that_end_by_themselves_say_so(void **state)
{
    (void)state;
    const int well = 0, badly = 3;
    const pool_job_options_t options = {.timeout_ms = 50, .kill_after_ms = 60000};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, end_when_asked, &badly, sizeof badly, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_string_equal(result->message, "over its timeout of 0.05 s; asked to end, it ended by itself: interrupted");
    assert_int_equal(result->code, 3);
    assert_int_equal(result->size, 10);
    assert_memory_equal(result->data, "last words", 10);
    pool_job_release(job);
    job = support_submit(pool, end_when_asked, &well, sizeof well, &options);
    result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_string_equal(result->message, "returned 0 when it was asked to end, over its timeout of 0.05 s");
    pool_job_release(job);
    pool_free(pool);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* All ways to set a value of so many bytes, each refused with -EFBIG; then one byte less. */
static int go_to_the_limit(pool_call_t *call)
{
    const size_t *limit = pool_call_arg(call, NULL);
    const size_t over = *limit + 1;
    const pool_bytes_t parts[] = {{pattern, *limit}, {pattern, 1}};
    const int hole = memfd_create("hole", MFD_ALLOW_SEALING);
    int wrong = 0;
    if (hole < 0 || ftruncate(hole, (off_t)over) < 0)
        return 100;
    wrong |= pool_call_return(call, pattern, over) == -EFBIG ? 0 : 1;
    wrong |= pool_call_return_parts(call, parts, 2) == -EFBIG ? 0 : 2;
    wrong |= pool_call_return_fd(call, hole, over) == -EFBIG ? 0 : 4;
    wrong |= pool_call_alloc_result(call, over) == NULL && errno == EFBIG ? 0 : 8;
    wrong |= pool_call_emit(call, pattern, over) == -EFBIG ? 0 : 16;
    wrong |= pool_call_emit(call, pattern, *limit) == 0 ? 0 : 32;
    wrong |= pool_call_return(call, pattern, *limit) == 0 ? 0 : 64;
    return wrong;
}

static void test_result_limit_is_kept_in_the_job(void **state)
{
    (void)state;
    static const size_t limits[] = {1, 100, 61440, MIB};
    fill_pattern();
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const pool_job_options_t options = {.result_limit = (int64_t)limits[i]};
        pool_job_t *job = support_submit(pool, go_to_the_limit, &limits[i], sizeof *limits, &options);
        const pool_result_t *result = support_wait(job);
        assert_int_equal(result->code, 0);
        expect_done(result, limits[i]);
        pool_job_release(job);
    }
    pool_free(pool);
}

static int return_and_hope(pool_call_t *call)
{
    pool_call_return(call, pattern, 101);
    return 0;
}

static int return_hole_of(pool_call_t *call, unsigned flags)
{
    const size_t *size = pool_call_arg(call, NULL);
    const int fd = memfd_create("hole", flags);
    if (fd < 0 || ftruncate(fd, (off_t)*size) < 0)
        return 1;
    const int rc = pool_call_return_fd(call, fd, *size);
    return rc < 0 ? pool_call_fail(call, -rc, "%s", strerror(-rc)) : 0;
}

static int return_hole(pool_call_t *call)
{
    return return_hole_of(call, MFD_ALLOW_SEALING);
}

static int return_unsealable_hole(pool_call_t *call)
{
    return return_hole_of(call, 0);
}

/* Without a limit of its own the memory limit counts, by size: a hole has no memory. And retry_oom raises it. */
static void test_result_limit_defaults_to_the_memory_limit(void **state)
{
    (void)state;
    const size_t size = 64 * MIB + 1;
    const struct {
        int64_t memory, limit;
        bool fits;
    } cases[] = {
        {64 * MIB, 0, false}, {64 * MIB, POOL_NONE, true}, {64 * MIB, 65 * MIB, true},
        {65 * MIB, 0, true},  {0, 64 * MIB, false},        {64 * MIB, 63 * MIB, false},
        {0, 0, true},         {0, POOL_NONE, true},
    };
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const pool_job_options_t options = {.memory_limit = cases[i].memory, .result_limit = cases[i].limit};
        pool_job_t *job = support_submit(pool, return_hole, &size, sizeof size, &options);
        const pool_result_t *result = support_wait(job);
        const bool is_by_memory = cases[i].limit == 0;
        assert_int_equal(result->outcome, cases[i].fits ? POOL_DONE : is_by_memory ? POOL_OUT_OF_MEMORY : POOL_FAILED);
        assert_int_equal(result->cause, cases[i].fits  ? POOL_CAUSE_EXITED
                                        : is_by_memory ? POOL_CAUSE_MEMORY_LIMIT
                                                       : POOL_CAUSE_EXITED);
        assert_int_equal(result->size, cases[i].fits ? size : 0);
        pool_job_release(job);
    }
    const pool_job_options_t raised = {.memory_limit = 40 * MIB, .retry_oom = 2};
    pool_job_t *larger = support_submit(pool, return_hole, &size, sizeof size, &raised);
    support_expect(support_wait(larger), POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(pool_job_result(larger)->usage.memory_limit, 80 * MIB);
    pool_job_release(larger);
    pool_job_t *job = support_submit(pool, return_and_hope, NULL, 0, &(pool_job_options_t){.result_limit = 100});
    expect_failed(support_wait(job), POOL_CAUSE_EXITED, "its 101 bytes are over its result_limit of 100");
    pool_job_release(job);
    pool_free(pool);
}

/* Says by itself what pool_call_return would have refused. */
static int say_too_much(pool_call_t *call)
{
    static uint8_t frame[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
    const size_t *size = pool_call_arg(call, NULL);
    struct message_result result = {.payload = PAYLOAD_INLINE, .size = *size, .data = {pattern, *size}};
    if (*size > FRAME_INLINE_MAX) {
        const int fd = memfd_create("hole", MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, (off_t)*size) < 0 || descriptor_send(thief_task_socket(), "d", 1, &fd, 1) != 1)
            return 1;
        result.payload = PAYLOAD_MEMFD;
        result.data.size = 0;
    }
    const ssize_t packed = message_pack(frame, sizeof frame, MESSAGE_RESULT, &result);
    if (packed < 0 || !thief_write(frame, (size_t)packed))
        return 2;
    _exit(0);
}

static void test_result_limit_is_kept_in_the_host(void **state)
{
    (void)state;
    static const size_t sizes[] = {101, 61440, 61441, (size_t)1 << 40, (size_t)1 << 62};
    pool_t *pool = support_open_full(1, 0);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        const pool_job_options_t options = {.result_limit = 100, .early = i % 2 != 0};
        pool_job_t *job = support_submit(pool, say_too_much, &sizes[i / 2], sizeof *sizes, &options);
        const pool_result_t *result = support_wait(job);
        char words[80];
        snprintf(words, sizeof words, "its value of %zu bytes is over its result_limit of 100", sizes[i / 2]);
        expect_failed(result, POOL_CAUSE_OUTPUT_LIMIT, words);
        assert_null(result->data);
        assert_int_equal(result->size, 0);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* A partial result that pool_call_emit would have refused. */
static int say_too_large_a_part(pool_call_t *call)
{
    static uint8_t frame[1024];
    const struct message_partial partial = {.payload = PAYLOAD_INLINE, .size = 101, .data = {pattern, 101}};
    const ssize_t packed = message_pack(frame, sizeof frame, MESSAGE_PARTIAL, &partial);
    (void)call;
    if (packed < 0 || !thief_write(frame, (size_t)packed))
        return 1;
    _exit(0);
}

static void test_result_limit_is_kept_for_partial_results(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, say_too_large_a_part, NULL, 0, &(pool_job_options_t){.result_limit = 100});
    support_expect(support_wait(job), POOL_CRASHED, POOL_CAUSE_PROTOCOL);
    pool_job_release(job);
    job = support_submit(pool, say_too_large_a_part, NULL, 0, &(pool_job_options_t){.result_limit = 101});
    support_expect(support_wait(job), POOL_CRASHED, POOL_CAUSE_EXITED);
    pool_job_release(job);
    pool_free(pool);
}

/* More descriptors than the host has room for, with a value or (argument 1) a partial result. */
static int send_too_many(pool_call_t *call)
{
    static uint8_t frame[1024];
    const bool is_partial = *(const int *)pool_call_arg(call, NULL) != 0;
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = MIB};
    const struct message_partial partial = {.payload = PAYLOAD_MEMFD, .size = MIB};
    int fds[FEW_FILES];
    memset(fds, 0, sizeof fds);
    const ssize_t packed = is_partial ? message_pack(frame, sizeof frame, MESSAGE_PARTIAL, &partial)
                                      : message_pack(frame, sizeof frame, MESSAGE_RESULT, &result);
    if (packed < 0 || descriptor_send(thief_task_socket(), "d", 1, fds, FEW_FILES) != 1 ||
        !thief_write(frame, (size_t)packed))
        return 1;
    _exit(0);
}

static int refuse_too_many(void *arg)
{
    const struct rlimit files = {FEW_FILES, FEW_FILES};
    const pool_job_options_t options = {.rerunnable = true};
    pool_t *pool;
    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = 1, .commands = true}, NULL) == 0);
    for (int is_partial = 0; is_partial < 2; is_partial++) {
        pool_job_t *job;
        CHILD_CHECK(pool_submit(pool, send_too_many, &is_partial, sizeof is_partial, &options, &job) == 0);
        CHILD_CHECK(pool_job_wait(job, -1) == 0);
        const pool_result_t *result = pool_job_result(job);
        CHILD_CHECK(result->outcome == (is_partial ? POOL_LOST : POOL_FAILED));
        CHILD_CHECK(strstr(result->message, "ulimit -n") != NULL);
        CHILD_CHECK(result->usage.attempt == 1 && result->usage.evictions == 0);
        pool_job_release(job);
    }
    pool_free(pool);
    return 0;
}

/* That fails the job, which is not run again for it, though it may be run again. */
static void test_more_descriptors_than_there_is_room_for(void **state)
{
    (void)state;
    child_run(false, refuse_too_many, NULL);
}

/* More than the machine has, or than any process can map, and no limit: the job fails by it, is not run again, and
 * nobody else notices. */
static void test_values_that_cannot_be_kept_fail_their_jobs(void **state)
{
    (void)state;
    static const size_t sizes[] = {(size_t)1 << 42, (size_t)1 << 48, (size_t)1 << 62, ((size_t)1 << 63) - 4096};
    fill_pattern();
    pool_t *pool = support_open_full(1, 0);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        const pool_job_options_t options = {.rerunnable = true, .retries = 3, .early = i % 4 < 2};
        pool_job_t *job = support_submit(pool, i % 2 != 0 ? return_hole : return_unsealable_hole, &sizes[i / 2],
                                         sizeof *sizes, &options);
        const pool_result_t *result = support_wait(job);
        char words[80];
        snprintf(words, sizeof words, "its value of %zu bytes cannot be kept: Cannot allocate memory", sizes[i / 2]);
        expect_failed(result, POOL_CAUSE_OUTPUT_LIMIT, words);
        assert_null(result->data);
        assert_int_equal(result->usage.attempt, 1);
        pool_job_release(job);
    }
    pool_job_t *job = support_submit(pool, echo, pattern, LARGE, NULL);
    expect_done(support_wait(job), LARGE);
    pool_job_release(job);
    pool_free(pool);
}

static int stumble_over_mappings(pool_call_t *call)
{
    const int fd = memfd_create("blind", MFD_ALLOW_SEALING);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int write_only = open(path, O_WRONLY | O_CLOEXEC);
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = MIB};
    static uint8_t frame[1024];
    const ssize_t packed = message_pack(frame, sizeof frame, MESSAGE_RESULT, &result);
    (void)call;
    if (write_only < 0 || ftruncate(fd, MIB) < 0 || descriptor_send(thief_task_socket(), "d", 1, &write_only, 1) != 1 ||
        packed < 0 || !thief_write(frame, (size_t)packed))
        return 1;
    _exit(0);
}

/* A memfd that the host can neither map nor read: that is the worker's doing. */
static void test_value_that_is_write_only_is_a_protocol_error(void **state)
{
    (void)state;
    pool_t *pool = support_open_full(1, 0);
    pool_job_t *job = support_submit(pool, stumble_over_mappings, NULL, 0, NULL);
    support_expect(support_wait(job), POOL_CRASHED, POOL_CAUSE_PROTOCOL);
    pool_job_release(job);
    pool_free(pool);
}

static void test_result_limit_is_checked_at_submit(void **state)
{
    (void)state;
    const char *const argv[] = {"true", NULL};
    const pool_command_t command = {.argv = argv};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    assert_int_equal(pool_submit(pool, echo, NULL, 0, &(pool_job_options_t){.result_limit = -2}, &job), -EINVAL);
    assert_int_equal(pool_submit_command(pool, &command, &(pool_job_options_t){.result_limit = 1}, &job), -EINVAL);
    assert_non_null(strstr(pool_message(), "result_limit is for function jobs"));
    pool_free(pool);
}

/* ---- as a map, as a descriptor ----------------------------------------------------------------------------------- */

static void expect_map(pool_job_t *job, size_t size)
{
    void *first, *second;
    size_t length;
    assert_int_equal(pool_job_value_map(job, &first, &length), 0);
    assert_int_equal(length, size);
    assert_int_equal(pool_job_value_map(job, &second, &length), 0);
    assert_int_equal(memcmp(first, pattern, size), 0);
    memset(first, 'w', size);
    assert_int_equal(memcmp(second, pattern, size), 0);
    assert_int_equal(memcmp(pool_job_result(job)->data, pattern, size), 0);
    assert_int_equal(munmap(first, size), 0);
    assert_int_equal(munmap(second, size), 0);
}

static void expect_bytes_in(int fd, size_t size)
{
    static unsigned char got[LARGE + 1];
    struct stat file;
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_size, size);
    size_t have = 0;
    for (ssize_t n; (n = read(fd, got + have, sizeof got - have)) > 0;)
        have += (size_t)n;
    assert_int_equal(have, size);
    assert_int_equal(memcmp(got, pattern, size), 0);
}

static void expect_descriptor(pool_job_t *job, size_t size)
{
    const int first = pool_job_value_fd(job), second = pool_job_value_fd(job);
    assert_true(first >= 0 && second >= 0 && first != second);
    assert_true((fcntl(first, F_GETFD) & FD_CLOEXEC) != 0);
    expect_bytes_in(first, size);
    expect_bytes_in(second, size); /* with an offset of its own */
    assert_int_equal(payload_check(first, size, true), 0);
    assert_int_equal(ftruncate(first, 0), -1);
    assert_int_equal(pwrite(first, "x", 1, 0), -1);
    close(first);
    close(second);
}

static void test_value_as_map_and_descriptor(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 61440, 61441, LARGE};
    fill_pattern();
    pool_t *pool = support_open(1, 0);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        const size_t size = sizes[i / 2];
        pool_job_t *job = support_submit(pool, echo, pattern, size, &(pool_job_options_t){.early = i % 2 != 0});
        expect_done(support_wait(job), size);
        expect_map(job, size);
        expect_descriptor(job, size);
        pool_job_release(job);
    }
    pool_free(pool);
}

/* A value that could not be sealed is a copy here, and can be had in both forms all the same. */
static void test_value_that_was_copied_as_map_and_descriptor(void **state)
{
    (void)state;
    fill_pattern();
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    expect_done(run_own(pool, (struct own){.written = LARGE, .size = LARGE}, false, &job), LARGE);
    expect_map(job, LARGE);
    expect_descriptor(job, LARGE);
    pool_job_release(job);
    pool_free(pool);
}

static void test_map_and_descriptor_outlive_job_and_pool(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, LARGE};
    fill_pattern();
    for (size_t i = 0; i < 2; i++) {
        void *data;
        size_t size;
        pool_t *pool = support_open(1, 0);
        pool_job_t *job = support_submit(pool, echo, pattern, sizes[i], NULL);
        support_wait(job);
        pool_free(pool);
        const int fd = pool_job_value_fd(job);
        assert_true(fd >= 0);
        assert_int_equal(pool_job_value_map(job, &data, &size), 0);
        pool_job_release(job);
        expect_bytes_in(fd, sizes[i]);
        assert_int_equal(memcmp(data, pattern, sizes[i]), 0);
        memset(data, 'w', size);
        munmap(data, size);
        close(fd);
    }
}

static int wait_for_ever(pool_call_t *call)
{
    (void)call;
    while (pause() < 0)
        ;
    return 0;
}

static void test_map_and_descriptor_misuse(void **state)
{
    (void)state;
    void *data = &data;
    size_t size = 7;
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, wait_for_ever, NULL, 0, NULL);
    assert_int_equal(pool_job_value_fd(job), -EAGAIN);
    assert_int_equal(pool_job_value_map(job, &data, &size), -EAGAIN);
    assert_null(data);
    assert_int_equal(size, 0);
    assert_int_equal(pool_job_cancel(job), 0);
    support_wait(job);
    assert_int_equal(pool_job_value_fd(job), -ENODATA);
    assert_non_null(strstr(pool_message(), "cancelled"));
    assert_int_equal(pool_job_value_map(job, &data, &size), -ENODATA);
    assert_int_equal(pool_job_value_map(job, NULL, &size), -EINVAL);
    assert_int_equal(pool_job_value_map(NULL, &data, &size), -EINVAL);
    assert_int_equal(pool_job_value_fd(NULL), -EINVAL);
    pool_job_release(job);
    pool_free(pool);
}

#define MANY_VALUE 200

/* More values than descriptors: all are there, and each can be had as a descriptor. */
static int hold_many(void *arg)
{
    const struct rlimit files = {FEW_FILES, FEW_FILES};
    static pool_job_t *jobs[MANY_VALUE];
    pool_t *pool;
    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = 1, .commands = true}, NULL) == 0);
    for (size_t i = 0; i < MANY_VALUE; i++) {
        CHILD_CHECK(pool_submit(pool, echo, pattern, 100000, NULL, &jobs[i]) == 0);
        CHILD_CHECK(pool_job_wait(jobs[i], -1) == 0);
    }
    for (size_t i = 0; i < MANY_VALUE; i++) {
        CHILD_CHECK(pool_job_result(jobs[i])->outcome == POOL_DONE);
        const int fd = pool_job_value_fd(jobs[i]);
        CHILD_CHECK(fd >= 0 && payload_check(fd, 100000, true) == 0);
        close(fd);
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
    return 0;
}

static void test_more_values_than_descriptors(void **state)
{
    (void)state;
    fill_pattern();
    child_run(false, hold_many, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_value_in_parts_is_whole),
        SUPPORT_TEST(test_argument_in_parts_is_whole),
        SUPPORT_TEST(test_parts_misuse_is_refused),
        SUPPORT_TEST(test_own_memfd_is_the_value),
        SUPPORT_TEST(test_own_memfd_too_short_is_refused),
        SUPPORT_TEST(test_other_descriptors_are_refused),
        SUPPORT_TEST(test_values_that_cannot_be_returned_fail_their_jobs),
        SUPPORT_TEST(test_own_memfd_counts_once),
        SUPPORT_TEST(test_failed_jobs_keep_their_value),
        SUPPORT_TEST(test_timed_out_jobs_that_end_by_themselves_say_so),
        SUPPORT_TEST(test_result_limit_is_kept_in_the_job),
        SUPPORT_TEST(test_result_limit_defaults_to_the_memory_limit),
        SUPPORT_TEST(test_result_limit_is_kept_in_the_host),
        SUPPORT_TEST(test_result_limit_is_kept_for_partial_results),
        SUPPORT_TEST(test_more_descriptors_than_there_is_room_for),
        SUPPORT_TEST(test_values_that_cannot_be_kept_fail_their_jobs),
        SUPPORT_TEST(test_value_that_is_write_only_is_a_protocol_error),
        SUPPORT_TEST(test_result_limit_is_checked_at_submit),
        SUPPORT_TEST(test_value_as_map_and_descriptor),
        SUPPORT_TEST(test_value_that_was_copied_as_map_and_descriptor),
        SUPPORT_TEST(test_map_and_descriptor_outlive_job_and_pool),
        SUPPORT_TEST(test_map_and_descriptor_misuse),
        SUPPORT_TEST(test_more_values_than_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
