/* What a job has of the memory through which its pool talks to it: its own slot's and no more, and nothing of the last
 * job's; and what other pools, and other children of the host, have of it: nothing. */
#include "area.h"
#include "bell.h"
#include "child.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define HELD           5
#define LARGE_ARGUMENT ((size_t)100 * 1024)

/* ---- jobs that are held ------------------------------------------------------------------------------------------ */

/* In memory that all processes of the test share. */
struct control {
    _Atomic uint32_t come[HELD], go[HELD]; /* bells */
    pid_t pids[HELD];
    int refusals[HELD]; /* errno of making the task writable; 0: it was made so */
    int reached[HELD];  /* how many ways led out of its slot */
};

static struct control *control;

static int begin(void **state)
{
    control = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return control == MAP_FAILED ? 1 : support_begin(state);
}

static int end(void **state)
{
    munmap(control, 4096);
    return support_end(state);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

#define REGIONS_MAX 4096

struct region {
    unsigned long start, end, inode;
    unsigned long long offset;
    char rights[5], name[128];
};

struct regions {
    size_t count;
    struct region list[REGIONS_MAX];
};

/* The mappings of a process. False: it is not to be had. */
static bool read_regions(pid_t pid, struct regions *regions)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    regions->count = 0;
    while (maps != NULL && regions->count < REGIONS_MAX && fgets(line, sizeof line, maps) != NULL) {
        struct region *region = &regions->list[regions->count];
        region->name[0] = '\0';
        regions->count += sscanf(line, "%lx-%lx %4s %llx %*s %lu %127[^\n]", &region->start, &region->end,
                                 region->rights, &region->offset, &region->inode, region->name) >= 5;
    }
    if (maps != NULL)
        fclose(maps);
    return regions->count > 0 && regions->count < REGIONS_MAX;
}

static bool is_shared(const struct region *region)
{
    return region->rights[3] == 's';
}

static bool is_named(const struct region *region, const char *memfd)
{
    return strncmp(region->name, memfd, strlen(memfd)) == 0;
}

static void *place(const struct region *region)
{
    return (void *)region->start; // NOLINT(performance-no-int-to-ptr)
}

/* The one mapping of this name; NULL: there is none. */
static const struct region *find(const struct regions *regions, const char *memfd)
{
    for (size_t i = 0; i < regions->count; i++)
        if (is_named(&regions->list[i], memfd))
            return &regions->list[i];
    return NULL;
}

#define TASKS    "/memfd:reclaim-tasks"
#define PAGES    "/memfd:reclaim-pages"
#define ARGUMENT "/memfd:reclaim-argument"

/* ---- the job ----------------------------------------------------------------------------------------------------- */

static int try_to_write(void)
{
    static struct regions regions;
    const struct region *task = read_regions(getpid(), &regions) ? find(&regions, TASKS) : NULL;
    if (task == NULL)
        return -1;
    return mprotect(place(task), task->end - task->start, PROT_READ | PROT_WRITE) == 0 ? 0 : errno;
}

/* Not to be written to, or not to be changed. */
static bool is_refusal(int error)
{
    return error == EACCES || error == EPERM;
}

static bool is_reached(const struct region *region)
{
    void *copy = mremap(place(region), 0, 4 * (region->end - region->start), MREMAP_MAYMOVE);
    return copy != MAP_FAILED || remap_file_pages(place(region), 4096, 0, 1, 0) == 0;
}

/* Mappings of more slots than its own, by mremap(2) and remap_file_pages(2). */
static int try_to_reach(void)
{
    static struct regions regions;
    if (!read_regions(getpid(), &regions) || find(&regions, TASKS) == NULL || find(&regions, PAGES) == NULL)
        return -1;
    return is_reached(find(&regions, TASKS)) + is_reached(find(&regions, PAGES));
}

/* Whether this kernel can keep a job to its slot. */
static bool has_mseal(void)
{
    return syscall(SYS_mseal, NULL, 0, 0) == 0;
}

/* The argument begins with the number of its bells. */
static int held(pool_call_t *call)
{
    const uint8_t *which = pool_call_arg(call, NULL);
    control->pids[*which] = getpid();
    control->refusals[*which] = try_to_write();
    control->reached[*which] = has_mseal() ? try_to_reach() : 0;
    bell_ring(&control->come[*which], BELL_FIRST);
    bell_await(&control->go[*which]);
    return 0;
}

static pool_job_t *hold(pool_t *pool, uint8_t which, size_t size, const pool_job_options_t *options)
{
    static uint8_t argument[LARGE_ARGUMENT];
    argument[0] = which;
    pool_job_t *job = support_submit(pool, held, argument, size, options);
    bell_await(&control->come[which]);
    return job;
}

static void let_go(pool_job_t *job, uint8_t which)
{
    bell_ring(&control->go[which], BELL_FIRST);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
}

/* ---- what it may have -------------------------------------------------------------------------------------------- */

static struct regions ours, theirs;

/* Whether the host has a private mapping of that file. */
static bool is_our_file(const char *name)
{
    for (size_t i = 0; i < ours.count; i++)
        if (!is_shared(&ours.list[i]) && strcmp(ours.list[i].name, name) == 0)
            return true;
    return false;
}

/* What a worker shares: counts of each. */
struct shares {
    unsigned tasks, pages, arguments;
    unsigned long long slot;
};

static void judge_shared(const struct region *region, pid_t pid, const unsigned long inodes[2], struct shares *shares)
{
    const size_t size = region->end - region->start;
    if (place(region) == (void *)control)
        return;
    if (is_named(region, TASKS) && region->inode == inodes[0] && size == AREA_TASK_SIZE &&
        strcmp(region->rights, "r--s") == 0) {
        shares->tasks++;
        shares->slot += region->offset / AREA_TASK_SIZE;
    } else if (is_named(region, PAGES) && region->inode == inodes[1] && size == area_page_size() &&
               strcmp(region->rights, "rw-s") == 0) {
        shares->pages++;
        shares->slot -= region->offset / size;
    } else if (is_named(region, ARGUMENT) && strcmp(region->rights, "r--s") == 0) {
        shares->arguments++;
    } else {
        fail_msg("process %d has %s %s, %zu bytes", (int)pid, region->rights, region->name, size);
    }
}

/* A worker has its image, which is the host's, its own slot of the area, and its argument. */
static void assert_worker_maps(pid_t pid, unsigned arguments)
{
    struct shares shares = {0};
    assert_true(read_regions(getpid(), &ours) && read_regions(pid, &theirs));
    const struct region *tasks = find(&ours, TASKS), *pages = find(&ours, PAGES);
    const unsigned long inodes[2] = {tasks == NULL ? 0 : tasks->inode, pages == NULL ? 0 : pages->inode};
    for (size_t i = 0; i < theirs.count; i++) {
        const struct region *region = &theirs.list[i];
        if (is_shared(region))
            judge_shared(region, pid, inodes, &shares);
        else if (region->name[0] == '/' && !is_our_file(region->name))
            fail_msg("process %d has %s %s", (int)pid, region->rights, region->name);
    }
    assert_int_equal(shares.tasks, 1);
    assert_int_equal(shares.pages, 1);
    assert_int_equal(shares.slot, 0); /* both of the same slot */
    assert_int_equal(shares.arguments, arguments);
}

/* The program has nothing of the pool's. */
static void assert_command_maps(pid_t pid)
{
    assert_true(read_regions(pid, &theirs));
    for (size_t i = 0; i < theirs.count; i++)
        if (is_named(&theirs.list[i], "/memfd:") || (is_shared(&theirs.list[i]) && theirs.list[i].rights[1] == 'w'))
            fail_msg("command %d has %s %s", (int)pid, theirs.list[i].rights, theirs.list[i].name);
}

#define LINK_MAX 128

static bool read_link(pid_t pid, int fd, char what[LINK_MAX])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    const ssize_t got = readlink(path, what, LINK_MAX - 1);
    what[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Whether a process has a descriptor of that name. */
static bool has_descriptor(pid_t pid, const char *name)
{
    char what[LINK_MAX];
    for (int fd = 0; fd < 1024; fd++)
        if (read_link(pid, fd, what) && strcmp(what, name) == 0)
            return true;
    return false;
}

/* What a process has beside its streams and the gap (call.h); keeps the names of pipe and socket. */
struct ends {
    unsigned pipes, sockets, zeros;
    char pipe[LINK_MAX], socket[LINK_MAX];
};

static void list_ends(pid_t pid, struct ends *ends)
{
    char what[LINK_MAX];
    *ends = (struct ends){0};
    for (int fd = 3; fd < 1024; fd++) {
        if (!read_link(pid, fd, what) || (fd < 5 && strcmp(what, "/dev/null") == 0))
            continue;
        if (strncmp(what, "pipe:", 5) == 0 && ++ends->pipes)
            snprintf(ends->pipe, sizeof ends->pipe, "%s", what);
        else if (strncmp(what, "socket:", 7) == 0 && ++ends->sockets)
            snprintf(ends->socket, sizeof ends->socket, "%s", what);
        else if (strcmp(what, "/dev/zero") == 0)
            ends->zeros++;
        else
            fail_msg("process %d has %d: %s", (int)pid, fd, what);
    }
}

static void assert_stream(pid_t pid, int fd, const char *name)
{
    char what[LINK_MAX];
    assert_true(read_link(pid, fd, what));
    assert_string_equal(what, name);
}

/* Its pipe's other end is the host's; a socket's is, too, but the kernel does not tell. */
static void assert_worker_ends(pid_t pid, const struct ends *ends, unsigned sockets, unsigned zeros)
{
    char out[LINK_MAX], err[LINK_MAX];
    assert_true(read_link(getpid(), 1, out) && read_link(getpid(), 2, err));
    assert_stream(pid, 0, "/dev/null");
    assert_stream(pid, 1, out);
    assert_stream(pid, 2, err);
    assert_int_equal(ends->pipes, 1);
    assert_true(has_descriptor(getpid(), ends->pipe));
    assert_int_equal(ends->sockets, sockets);
    assert_false(sockets > 0 && has_descriptor(getpid(), ends->socket));
    assert_int_equal(ends->zeros, zeros);
}

static bool knows_future_write(void)
{
    const int fd = memfd_create("probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    const bool knows = fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0;
    close(fd);
    return knows;
}

/* Plain, full, with an argument in a memfd: all at the same time, and beside another pool's. */
static void test_area_of_functions(void **state)
{
    const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const pool_job_options_t handed = {.fds = &zero, .fd_count = 1};
    const struct {
        size_t size;
        const pool_job_options_t *options;
        unsigned sockets, zeros, arguments;
    } jobs[HELD - 1] = {{1, NULL, 0, 0, 0}, {1, NULL, 0, 0, 0}, {1, &handed, 1, 1, 0}, {LARGE_ARGUMENT, NULL, 1, 0, 1}};
    pool_job_t *running[HELD];
    struct ends ends[HELD];
    (void)state;
    pool_t *pool = support_open(HELD - 1, POOL_NONE); /* its first workers are these, and none is idle before */
    for (uint8_t i = 0; i < HELD - 1; i++)
        running[i] = hold(pool, i, jobs[i].size, jobs[i].options);
    for (size_t i = 0; i < HELD - 1; i++) {
        assert_worker_maps(control->pids[i], jobs[i].arguments);
        list_ends(control->pids[i], &ends[i]);
        assert_worker_ends(control->pids[i], &ends[i], jobs[i].sockets, jobs[i].zeros);
        if (knows_future_write())
            assert_true(is_refusal(control->refusals[i]));
        assert_int_equal(control->reached[i], 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(ends[i].pipe, ends[k].pipe);
            assert_true(ends[i].sockets == 0 || strcmp(ends[i].socket, ends[k].socket) != 0);
        }
    }
    pool_t *other = support_open(1, 1); /* it is forked while those run, and its first worker is warm */
    running[HELD - 1] = hold(other, HELD - 1, 1, NULL);
    list_ends(control->pids[HELD - 1], &ends[HELD - 1]);
    assert_worker_ends(control->pids[HELD - 1], &ends[HELD - 1], 0, 0);
    if (knows_future_write())
        assert_true(is_refusal(control->refusals[HELD - 1]));
    for (uint8_t i = 0; i < HELD; i++)
        let_go(running[i], i);
    pool_free(other);
    pool_free(pool);
    close(zero);
}

static pool_stats_t stats_of(const pool_t *pool)
{
    pool_stats_t stats;
    assert_int_equal(pool_stats(pool, &stats), 0);
    return stats;
}

/* The area is new then, and the host has the old one no more. */
static void test_area_of_the_next_fork_server(void **state)
{
    size_t areas = 0;
    struct ends ends;
    (void)state;
    pool_t *pool = support_open(1, 1);
    assert_int_equal(kill(stats_of(pool).fork_server_pid, SIGKILL), 0);
    while (stats_of(pool).fork_servers_lost == 0)
        sched_yield();
    pool_job_t *job = hold(pool, 0, 1, NULL);
    assert_worker_maps(control->pids[0], 0);
    list_ends(control->pids[0], &ends);
    assert_worker_ends(control->pids[0], &ends, 0, 0);
    if (knows_future_write())
        assert_true(is_refusal(control->refusals[0]));
    assert_int_equal(control->reached[0], 0);
    for (size_t i = 0; i < ours.count; i++)
        areas += is_named(&ours.list[i], "/memfd:");
    assert_int_equal(areas, 2);
    let_go(job, 0);
    pool_free(pool);
}

/* Of a process with this command name among the descendants of root: its pid; 0: there is none. */
static pid_t find_process(pid_t root, const char *name, pid_t *parent)
{
    char path[64];
    int pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)root, (int)root);
    FILE *children = fopen(path, "re");
    pid_t found = 0;
    while (children != NULL && found == 0 && fscanf(children, "%d", &pid) == 1) {
        char comm[32] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        FILE *file = fopen(path, "re");
        if (file != NULL) {
            if (fgets(comm, sizeof comm, file) != NULL)
                comm[strcspn(comm, "\n")] = '\0';
            fclose(file);
        }
        *parent = root;
        found = strcmp(comm, name) == 0 ? pid : find_process(pid, name, parent);
    }
    if (children != NULL)
        fclose(children);
    return found;
}

static void test_area_of_a_command(void **state)
{
    static const char *const argv[] = {"cat", NULL};
    int in[2], out[2];
    (void)state;
    support_pipe(in);
    support_pipe(out);
    const pool_command_t command = {.argv = argv,
                                    .stdin_mode = POOL_STDIN_FD,
                                    .stdin_fd = in[0],
                                    .stdout_mode = POOL_STREAM_FD,
                                    .stdout_fd = out[1],
                                    .stderr_mode = POOL_STREAM_DISCARD};
    pool_t *pool = support_open_full(2, 2);
    pool_job_t *job, *beside = hold(pool, 0, 1, NULL);
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    close(in[0]);
    close(out[1]);
    assert_int_equal(write(in[1], "x", 1), 1);
    assert_int_equal(support_await_byte(out[0]), 'x');

    pid_t worker = 0;
    struct ends ends;
    const pid_t cat = find_process(getpid(), "cat", &worker);
    assert_true(cat > 0 && worker > 0);
    assert_command_maps(cat);
    list_ends(cat, &ends);
    assert_true(ends.pipes == 0 && ends.sockets == 0 && ends.zeros == 0);
    assert_worker_maps(worker, 0);
    list_ends(worker, &ends);
    assert_worker_ends(worker, &ends, 1, 0);

    close(in[1]);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    let_go(beside, 0);
    pool_free(pool);
    close(out[0]);
}

/* ---- what one job leaves ----------------------------------------------------------------------------------------- */

#define SECRET_SIZE 16
#define LOOKERS     (SUPPORT_SANITIZED ? 300 : 1000)
#define KEPT        256 /* bytes of the page's head that a worker needs to end well */

static const uint8_t secrets[2][SECRET_SIZE] = {"planted secret!", "argued secret !"};

/* How many of the secrets are in a mapping. */
static size_t count_in(const struct region *region)
{
    size_t count = 0;
    for (int i = 0; i < 2; i++)
        count += memmem(place(region), region->end - region->start, secrets[i], SECRET_SIZE) != NULL;
    return count;
}

/* How many of the secrets are in what this process shares, once for each mapping. SIZE_MAX: it has no area. */
static size_t count_secrets(void)
{
    static struct regions regions;
    size_t found = 0;
    if (!read_regions(getpid(), &regions))
        return SIZE_MAX;
    for (size_t i = 0; i < regions.count; i++)
        if (is_shared(&regions.list[i]) && regions.list[i].rights[0] == 'r')
            found += count_in(&regions.list[i]);
    return find(&regions, TASKS) == NULL || find(&regions, PAGES) == NULL ? SIZE_MAX : found;
}

static int look(pool_call_t *call)
{
    const size_t found = count_secrets();
    return pool_call_return(call, &found, sizeof found);
}

/* Fills its page, but for the first bytes of it. */
static void plant(size_t from)
{
    static struct regions regions;
    const struct region *page = read_regions(getpid(), &regions) ? find(&regions, PAGES) : NULL;
    if (page == NULL)
        _exit(99);
    for (uint8_t *at = (uint8_t *)place(page) + from; at < (uint8_t *)place(page) + (page->end - page->start);
         at += SECRET_SIZE)
        memcpy(at, secrets[0], SECRET_SIZE);
}

static int plant_and_return(pool_call_t *call)
{
    plant(KEPT);
    const size_t found = count_secrets();
    return pool_call_return(call, &found, sizeof found);
}

static int plant_all(pool_call_t *call)
{
    (void)call;
    plant(0);
    raise(SIGKILL);
    return 0;
}

static void fill_argument(uint8_t *argument, size_t size)
{
    for (size_t i = 0; i + SECRET_SIZE <= size; i += SECRET_SIZE)
        memcpy(argument + i, secrets[1], SECRET_SIZE);
}

static size_t value_of(const pool_result_t *result)
{
    size_t value;
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, sizeof value);
    memcpy(&value, result->data, sizeof value);
    return value;
}

/* Every tenth job leaves what it can, and is seen to have had both. */
static void run_lookers(pool_t *pool)
{
    static uint8_t argument[FRAME_INLINE_MAX];
    fill_argument(argument, sizeof argument);
    for (int i = 0; i < LOOKERS; i++) {
        if (i % 10 == 0) {
            pool_job_t *kind = support_submit(pool, plant_and_return, argument, sizeof argument, NULL);
            pool_job_t *rude = support_submit(pool, plant_all, argument, sizeof argument, NULL);
            assert_int_equal(value_of(support_wait(kind)), 2);
            assert_int_equal(support_wait(rude)->outcome, POOL_CRASHED);
            pool_job_release(kind);
            pool_job_release(rude);
        }
        pool_job_t *job = support_submit(pool, look, "x", 1, NULL);
        assert_int_equal(value_of(support_wait(job)), 0);
        pool_job_release(job);
    }
}

static void test_area_has_nothing_of_earlier_jobs(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, POOL_NONE);
    run_lookers(pool);
    pool_free(pool);
    pool = support_open(2, 2);
    run_lookers(pool);
    pool_free(pool);
}

/* ---- two pools --------------------------------------------------------------------------------------------------- */

/* The area of one pool, by the inodes of its memfds. */
struct known {
    unsigned long inodes[2];
};

static bool is_known(const struct known *known, unsigned long inode)
{
    return inode != 0 && (inode == known->inodes[0] || inode == known->inodes[1]);
}

/* The one area that this process has mapped. */
static struct known know(void)
{
    assert_true(read_regions(getpid(), &ours));
    const struct region *tasks = find(&ours, TASKS), *pages = find(&ours, PAGES);
    assert_true(tasks != NULL && pages != NULL && tasks->inode != pages->inode);
    return (struct known){{tasks->inode, pages->inode}};
}

/* Mappings and descriptors of that area that a process has; SIZE_MAX: cannot be told. */
static size_t count_known(pid_t pid, const struct known *known)
{
    size_t count = 0;
    if (!read_regions(pid, &theirs))
        return SIZE_MAX;
    for (size_t i = 0; i < theirs.count; i++)
        count += is_known(known, theirs.list[i].inode);
    for (int fd = 0; fd < 1024; fd++) {
        char path[64];
        struct stat st;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        count += stat(path, &st) == 0 && is_known(known, st.st_ino);
    }
    return count;
}

static int check_foreign(void *arg)
{
    CHILD_CHECK(count_known(getpid(), arg) == 0);
    CHILD_CHECK(count_secrets() == SIZE_MAX); /* it shares no area at all */
    return 0;
}

static void assert_foreign(pool_t *pool, const struct known *known)
{
    pool_job_t *job = hold(pool, 1, 1, NULL);
    assert_int_equal(count_known(stats_of(pool).keeper_pid, known), 0);
    assert_int_equal(count_known(stats_of(pool).fork_server_pid, known), 0);
    assert_int_equal(count_known(control->pids[1], known), 0);
    pool_job_t *look_job = support_submit(pool, look, "x", 1, NULL);
    assert_int_equal(value_of(support_wait(look_job)), 0);
    pool_job_release(look_job);
    let_go(job, 1);
    control->go[1] = control->come[1] = 0;
    child_run(false, check_foreign, (void *)known); /* which has no area of any pool */
}

static int hold_secret(pool_call_t *call)
{
    (void)call;
    plant(KEPT);
    bell_ring(&control->come[0], BELL_FIRST);
    bell_await(&control->go[0]);
    return 0;
}

static void test_area_is_no_other_pools(void **state)
{
    static uint8_t argument[FRAME_INLINE_MAX];
    (void)state;
    fill_argument(argument, sizeof argument);
    pool_t *first = support_open(2, 2);
    pool_job_t *secret = support_submit(first, hold_secret, argument, sizeof argument, NULL);
    bell_await(&control->come[0]);
    const struct known known = know();
    assert_true(count_known(getpid(), &known) >= 2);
    assert_true(count_known(stats_of(first).fork_server_pid, &known) >= 2); /* so that 0 means something */
    assert_int_equal(count_known(stats_of(first).keeper_pid, &known), 0);

    pool_t *second = support_open(2, 2);
    assert_foreign(second, &known);
    let_go(secret, 0);
    pool_free(first);
    assert_int_equal(count_known(getpid(), &known), 0);
    assert_foreign(second, &known);
    pool_free(second);
}

#define AREA_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AREA_TEST(test_area_of_functions),      AREA_TEST(test_area_of_the_next_fork_server),
        AREA_TEST(test_area_of_a_command),      AREA_TEST(test_area_has_nothing_of_earlier_jobs),
        AREA_TEST(test_area_is_no_other_pools),
    };
    return cmocka_run_group_tests_name("area", tests, NULL, NULL);
}
