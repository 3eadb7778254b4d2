/* The probe: it finds a lock of libc's that nobody will release, in every way in which that shows. */
#include "image.h"

#include "process.h"
#include "support.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static sigset_t child;

/* As the keeper is. */
static int be_keeper(void **state)
{
    sigset_t old;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &old);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return support_begin(state);
}

static int be_ordinary(void **state)
{
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    sigprocmask(SIG_UNBLOCK, &child, NULL);
    return support_end(state);
}

#define IMAGE_TEST(function) cmocka_unit_test_setup_teardown(function, be_keeper, be_ordinary)

static void test_image_at_rest_is_good(void **state)
{
    (void)state;
    assert_null(image_lock_held(&child, false));
    assert_null(image_lock_held(&child, true));
}

/* The lock belongs to this thread, and the probe's thread has another number: it waits. */
static int try_inside(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)info;
    (void)size;
    *(const char **)found = image_lock_held(&child, false);
    return 1;
}

static void test_image_with_a_lock_held(void **state)
{
    const char *found = NULL;
    (void)state;
    const int64_t begun = process_now_ms();
    dl_iterate_phdr(try_inside, &found);
    assert_non_null(found);
    assert_non_null(strstr(found, "dl_iterate_phdr()"));
    assert_true(process_now_ms() - begun < 900); /* it is seen, not waited for */
}

/* What a host without dumps shows of its children: only that they sleep. Root sees all. */
static void test_image_that_cannot_be_looked_at(void **state)
{
    const char *found = NULL;
    (void)state;
    prctl(PR_SET_DUMPABLE, 0);
    dl_iterate_phdr(try_inside, &found);
    prctl(PR_SET_DUMPABLE, 1);
    assert_non_null(found);
}

/* ---- fork handlers: no fork repairs what they do ----------------------------------------------------------------- */

static enum { WELL, HANG_BEFORE, HANG_IN_CHILD, SPIN, DIE } handler;
static sem_t never;

static void before_fork(void)
{
    if (handler == HANG_BEFORE)
        sem_wait(&never);
}

static void in_child(void)
{
    if (handler == HANG_IN_CHILD)
        sem_wait(&never);
    while (handler == SPIN)
        ;
    if (handler == DIE)
        _exit(1);
}

static void test_image_with_bad_fork_handlers(void **state)
{
    (void)state;
    sem_init(&never, 0, 0);
    pthread_atfork(before_fork, NULL, in_child);
    for (handler = HANG_BEFORE; handler <= DIE; handler++) {
        assert_null(image_lock_held(&child, false));
        const char *found = image_lock_held(&child, true);
        assert_non_null(found);
        assert_string_equal(found, "a fork handler");
    }
    handler = WELL;
    assert_null(image_lock_held(&child, true));
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static bool is_mapped(const char *address)
{
    unsigned char resident;
    return mincore((void *)(uintptr_t)address, 1, &resident) == 0;
}

static void test_image_drops_whole_pages(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const pool_bytes_t ranges[] = {
        {memory + 1, page},                /* no whole page */
        {memory + 2 * page - 1, page + 2}, /* one */
        {memory + 5 * page, 2 * page},
        {memory + 5 * page, page}, /* once more */
    };
    size_t which;
    (void)state;
    assert_true(memory != MAP_FAILED);
    assert_int_equal(image_drop(ranges, 4, &which), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(is_mapped(memory + i * page), i != 2 && i != 5 && i != 6);
    munmap(memory, 8 * page);
    const pool_bytes_t beyond[] = {{memory, page}, {(void *)(UINTPTR_MAX - 4 * page + 1), 2 * page}};
    assert_int_equal(image_drop(beyond, 2, &which), -EINVAL);
    assert_int_equal(which, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(test_image_at_rest_is_good),          IMAGE_TEST(test_image_with_a_lock_held),
        IMAGE_TEST(test_image_that_cannot_be_looked_at), IMAGE_TEST(test_image_with_bad_fork_handlers),
        IMAGE_TEST(test_image_drops_whole_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
