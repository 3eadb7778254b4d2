#include "image.h"

#include "descriptor.h"
#include "proc.h"
#include "process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <locale.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROBE_LOOK_MS  2
#define PROBE_WAIT_MS  1000  /* then what the probe waits for is no lock, or one that cannot be told apart */
#define PROBE_MOST_MS  10000 /* of one that runs: long enough to use up PROBE_CPU_S on a busy machine */
#define PROBE_CPU_S    1     /* a thousand times what it needs */
#define PROBE_CHILDREN 4

/* ---- exit handlers --------------------------------------------------------------------------------------------- */

/* glibc calls its handlers with the exit status as a second argument, also at quick_exit(3): stdlib/exit.c, ef_cxa. */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl51-cpp): it is libc's
extern int __cxa_at_quick_exit(void (*handler)(void *), void *argument);

_Noreturn static void leave(int status, void *unused)
{
    (void)unused;
    fflush(NULL);
    _exit(status);
}

_Noreturn static void leave_quickly(void *unused, int status)
{
    (void)unused;
    _exit(status);
}

void image_keep_exit_handlers_out(void)
{
    on_exit(leave, NULL);
    __cxa_at_quick_exit((void (*)(void *))(void (*)(void))leave_quickly, NULL);
}

/* ---- locks ----------------------------------------------------------------------------------------------------- */

static void take_malloc(void)
{
    static const size_t sizes[] = {24, 1000, 20000, 1 << 20}; /* of a thread's cache, bins, top, a mapping of its own */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *volatile block = malloc(sizes[i]);
        free(block);
    }
}

static void take_streams(void)
{
    FILE *const standard[] = {stdin, stdout, stderr};
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
        flockfile(standard[i]);
        funlockfile(standard[i]);
    }
    FILE *file = fopen("/dev/null", "re");
    if (file != NULL)
        fclose(file);
}

static void take_random(void)
{
    srandom(1);
}

static void take_time_zone(void)
{
    struct tm parts;
    const time_t now = 0;
    tzset();
    localtime_r(&now, &parts);
}

static void take_environment(void)
{
    setenv("RECLAIM_PROBE", "1", 1);
}

/* Not in a static program that does not use them itself. */
#pragma weak getpwnam
#pragma weak dlsym

/* root is in the first place where it is looked for. setpwent(3) would ask every directory service. */
static void take_users(void)
{
    if (getpwnam != NULL)
        getpwnam("root"); // NOLINT(concurrency-mt-unsafe): the lock of this one is what is tried
}

static void take_locale(void)
{
    const locale_t copy = duplocale(LC_GLOBAL_LOCALE);
    if (copy != (locale_t)0)
        freelocale(copy);
}

static int look_at_one(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info;
    (void)size;
    (void)unused;
    return 1;
}

/* fork(3) makes the loader's lock anew, but not whole what a thread was changing: then the loader ends the process. By
 * dlsym(3), or a static program would be linked with a warning. */
static void take_loader(void)
{
    void *(*open_library)(const char *file, int mode) = NULL;
    if (dlsym != NULL)
        *(void **)&open_library = dlsym(RTLD_DEFAULT, "dlopen");
    if (open_library != NULL)
        open_library(NULL, RTLD_NOW);
    dl_iterate_phdr(look_at_one, NULL);
}

static void take_exit(void)
{
    on_exit(leave, NULL);
}

static void take_nothing(void) {}

static const struct {
    const char *name;
    void (*take)(void);
} locks[] = {
    {"a fork handler", take_nothing}, /* the probe is here from the start */
    {"malloc()", take_malloc},
    {"stdio", take_streams},
    {"random()", take_random},
    {"localtime()", take_time_zone},
    {"setenv()", take_environment},
    {"setlocale()", take_locale},
    {"dlopen() or dl_iterate_phdr()", take_loader},
    {"getpwnam()", take_users},
    {"exit() or atexit()", take_exit},
};

#define LOCKS (sizeof locks / sizeof locks[0])

/* *at: the lock that it takes. With handlers the child of a child takes them, which becomes the keeper's. */
_Noreturn static void probe(atomic_uint *at, bool with_handlers)
{
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);                                         /* the loader says why it ends the process */
    setrlimit(RLIMIT_CPU, &(struct rlimit){PROBE_CPU_S, PROBE_CPU_S}); /* SIGKILL for who spins for a lock */
    if (with_handlers && fork() != 0)
        _exit(0);
    for (unsigned i = 0; i < LOCKS; i++) {
        atomic_store(at, i);
        locks[i].take();
    }
    atomic_store(at, LOCKS); /* whatever it exits with: a sanitizer has a status of its own */
    _exit(0);
}

enum look {
    LOOK_WAITS,  /* for something else than a lock */
    LOOK_RUNS,   /* or would, if there were a processor */
    LOOK_SLEEPS, /* perhaps on a lock */
    LOOK_STUCK   /* on a lock, for ever */
};

/* A process of one thread that waits without a timeout for a word in memory of its own waits for ever. A parent may
 * look at the system call of its child also under Yama, and in containers; but not if the host has made itself
 * undumpable, and some sandboxes have no such file. Then all that can be seen is that it sleeps. */
static enum look look_at(pid_t pid)
{
    struct proc_call call;
    struct proc_entry entry;
    const int rc = proc_call_read(pid, &call);
    if (rc == -EAGAIN)
        return LOOK_RUNS;
    if (rc < 0 && proc_entry_read(pid, &entry) == 0)
        return entry.state == 'S' ? LOOK_SLEEPS : entry.state == 'D' ? LOOK_WAITS : LOOK_RUNS;
    if (rc < 0 || call.number != SYS_futex)
        return LOOK_WAITS;
    return (call.arguments[1] & FUTEX_PRIVATE_FLAG) != 0 && call.arguments[3] == 0 ? LOOK_STUCK : LOOK_SLEEPS;
}

/* The children: the probe, or the one that it has left. A kernel that does not list them leaves what is in children. */
static ssize_t list_children(pid_t children[PROBE_CHILDREN])
{
    int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    const ssize_t got = file < 0 ? 1 : proc_children_at(file, children, PROBE_CHILDREN);
    descriptor_close(&file);
    return got < PROBE_CHILDREN ? got : PROBE_CHILDREN;
}

/* Reaps what has ended. True: no child is left. *failed: one has not ended well. */
static bool reap(bool *failed)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        *failed = *failed || status != 0;
    return pid < 0;
}

static enum look look_at_all(const pid_t *children, ssize_t count)
{
    enum look most = LOOK_WAITS;
    for (ssize_t i = 0; i < count; i++) {
        const enum look look = look_at(children[i]);
        most = look > most ? look : most;
    }
    return most;
}

/* Whether all children end well; also true of those that are slow. */
static bool goes_well(pid_t first, const sigset_t *child)
{
    const struct timespec pause = {.tv_nsec = PROBE_LOOK_MS * 1000000L};
    const int64_t begun = process_now_ms();
    pid_t children[PROBE_CHILDREN] = {first};
    enum look look = LOOK_WAITS;
    ssize_t count = 0;
    bool failed = false;
    while (look != LOOK_STUCK && process_now_ms() < begun + (look == LOOK_RUNS ? PROBE_MOST_MS : PROBE_WAIT_MS)) {
        sigtimedwait(child, NULL, &pause);
        if (reap(&failed))
            return !failed;
        count = list_children(children);
        look = look_at_all(children, count);
    }
    for (ssize_t i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    while (waitpid(-1, NULL, look >= LOOK_SLEEPS ? 0 : WNOHANG) > 0) /* who waits for a disk may take its time */
        ;
    return look < LOOK_SLEEPS && !failed;
}

const char *image_lock_held(const sigset_t *child, bool with_handlers)
{
    atomic_uint *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    const pid_t pid = process_fork();
    if (pid == 0)
        probe(at, with_handlers);
    const bool bad = pid > 0 && !goes_well(pid, child);
    const unsigned which = atomic_load(at);
    munmap(at, sizeof *at);
    return bad && which < LOCKS ? locks[which].name : NULL;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

int image_drop(const pool_bytes_t *ranges, size_t count, size_t *which)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (*which = 0; *which < count; ++*which) {
        const pool_bytes_t *range = &ranges[*which];
        const uintptr_t begin = ((uintptr_t)range->data + page - 1) & ~(page - 1);
        const uintptr_t end = ((uintptr_t)range->data + range->size) & ~(page - 1);
        if (end > begin && munmap((void *)begin, end - begin) < 0)
            return -errno;
    }
    return 0;
}
