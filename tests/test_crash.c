/* The crash note: what a real crash leaves, and words for pages that anybody may have written over. */
#include "crash.h"

#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct page page;

/* Describes into room that ends where it ends: the sanitizer sees a byte too much. */
static char *describe(size_t room, size_t *length)
{
    char *text = malloc(room);
    assert_non_null(text);
    *length = crash_describe(&page, text, room);
    assert_int_equal(strlen(text), *length);
    assert_true(*length < room);
    return text;
}

static void assert_describes(const char *expected)
{
    size_t length;
    char *text = describe(65536, &length);
    if (strstr(text, expected) == NULL)
        fail_msg("no '%s' in: %s", expected, text);
    free(text);
}

static void test_crash_no_note(void **state)
{
    (void)state;
    static const uint32_t signals[] = {0, NSIG, 9999, UINT32_MAX, UINT32_C(1) << 31};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        size_t length;
        page = (struct page){.crash_signal = signals[i], .crash_code = 1, .trace_size = 3};
        free(describe(100, &length));
        assert_int_equal(length, 0);
    }
}

static void test_crash_words(void **state)
{
    (void)state;
    page = (struct page){.crash_signal = SIGSEGV, .crash_code = SEGV_MAPERR, .crash_address = 0x1234};
    assert_describes("signal 11 (Segmentation fault) at address 0x1234");
    page = (struct page){.crash_signal = SIGABRT, .crash_code = SI_TKILL, .crash_address = 0x1234};
    assert_describes("signal 6 (Aborted)");
    page.trace_size = 3;
    page.trace[0] = (uint64_t)(uintptr_t)support_rss;
    page.trace[1] = 0;
    page.trace[2] = UINT64_MAX;
    assert_describes("\n  #0 test_crash+0x");
    assert_describes(" (support_rss+0x0)\n  #1 0x0\n  #2 0xffffffffffffffff");
}

/* A signal that was sent has no address. */
static void test_crash_address_only_of_faults(void **state)
{
    (void)state;
    size_t length;
    page = (struct page){.crash_signal = SIGSEGV, .crash_code = SI_TKILL, .crash_address = 0x1234};
    char *text = describe(200, &length);
    assert_null(strstr(text, "address"));
    free(text);
}

static void test_crash_wild_trace_size(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {PAGE_TRACE_MAX, PAGE_TRACE_MAX + 1, 1000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t length;
        page = (struct page){.crash_signal = SIGBUS, .trace_size = sizes[i]};
        char *text = describe(65536, &length);
        assert_non_null(strstr(text, "#39 "));
        assert_null(strstr(text, "#40 "));
        free(text);
    }
}

/* Every length of room, down to the NUL alone. */
static void test_crash_little_room(void **state)
{
    (void)state;
    size_t length, last = 0;
    page = (struct page){.crash_signal = SIGSEGV, .crash_code = 1, .crash_address = UINT64_MAX, .trace_size = 4};
    for (size_t room = 1; room < 200; room++) {
        free(describe(room, &length));
        assert_true(length == room - 1 || length == last);
        last = length;
    }
}

/* Any bytes at all: addresses are looked up, never followed. */
static void test_crash_random_pages(void **state)
{
    (void)state;
    srandom(5);
    for (int round = 0; round < 300; round++) {
        unsigned char *bytes = (unsigned char *)&page;
        size_t length;
        for (size_t i = 0; i < sizeof page; i++)
            bytes[i] = (unsigned char)random();
        page.crash_signal %= 70;
        for (size_t i = 0; i < PAGE_TRACE_MAX; i += 2) /* near what is mapped */
            page.trace[i] = (uint64_t)(uintptr_t)support_rss + (uint64_t)(random() % 100000) - 50000;
        free(describe((size_t)random() % 5000 + 1, &length));
    }
}

/* ---- real crashes ----------------------------------------------------------------------------------------------- */

struct scene {
    struct page *page;
    volatile char *forbidden; /* not to be written */
};

static struct scene scene_open(void)
{
    struct scene scene;
    scene.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    scene.forbidden = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(scene.page != MAP_FAILED && scene.forbidden != MAP_FAILED);
    return scene;
}

static void scene_close(const struct scene *scene)
{
    munmap(scene->page, 4096);
    munmap((void *)(uintptr_t)scene->forbidden, 4096);
}

static void fault(const struct scene *scene)
{
    scene->forbidden[100] = 1;
}

static void send_abort(const struct scene *scene)
{
    (void)scene;
    raise(SIGABRT);
}

/* A process that the worker forked is not the worker: its crash is no note. */
static void fault_in_a_child(const struct scene *scene)
{
    const pid_t pid = fork();
    if (pid == 0)
        fault(scene);
    waitpid(pid, NULL, 0);
    _exit(0);
}

/* Runs in a child with the handlers: the signal that it died of, 0 for none. */
static int crash_by(void (*crash)(const struct scene *), const struct scene *scene, bool note)
{
    const struct rlimit no_core = {0};
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        crash_install();
        if (note)
            crash_note_in(scene->page, getpid());
        crash(scene);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_crash_of_a_fault_is_noted(void **state)
{
    (void)state;
    const struct scene scene = scene_open();
    char expected[64];
    assert_int_equal(crash_by(fault, &scene, true), SIGSEGV);
    page = *scene.page;
    snprintf(expected, sizeof expected, "signal 11 (Segmentation fault) at address %p",
             (void *)(uintptr_t)(scene.forbidden + 100));
    assert_describes(expected);
    assert_true(page.trace_size > 2);
    assert_describes("test_crash+0x");
    scene_close(&scene);
}

static void test_crash_of_an_abort_is_noted(void **state)
{
    (void)state;
    const struct scene scene = scene_open();
    assert_int_equal(crash_by(send_abort, &scene, true), SIGABRT);
    page = *scene.page;
    assert_describes("signal 6 (Aborted)");
    scene_close(&scene);
}

static void test_crash_of_others_is_passed_on(void **state)
{
    (void)state;
    const struct scene scene = scene_open();
    assert_int_equal(crash_by(fault, &scene, false), SIGSEGV);
    assert_int_equal(scene.page->crash_signal, 0);
    assert_int_equal(crash_by(fault_in_a_child, &scene, true), 0);
    assert_int_equal(scene.page->crash_signal, 0);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_crash_no_note),
        SUPPORT_TEST(test_crash_words),
        SUPPORT_TEST(test_crash_address_only_of_faults),
        SUPPORT_TEST(test_crash_wild_trace_size),
        SUPPORT_TEST(test_crash_little_room),
        SUPPORT_TEST(test_crash_random_pages),
        SUPPORT_TEST(test_crash_of_a_fault_is_noted),
        SUPPORT_TEST(test_crash_of_an_abort_is_noted),
        SUPPORT_TEST(test_crash_of_others_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
