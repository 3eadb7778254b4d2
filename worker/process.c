#include "process.h"

#include "descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* 32 numbers below this: high enough to be out of the way, low enough for the table of 64 that the kernel need not
 * allocate. */
#define LIFT_TOP  64
#define LIFT_ROOM 32

#define LOOK_MOST 256 /* descriptors */

#define PROMPT_SLICE_NS    100000 /* the shortest that there is */
#define PROMPT_NICE        (-10)  /* beside tens of busy jobs a processor, still a third of it when needed */
#define FLAG_RESET_ON_FORK 1

#define GAP_FIRST 3
#define GAP_END   5

/* What this process ignores, and process_signals_restore therefore has to look at. */
static sigset_t ignored_here;

void process_origin_take(struct process_origin *origin, const sigset_t *mask)
{
    origin->mask = *mask;
    origin->group = getpgrp();
    origin->nice = getpriority(PRIO_PROCESS, 0);
}

void process_signals_note(void)
{
    sigemptyset(&ignored_here);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction action;
        if (sigaction(s, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaddset(&ignored_here, s);
    }
}

void process_signals_hold(sigset_t *child)
{
    sigset_t held;
    sigemptyset(child);
    sigaddset(child, SIGCHLD);
    held = *child;
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_SETMASK, &held, NULL);
}

void process_signal_ignore(int signal_number)
{
    signal(signal_number, SIG_IGN);
    sigaddset(&ignored_here, signal_number);
}

void process_signals_reset(struct process_origin *origin)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    sigemptyset(&origin->ignored);
    sigemptyset(&ignored_here);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction before;
        if (sigaction(s, &standard, &before) == 0 && before.sa_handler == SIG_IGN)
            sigaddset(&origin->ignored, s);
    }
}

void process_signals_restore(const struct process_origin *origin)
{
    for (int s = 1; s < NSIG; s++) {
        const bool is_ignored = sigismember(&origin->ignored, s) == 1;
        if (is_ignored || sigismember(&ignored_here, s) == 1)
            signal(s, is_ignored ? SIG_IGN : SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &origin->mask, NULL);
}

pid_t process_fork(void)
{
    return _Fork();
}

unsigned process_gap_end(void)
{
    int fd = GAP_FIRST;
    while (fd < GAP_END && fcntl(fd, F_GETFD) >= 0)
        fd++;
    return (unsigned)fd;
}

int64_t process_cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t process_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool set_scheduling(int nice, uint64_t slice_ns)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes, .flags = FLAG_RESET_ON_FORK, .nice = nice, .runtime = slice_ns};
    return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

/* Who may not be less nice may still have the short slice; but not where the reset would take a negative value from the
 * children, who could not have it back. */
void process_be_prompt(const struct process_origin *origin)
{
    const int prompt = origin->nice < PROMPT_NICE ? origin->nice : PROMPT_NICE;
    if (!set_scheduling(prompt, PROMPT_SLICE_NS) && origin->nice >= 0)
        set_scheduling(origin->nice, PROMPT_SLICE_NS);
}

void process_be_ordinary(const struct process_origin *origin)
{
    if (origin->nice != 0)
        setpriority(PRIO_PROCESS, 0, origin->nice);
}

int process_die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

int process_descriptor_floor(void)
{
    static int floor;
    struct rlimit limit;
    if (floor == 0) {
        int top = LIFT_TOP;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < LIFT_TOP)
            top = (int)limit.rlim_cur;
        floor = top >= 2 * LIFT_ROOM ? top - LIFT_ROOM : GAP_END;
    }
    return floor;
}

int process_descriptor_lift(int *fd)
{
    const int lifted = fcntl(*fd, F_DUPFD_CLOEXEC, process_descriptor_floor());
    if (lifted < 0)
        return -errno;
    close(*fd);
    *fd = lifted;
    return 0;
}

static int descriptor_is_kept(int fd, int **keep, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (*keep[i] == fd)
            return 1;
    return 0;
}

static void descriptor_drop(int fd, int null, int **keep, unsigned count)
{
    if (fd != null && !descriptor_is_kept(fd, keep, count))
        dup2(null, fd);
}

/* How many descriptors there are. 0: the kernel does not tell (before Linux 6.2). */
static long descriptors_count(void)
{
    struct stat status;
    return stat("/proc/self/fd", &status) == 0 ? (long)status.st_size : 0;
}

/* Goes through the first numbers until it has met all that there are, which is ten times faster than to read the
 * directory. False: not all were met. */
static bool descriptors_drop_few(int first, int null, int **keep, unsigned count)
{
    long left = descriptors_count();
    if (left == 0)
        return false;
    for (unsigned i = 0; i < count; i++)
        left -= *keep[i] >= 0;
    for (int fd = 0; left > 0 && fd < LOOK_MOST; fd++)
        if (!descriptor_is_kept(fd, keep, count) && fcntl(fd, F_GETFD) >= 0) {
            left--;
            if (fd >= first)
                descriptor_drop(fd, null, keep, count);
        }
    return left == 0;
}

/* Puts /dev/null in the place of every descriptor from first on but those that are kept. */
static void descriptors_drop(int first, int null, int **keep, unsigned count)
{
    if (descriptors_drop_few(first, null, keep, count))
        return;
    const int top = process_descriptor_floor() + LIFT_ROOM;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) { /* no number is left for it: the usual ones */
        for (int fd = first; fd < top; fd++)
            if (fcntl(fd, F_GETFD) >= 0)
                descriptor_drop(fd, null, keep, count);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and "..": 0 */
        if (fd >= first && fd != dirfd(dir))
            descriptor_drop(fd, null, keep, count);
    }
    closedir(dir);
}

/* Whatever stdio still holds for the host's descriptors goes to /dev/null, or a later flush would put it into whatever
 * has the number by then. */
static void stdio_drop(unsigned first, int **keep, unsigned count)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    __fpurge(stdin);
    __fpurge(stdout);
    __fpurge(stderr);
    if (null < 0)
        return;
    descriptors_drop((int)first, null, keep, count);
    fflush(NULL);
    dup2(null, STDIN_FILENO);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
}

void process_descriptors_close_but(unsigned first, int **keep, unsigned count)
{
    for (;;) { /* the gaps between those kept, in ascending order */
        unsigned next = ~0U;
        for (unsigned i = 0; i < count; i++)
            if (*keep[i] >= 0 && (unsigned)*keep[i] >= first && (unsigned)*keep[i] < next)
                next = (unsigned)*keep[i];
        if (next == ~0U)
            break;
        if (next > first)
            descriptor_close_range(first, next - 1);
        first = next + 1;
    }
    descriptor_close_range(first, ~0U);
}

void process_descriptors_keep(unsigned first, int **keep, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (*keep[i] >= 0)
            process_descriptor_lift(keep[i]);
    stdio_drop(first, keep, count);
    process_descriptors_close_but(first, keep, count);
}

void process_seed(void)
{
    struct {
        unsigned random;
        unsigned short seed48[3];
    } seeds;
    if (getrandom(&seeds, sizeof seeds, 0) != sizeof seeds) {
        seeds.random = (unsigned)getpid() * 2654435761U ^ (unsigned)process_now_ms();
        for (int i = 0; i < 3; i++)
            seeds.seed48[i] = (unsigned short)(seeds.random >> (i * 5));
    }
    srandom(seeds.random);
    seed48(seeds.seed48);
}
