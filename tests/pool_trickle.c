/* Everything that goes through a pipe comes and goes a byte at a time: this program's own read, write and writev stand
 * before those of the C library, in the host and, for that is its copy, in every worker. */
#undef _FORTIFY_SOURCE /* its read would be an inline one */
#include "support.h"

#include <dlfcn.h>
#include <reclaim/call.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define INLINE_SIZE 20000 /* in one frame */
#define LARGE_SIZE  200000
#define PARTS       10
#define PART_SIZE   5000 /* what fits PIPE_BUF is written at once */

/* ---- the bottleneck --------------------------------------------------------------------------------------------- */

static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static atomic_bool trickling;
static atomic_ulong bytes_read, bytes_written;

static void find(const char *name, void *function)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

__attribute__((constructor)) static void find_real(void)
{
    find("read", &real_read);
    find("write", &real_write);
    find("writev", &real_writev);
}

static bool is_pipe(int fd)
{
    struct stat st;
    return atomic_load(&trickling) && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

ssize_t read(int fd, void *data, size_t size)
{
    if (size <= 1 || !is_pipe(fd))
        return real_read(fd, data, size);
    atomic_fetch_add(&bytes_read, 1);
    return real_read(fd, data, 1);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (size == 0 || !is_pipe(fd))
        return real_write(fd, data, size);
    atomic_fetch_add(&bytes_written, 1);
    return real_write(fd, data, 1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!is_pipe(fd))
        return real_writev(fd, parts, count);
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len > 0)
            return write(fd, parts[i].iov_base, 1);
    return 0;
}

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(i);
}

static bool is_pattern(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != pattern(i))
            return false;
    return true;
}

/* Checks its argument, and returns as much: after partial results. */
static int echo(pool_call_t *call)
{
    size_t size;
    const uint8_t *arg = pool_call_arg(call, &size);
    if (!is_pattern(arg, size))
        return pool_call_fail(call, 1, "the argument is not what was sent");
    for (int i = 0; i < PARTS; i++)
        pool_call_emit(call, arg, PART_SIZE);
    if (atomic_load(&bytes_written) < PARTS * PART_SIZE)
        return pool_call_fail(call, 3, "it did not trickle up");
    return pool_call_return(call, arg, size);
}

/* The same, of a value and partial results that a plain worker sends in pieces. */
static int make(pool_call_t *call)
{
    static uint8_t data[LARGE_SIZE];
    fill(data, sizeof data);
    if (pool_call_emit(call, data, sizeof data) < 0 || pool_call_emit(call, data, PART_SIZE) < 0)
        return pool_call_fail(call, 1, "it could not emit");
    return pool_call_return(call, data, sizeof data);
}

struct parts {
    unsigned right, wrong;
};

static void on_part(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct parts *parts = user;
    (void)job;
    if (event->kind == POOL_EVENT_PARTIAL)
        ++*(event->size == PART_SIZE && is_pattern(event->data, event->size) ? &parts->right : &parts->wrong);
}

static void run_echo(size_t size)
{
    static uint8_t data[LARGE_SIZE];
    struct parts parts = {.right = 0};
    const pool_job_options_t options = {.on_event = on_part, .user = &parts};
    pool_t *pool = support_open(1, POOL_NONE);
    fill(data, size);
    pool_job_t *job = support_submit(pool, echo, data, size, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, size);
    assert_true(is_pattern(result->data, size));
    assert_int_equal(parts.right, PARTS);
    assert_int_equal(parts.wrong, 0);
    pool_job_release(job);
    pool_free(pool);
}

static void test_trickle_inline_payloads(void **state)
{
    (void)state;
    atomic_store(&trickling, true);
    atomic_store(&bytes_read, 0);
    run_echo(INLINE_SIZE);
    assert_true(atomic_load(&bytes_read) > INLINE_SIZE + PARTS * PART_SIZE);
    atomic_store(&trickling, false);
}

static void test_trickle_beside_large_payloads(void **state)
{
    (void)state;
    atomic_store(&trickling, true);
    run_echo(LARGE_SIZE);
    atomic_store(&trickling, false);
}

static void on_large_part(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct parts *parts = user;
    const size_t size = parts->right == 0 ? LARGE_SIZE : PART_SIZE;
    (void)job;
    if (event->kind == POOL_EVENT_PARTIAL)
        ++*(event->size == size && is_pattern(event->data, size) ? &parts->right : &parts->wrong);
}

static void test_trickle_pieces(void **state)
{
    struct parts parts = {.right = 0};
    const pool_job_options_t options = {.on_event = on_large_part, .user = &parts};
    (void)state;
    atomic_store(&trickling, true);
    pool_t *pool = support_open(1, POOL_NONE);
    pool_job_t *job = support_submit(pool, make, NULL, 0, &options);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, LARGE_SIZE);
    assert_true(is_pattern(result->data, LARGE_SIZE));
    assert_int_equal(parts.right, 2);
    assert_int_equal(parts.wrong, 0);
    pool_job_release(job);
    pool_free(pool);
    atomic_store(&trickling, false);
}

static void run_command(const char *const *argv, const char *expected)
{
    const pool_command_t command = {.argv = argv, .stdout_mode = POOL_STREAM_CAPTURE};
    pool_t *pool = support_open(1, POOL_NONE);
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_string_equal(result->out, expected);
    pool_job_release(job);
    pool_free(pool);
}

static void test_trickle_commands_and_their_output(void **state)
{
    static const char *const say[] = {"sh", "-c", "echo one; echo two", NULL};
    (void)state;
    atomic_store(&trickling, true);
    run_command(say, "one\ntwo\n");
    atomic_store(&trickling, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_trickle_inline_payloads),
        SUPPORT_TEST(test_trickle_beside_large_payloads),
        SUPPORT_TEST(test_trickle_pieces),
        SUPPORT_TEST(test_trickle_commands_and_their_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
