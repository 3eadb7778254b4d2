/* What may be left out of a pool's processes: every refusal says which range, and why. */
#include "exclude.h"

#include "failure.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char statics[100000];

static void assert_refused(const void *data, size_t size, int rc, const char *word)
{
    const pool_bytes_t good = {malloc(1), 1}, ranges[] = {good, {data, size}};
    const int got = exclude_check(ranges, 2, NULL, 0);
    if (got != rc || strstr(pool_message(), word) == NULL || strstr(pool_message(), "exclude[1]") == NULL)
        fail_msg("%s: %d instead of %d: %s", word, got, rc, pool_message());
    free((void *)(uintptr_t)good.data);
}

static void test_exclude_what_a_host_allocates(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 4 * page;
    char *small = malloc(100), *large = malloc(10 << 20);
    char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(small != NULL && large != NULL && mapped != MAP_FAILED);
    mprotect(mapped + page, page, PROT_READ); /* several mappings, without a gap */
    mprotect(mapped + 2 * page, page, PROT_NONE);
    const pool_bytes_t ranges[] = {{small, 100}, {large, 10 << 20}, {mapped, size}, {mapped + 5, 1}, {mapped, size}};
    assert_int_equal(exclude_check(ranges, 5, NULL, 0), 0);

    const struct exclude_need needs[] = {{"", 0, "nothing"}, {mapped + page, 1, "the crown jewels"}};
    assert_int_equal(exclude_check(ranges, 2, needs, 2), 0);
    assert_int_equal(exclude_check(ranges, 5, needs, 2), -EINVAL);
    assert_non_null(strstr(pool_message(), "exclude[2]"));
    assert_non_null(strstr(pool_message(), "the crown jewels"));

    munmap(mapped + page, page);
    assert_refused(mapped, size, -EFAULT, "not all mapped");
    assert_refused(mapped + page, page, -EFAULT, "not all mapped");
    munmap(mapped, size);
    free(small);
    free(large);
}

static void test_exclude_refuses_what_is_shared(void **state)
{
    const size_t size = 1 << 16;
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *code = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(shared != MAP_FAILED && code != MAP_FAILED);
    assert_refused(shared, size, -EFAULT, "not private memory");
    assert_refused(code, size, -EFAULT, "not private memory");
    munmap(shared, size);
    munmap(code, size);
}

/* Of a thread that has its stack from mmap(2), where no name tells it. */
static void *refuse_own_stack(void *other)
{
    char local[100] = "";
    assert_refused(local, sizeof local, -EINVAL, "the stack of the calling thread");
    assert_refused(&errno, 1, -EINVAL, "");
    assert_refused(other, 100, -EFAULT, "not private memory"); /* the first thread's: [stack] */
    return NULL;
}

static void test_exclude_refuses_what_the_pool_needs(void **state)
{
    char local[100] = "";
    pthread_t thread;
    (void)state;
    assert_refused(statics, sizeof statics, -EINVAL, "code or static data");
    assert_refused((const void *)(uintptr_t)&exclude_check, 1, -EINVAL, "code or static data");
    assert_refused((const void *)(uintptr_t)&environ, sizeof environ, -EINVAL, "code or static data");
    assert_refused(stdin, 1, -EINVAL, "code or static data"); /* libc's */
    assert_refused(local, sizeof local, -EINVAL, "the stack of the calling thread");
    assert_refused(&errno, 1, -EINVAL, "");
    assert_int_equal(pthread_create(&thread, NULL, refuse_own_stack, local), 0);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_exclude_what_a_host_allocates),
        SUPPORT_TEST(test_exclude_refuses_what_is_shared),
        SUPPORT_TEST(test_exclude_refuses_what_the_pool_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
