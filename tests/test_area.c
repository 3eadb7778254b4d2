/* The area's memory: what it is made of, what may not be mapped, what nobody can do with it once the host has it. */
#include "area.h"

#include "child.h"
#include "payload.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SLOTS ((size_t)3)

enum { TASKS, PAGES };

static void close_both(const int fds[2])
{
    assert_int_equal(close(fds[TASKS]), 0);
    assert_int_equal(close(fds[PAGES]), 0);
}

static off_t size_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void test_area_sizes(void **state)
{
    (void)state;
    const size_t machine = (size_t)sysconf(_SC_PAGESIZE), page = area_page_size();
    assert_true(page >= 4096 && page % machine == 0);
    assert_int_equal(AREA_TASK_SIZE % page, 0); /* a slot's task is mapped alone */
    assert_int_equal(area_pages_size(SLOTS), (SLOTS + 1) * page);
    assert_in_range(sizeof(struct area_page), 1, page);
    assert_in_range(sizeof(struct area_host_page), 1, page);
}

static void test_area_create(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    assert_int_equal(size_of(fds[TASKS]), SLOTS * AREA_TASK_SIZE);
    assert_int_equal(size_of(fds[PAGES]), area_pages_size(SLOTS));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(fds[i], F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_SHRINK | F_SEAL_GROW);
        assert_int_equal(ftruncate(fds[i], 0), -1);
        assert_int_equal(ftruncate(fds[i], 1 << 20), -1);
    }
    close_both(fds);
}

/* What is written at a place of the host's is at that place of the file. */
static void assert_at(int fd, size_t offset, void *place)
{
    static const char word[] = "a word";
    char read_back[sizeof word];
    memcpy(place, word, sizeof word);
    assert_int_equal(pread(fd, read_back, sizeof read_back, (off_t)offset), sizeof read_back);
    assert_memory_equal(read_back, word, sizeof word);
}

static void test_area_map_places(void **state)
{
    struct area area;
    int fds[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    assert_int_equal(area_map(&area, SLOTS, fds), 0);
    assert_int_equal(area.slots, SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        assert_at(fds[TASKS], i * AREA_TASK_SIZE, area_task(&area, i));
        assert_at(fds[PAGES], i * area_page_size(), area_page(&area, i));
    }
    assert_at(fds[PAGES], SLOTS * area_page_size(), area_host_page(&area));
    close_both(fds);
    ((uint8_t *)area_task(&area, SLOTS - 1))[AREA_TASK_SIZE - 1] = 1; /* the descriptors need not stay open */
    area_unmap(&area);
    assert_true(area.tasks == NULL && area.pages == NULL && area.slots == 0);
    area_unmap(&area);
}

static void test_area_map_pages_alone(void **state)
{
    struct area area;
    int fds[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    assert_int_equal(area_map_pages(&area, SLOTS, fds[PAGES]), 0);
    assert_null(area.tasks);
    assert_at(fds[PAGES], area_page_size(), area_page(&area, 1));
    area_unmap(&area);
    assert_null(area.pages);
    close_both(fds);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

/* A memfd of that size with these seals. */
static int make(size_t size, int seals)
{
    const int fd = payload_create("not-an-area");
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void assert_refused(size_t slots, int tasks, int pages)
{
    const int fds[2] = {tasks, pages};
    struct area area = {.slots = 99};
    assert_int_equal(area_map(&area, slots, fds), -EBADMSG);
    assert_true(area.tasks == NULL && area.pages == NULL);
    area_unmap(&area);
}

static void test_area_of_another_size_is_refused(void **state)
{
    int fds[2], others[2];
    struct area area;
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    assert_int_equal(area_create(SLOTS + 1, others), 0);
    assert_refused(SLOTS + 1, fds[TASKS], fds[PAGES]);
    assert_refused(SLOTS - 1, fds[TASKS], fds[PAGES]);
    assert_refused(SLOTS, others[TASKS], fds[PAGES]);
    assert_refused(SLOTS, fds[TASKS], others[PAGES]);
    assert_refused(SLOTS, fds[PAGES], fds[TASKS]);
    assert_int_equal(area_map_pages(&area, SLOTS, others[PAGES]), -EBADMSG);
    assert_int_equal(area_map_pages(&area, SLOTS, fds[TASKS]), -EBADMSG);
    close_both(others);
    close_both(fds);
}

static void test_area_that_may_shrink_is_refused(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    const int tasks = make(SLOTS * AREA_TASK_SIZE, F_SEAL_GROW), pages = make(area_pages_size(SLOTS), F_SEAL_GROW);
    assert_refused(SLOTS, tasks, fds[PAGES]);
    assert_refused(SLOTS, fds[TASKS], pages);
    close(tasks);
    close(pages);
    close_both(fds);
}

static void test_area_that_is_no_memfd_is_refused(void **state)
{
    int fds[2], ends[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    support_pipe(ends);
    assert_refused(SLOTS, ends[0], fds[PAGES]);
    assert_refused(SLOTS, fds[TASKS], ends[0]);
    assert_refused(SLOTS, -1, fds[PAGES]);
    assert_refused(SLOTS, fds[TASKS], -1);
    close(ends[0]);
    close(ends[1]);
    close_both(fds);
}

/* ---- what the host's seals forbid -------------------------------------------------------------------------------- */

static bool knows_future_write(void)
{
    const int fd = payload_create("probe");
    assert_true(fd >= 0);
    const bool knows = fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0;
    close(fd);
    return knows;
}

static void assert_fails(int rc, int error)
{
    const int found = errno;
    assert_int_equal(rc, -1);
    assert_int_equal(found, error);
}

static void assert_not_writable(int fd, size_t size)
{
    errno = 0;
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_fails(mapped == MAP_FAILED ? -1 : 0, EPERM);
    mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(mapped != MAP_FAILED);
    assert_fails(mprotect(mapped, size, PROT_READ | PROT_WRITE), EACCES);
    munmap(mapped, size);
    assert_fails((int)pwrite(fd, "x", 1, 0), EPERM);
    assert_fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size), EPERM);
}

static void test_area_seals_of_the_host(void **state)
{
    struct area area;
    int fds[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    assert_int_equal(area_map(&area, SLOTS, fds), 0);
    for (int i = 0; i < 2; i++) {
        assert_fails(ftruncate(fds[i], 0), EPERM);
        assert_fails(ftruncate(fds[i], 1 << 20), EPERM);
        assert_fails(fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE), EPERM); /* nobody forbids the host to write */
    }
    if (knows_future_write())
        assert_not_writable(fds[TASKS], SLOTS * AREA_TASK_SIZE);
    assert_at(fds[TASKS], AREA_TASK_SIZE, area_task(&area, 1)); /* the host's own mapping is as before */
    void *page = mmap(NULL, area_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fds[PAGES], 0);
    assert_true(page != MAP_FAILED); /* the fork server maps one for each worker */
    munmap(page, area_page_size());
    area_unmap(&area);
    close_both(fds);
}

/* msync(2): ENOMEM, the memory is not mapped. */
static int check_unmapped(void *arg)
{
    const struct area *area = arg;
    CHILD_CHECK(msync(area->tasks, area->slots * AREA_TASK_SIZE, MS_ASYNC) < 0 && errno == ENOMEM);
    CHILD_CHECK(msync(area->pages, area_pages_size(area->slots), MS_ASYNC) < 0 && errno == ENOMEM);
    return 0;
}

static void test_area_is_not_in_a_fork(void **state)
{
    struct area area;
    int fds[2];
    (void)state;
    assert_int_equal(area_create(SLOTS, fds), 0);
    assert_int_equal(area_map(&area, SLOTS, fds), 0);
    assert_int_equal(msync(area.tasks, SLOTS * AREA_TASK_SIZE, MS_ASYNC), 0);
    assert_int_equal(msync(area.pages, area_pages_size(SLOTS), MS_ASYNC), 0);
    child_run(false, check_unmapped, &area);
    area_unmap(&area);
    close_both(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_area_sizes),
        SUPPORT_TEST(test_area_create),
        SUPPORT_TEST(test_area_map_places),
        SUPPORT_TEST(test_area_map_pages_alone),
        SUPPORT_TEST(test_area_of_another_size_is_refused),
        SUPPORT_TEST(test_area_that_may_shrink_is_refused),
        SUPPORT_TEST(test_area_that_is_no_memfd_is_refused),
        SUPPORT_TEST(test_area_seals_of_the_host),
        SUPPORT_TEST(test_area_is_not_in_a_fork),
    };
    return cmocka_run_group_tests_name("area", tests, NULL, NULL);
}
