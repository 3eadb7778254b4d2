/* What jobs have of their host, and of each other: exit handlers, descriptors, and the page of the slot. */
#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* ---- exit ----------------------------------------------------------------------------------------------------------
 */

static pid_t host;
static int *handled; /* shared: how often a handler has run elsewhere than in the host */

static void host_handler(void)
{
    if (getpid() != host)
        ++*handled;
}

static int exit_3(pool_call_t *call)
{
    (void)call;
    printf("last words");
    exit(3);
    return 0;
}

static int exit_well(pool_call_t *call)
{
    (void)call;
    exit(0);
    return 0;
}

static int exit_quickly(pool_call_t *call)
{
    (void)call;
    quick_exit(4);
    return 0;
}

static void *exit_5(void *argument)
{
    exit(5);
    return argument;
}

static int exit_from_a_thread(pool_call_t *call)
{
    pthread_t thread;
    (void)call;
    pthread_create(&thread, NULL, exit_5, NULL);
    return pause();
}

static int exit_in_a_child(pool_call_t *call)
{
    int status = -1;
    const pid_t pid = fork();
    (void)call;
    if (pid == 0)
        exit(6);
    return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6 ? 0 : 1;
}

/* A handler of the job's own runs: it is the job's. */
static void own_handler(void)
{
    if (write(STDOUT_FILENO, "own", 3) != 3)
        _exit(99);
}

static int exit_with_a_handler(pool_call_t *call)
{
    (void)call;
    atexit(own_handler);
    exit(7);
    return 0;
}

static int check_exit(pool_t *pool, pool_fn fn, int code, const char *output)
{
    const pool_job_options_t options = {.output = POOL_OUTPUT_CAPTURE};
    char words[32];
    pool_job_t *job;
    CHILD_CHECK(pool_submit(pool, fn, NULL, 0, &options, &job) == 0 && pool_job_wait(job, -1) == 0);
    const pool_result_t *result = pool_job_result(job);
    CHILD_CHECK(result->outcome == (code < 0 ? POOL_DONE : POOL_CRASHED) && result->cause == POOL_CAUSE_EXITED);
    CHILD_CHECK(code < 0 || result->code == code);
    snprintf(words, sizeof words, "exited %d before", code);
    CHILD_CHECK(code < 0 || strncmp(result->message, words, strlen(words)) == 0);
    CHILD_CHECK(strcmp(result->out, output) == 0);
    pool_job_release(job);
    return 0;
}

static int check_exits(int (*on_start)(void *, pool_error_t *))
{
    pool_t *pool;
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = 1, .on_start = on_start}, NULL) == 0);
    CHILD_CHECK(check_exit(pool, exit_3, 3, "last words") == 0);
    CHILD_CHECK(check_exit(pool, exit_well, 0, "") == 0);
    CHILD_CHECK(check_exit(pool, exit_quickly, 4, "") == 0);
    CHILD_CHECK(check_exit(pool, exit_from_a_thread, 5, "") == 0);
    CHILD_CHECK(check_exit(pool, exit_with_a_handler, 7, "own") == 0);
    CHILD_CHECK(check_exit(pool, exit_in_a_child, -1, "") == 0);
    pool_free(pool);
    CHILD_CHECK(*handled == 0);
    return 0;
}

static int register_handlers(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    atexit(host_handler);
    at_quick_exit(host_handler);
    return 0;
}

static int start_exits(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    exit(8);
    return 0;
}

/* In a process of its own: handlers cannot be taken back. */
static int run_exits(void *arg)
{
    (void)arg;
    pool_error_t error;
    pool_t *pool = NULL;
    host = getpid();
    atexit(host_handler);
    at_quick_exit(host_handler);
    CHILD_CHECK(pool_open(&pool, &(pool_options_t){.workers = 1, .on_start = start_exits}, &error) == -ECANCELED);
    CHILD_CHECK(strstr(error.message, "exit 8") != NULL);
    CHILD_CHECK(*handled == 0);

    CHILD_CHECK(check_exits(NULL) == 0);
    CHILD_CHECK(check_exits(register_handlers) == 0);
    return 0;
}

static void test_image_exit_runs_no_handler_of_the_host(void **state)
{
    (void)state;
    handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(handled != MAP_FAILED);
    child_run(false, run_exits, NULL);
    munmap(handled, sizeof *handled);
}

/* ---- descriptors ---------------------------------------------------------------------------------------------------
 */

/* Lists its descriptors as "number what\n". */
static int list_descriptors(pool_call_t *call)
{
    char list[4096];
    size_t size = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], what[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t got = readlink(path, what, sizeof what - 1);
        if (got < 0)
            continue;
        what[got] = '\0';
        size += (size_t)snprintf(list + size, sizeof list - size, "%d %s\n", fd, what);
    }
    return pool_call_return(call, list, size + 1);
}

/* A job has its three streams, what was handed over, its own pipe and, of a full worker, its own socket. With fork
 * handlers that open something there is /dev/null in their numbers. */
static int check_list(char *list, bool handed_over, bool has_gap)
{
    unsigned sockets = 0, pipes = 0, files = 0, gap = 0, others = 0;
    for (char *line = strtok(list, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char what[256];
        int fd;
        CHILD_CHECK(sscanf(line, "%d %255s", &fd, what) == 2);
        if (fd == 0)
            CHILD_CHECK(strcmp(what, "/dev/null") == 0);
        else if (fd > 2) {
            const bool is_socket = strncmp(what, "socket:", 7) == 0, is_pipe = strncmp(what, "pipe:", 5) == 0;
            const bool is_file = strcmp(what, "/dev/zero") == 0, is_null = strcmp(what, "/dev/null") == 0;
            sockets += is_socket;
            pipes += is_pipe;
            files += is_file;
            gap += is_null && fd < 5;
            others += !is_socket && !is_pipe && !is_file && !(is_null && fd < 5);
            CHILD_CHECK(fd > 4 || is_null || is_file);
        }
    }
    CHILD_CHECK(pipes == 1 && others == 0 && (sockets == 1 || (sockets == 0 && !handed_over)));
    CHILD_CHECK(files == (handed_over ? 1 : 0) && gap == (has_gap ? 2 : 0));
    return 0;
}

static int check_result(pool_job_t *job, bool handed_over, bool has_gap)
{
    CHILD_CHECK(pool_job_wait(job, -1) == 0 && pool_job_result(job)->outcome == POOL_DONE);
    char *list = strdup(pool_job_result(job)->data);
    CHILD_CHECK(list != NULL && check_list(list, handed_over, has_gap) == 0);
    free(list);
    pool_job_release(job);
    return 0;
}

/* Several at once and one after the other, as siblings leave and come. */
static int check_lists(int (*on_start)(void *, pool_error_t *), bool fork_handlers, bool has_gap)
{
    enum { COUNT = 30 };
    pool_job_t *jobs[COUNT];
    pool_t *pool;
    const int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const pool_job_options_t handed = {.fds = &file, .fd_count = 1};
    const pool_options_t options = {.workers = 3, .on_start = on_start, .fork_handlers = fork_handlers};
    CHILD_CHECK(pool_open(&pool, &options, NULL) == 0);
    for (int i = 0; i < COUNT; i++)
        CHILD_CHECK(pool_submit(pool, list_descriptors, NULL, 0, i % 2 == 0 ? &handed : NULL, &jobs[i]) == 0);
    for (int i = 0; i < COUNT; i++)
        CHILD_CHECK(check_result(jobs[i], i % 2 == 0, has_gap) == 0);
    pool_free(pool);
    close(file);
    return 0;
}

static int start_opens(void *arg, pool_error_t *error)
{
    (void)arg;
    (void)error;
    for (int i = 0; i < 8; i++)
        if (open("/dev/full", O_RDONLY) < 0)
            return -errno;
    return 0;
}

static int take_numbers(int count)
{
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    for (int i = 0; i < count; i++)
        CHILD_CHECK(open("/dev/full", O_RDWR) == 3 + i);
    return 0;
}

/* With the first pool libuv's fork handler comes into the process: the second's jobs have the gap. */
static int check_plain_host(void *arg)
{
    CHILD_CHECK(take_numbers(*(const int *)arg) == 0);
    CHILD_CHECK(check_lists(NULL, false, false) == 0);
    CHILD_CHECK(check_lists(start_opens, false, true) == 0);
    return 0;
}

static int check_plain_host_with_on_start(void *arg)
{
    CHILD_CHECK(take_numbers(*(const int *)arg) == 0);
    CHILD_CHECK(check_lists(start_opens, false, false) == 0);
    return 0;
}

static void test_image_descriptors_of_jobs(void **state)
{
    static int taken[] = {0, 1, 2, 3, 40};
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        child_run(false, check_plain_host, &taken[i]);
        child_run(false, check_plain_host_with_on_start, &taken[i]);
    }
}

/* libuv's fork handler closes what it remembers, and opens it anew. */
static int check_libuv_host(void *arg)
{
    uv_loop_t loop;
    uv_signal_t handle;
    CHILD_CHECK(take_numbers(*(const int *)arg) == 0);
    CHILD_CHECK(uv_loop_init(&loop) == 0 && uv_signal_init(&loop, &handle) == 0);
    CHILD_CHECK(check_lists(NULL, false, true) == 0);
    CHILD_CHECK(check_lists(start_opens, false, true) == 0);
    CHILD_CHECK(check_lists(start_opens, true, true) == 0);
    return 0;
}

static void test_image_descriptors_of_jobs_of_a_host_with_libuv(void **state)
{
    static int taken[] = {0, 1, 5};
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        child_run(false, check_libuv_host, &taken[i]);
}

/* A stream that was at 3 when the pool was opened: what a job writes into it is refused, and hurts nobody. */
static FILE *stale;

static int write_to_stale(pool_call_t *call)
{
    errno = 0;
    fprintf(stale, "job starts\n");
    const int error = fflush(stale) == 0 ? 0 : errno;
    return pool_call_return(call, &error, sizeof error);
}

static int check_stale(void *arg)
{
    pool_t *pool;
    pool_job_t *job;
    (void)arg;
    CHILD_CHECK(take_numbers(0) == 0);
    stale = fopen("/dev/null", "w");
    CHILD_CHECK(stale != NULL && fileno(stale) == 3 && pool_open(&pool, NULL, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        CHILD_CHECK(pool_submit(pool, write_to_stale, NULL, 0, NULL, &job) == 0 && pool_job_wait(job, -1) == 0);
        const pool_result_t *result = pool_job_result(job);
        CHILD_CHECK(result->outcome == POOL_DONE && *(const int *)result->data == EBADF);
        pool_job_release(job);
    }
    pool_free(pool);
    return 0;
}

static void test_image_stale_descriptor_is_closed(void **state)
{
    (void)state;
    child_run(false, check_stale, NULL);
}

/* ---- what one job leaves for the next
 * -------------------------------------------------------------------------------- */

#define SECRET 0x5ec2e7a5

/* The pages that a worker shares with the fork server, by its maps. Returns how many; each is given to visit. */
static int visit_shared_pages(void (*visit)(unsigned char *page, size_t size, size_t *count), size_t *count)
{
    char line[512];
    int pages = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3 || strcmp(rights, "rw-s") != 0)
            continue;
        visit((unsigned char *)start, end - start, count); // NOLINT(performance-no-int-to-ptr)
        pages++;
    }
    if (maps != NULL)
        fclose(maps);
    return pages;
}

static void count_secrets(unsigned char *page, size_t size, size_t *count)
{
    const uint32_t secret = SECRET;
    for (size_t i = 0; i + sizeof secret <= size; i += sizeof secret)
        *count += memcmp(page + i, &secret, sizeof secret) == 0;
}

/* All but its head, which the worker itself needs until its end. */
static void plant(unsigned char *page, size_t size, size_t *count)
{
    const uint32_t secret = SECRET;
    for (size_t i = 256; i + sizeof secret <= size; i += sizeof secret) {
        memcpy(page + i, &secret, sizeof secret);
        ++*count;
    }
}

/* Looks for what another has planted, says how much it found, and plants its own. */
static int look_and_plant(pool_call_t *call)
{
    size_t found = 0, planted = 0;
    if (visit_shared_pages(count_secrets, &found) == 0)
        return pool_call_fail(call, 1, "there is no page to look at");
    visit_shared_pages(plant, &planted);
    if (planted == 0)
        return pool_call_fail(call, 2, "nothing was planted");
    return pool_call_return(call, &found, sizeof found);
}

static void test_image_page_has_nothing_of_the_last_job(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, POOL_NONE);
    for (int i = 0; i < 100; i++) {
        pool_job_t *job = support_submit(pool, look_and_plant, NULL, 0, NULL);
        const pool_result_t *result = support_wait(job);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        assert_int_equal(*(const size_t *)result->data, 0);
        pool_job_release(job);
    }
    pool_free(pool);
}

int main(void)
{
    /* The first two want a process without fork handlers: libuv registers its own with the first pool, which is the
     * fixture's. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_descriptors_of_jobs),
        cmocka_unit_test(test_image_stale_descriptor_is_closed),
        SUPPORT_TEST(test_image_descriptors_of_jobs_of_a_host_with_libuv),
        SUPPORT_TEST(test_image_exit_runs_no_handler_of_the_host),
        SUPPORT_TEST(test_image_page_has_nothing_of_the_last_job),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
