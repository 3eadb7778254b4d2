#include "process.h"

#include "descriptor.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The 32 numbers below this: out of a job's way, and within the table of 64 that the kernel need not allocate. */
#define LIFT_TOP  64
#define LIFT_ROOM 32

#define PROMPT_SLICE_NS    100000 /* the shortest */
#define PROMPT_NICE        (-10)  /* gets a third of a processor even beside tens of busy jobs on it */
#define FLAG_RESET_ON_FORK 1

#define GAP_FIRST 3
#define GAP_END   5

/* What this process ignores itself, and process_signals_restore has to undo. */
static sigset_t ignored_here;

void process_origin_take(struct process_origin *origin, const sigset_t *mask)
{
    origin->mask = *mask;
    origin->group = getpgrp();
    origin->nice = getpriority(PRIO_PROCESS, 0);
}

/* Which signals are ignored, before `next` (NULL: nothing) becomes what is done on each. */
static void note_ignored(sigset_t *ignored, const struct sigaction *next)
{
    sigemptyset(ignored);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction before;
        if (sigaction(s, next, &before) == 0 && before.sa_handler == SIG_IGN)
            sigaddset(ignored, s);
    }
}

void process_signals_note(void)
{
    note_ignored(&ignored_here, NULL);
}

void process_signals_hold(sigset_t *child)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t held;
    sigemptyset(child);
    sigaddset(child, SIGCHLD);
    sigfillset(&held);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&held, faults[i]);
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
    note_ignored(&origin->ignored, &standard);
    sigemptyset(&ignored_here);
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

const char *process_error(int error)
{
    const char *text = strerrordesc_np(error);
    return text != NULL ? text : "an error that this libc does not know";
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

void process_gap_fill(unsigned end)
{
    for (int fd = GAP_FIRST; fd < (int)end; fd++)
        raw_call(SYS_dup3, STDIN_FILENO, fd, O_CLOEXEC, 0);
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

uint64_t process_peak(void)
{
    struct rusage usage;
    return raw_call(SYS_getrusage, RUSAGE_SELF, raw_pointer(&usage), 0, 0) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
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

/* Without the privilege for a lower nice value it still takes the short slice; but not if the origin's is negative,
 * which the reset would take from the children for good. */
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
    const long rc = raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    if (rc < 0)
        return (int)rc;
    return raw_call(SYS_getppid, 0, 0, 0, 0) == parent ? 0 : -ESRCH;
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

/* glibc's list of all streams, a part of its ABI since GLIBC_2.2.5. In another libc its address is NULL. */
extern FILE *_IO_list_all __attribute__((weak)); // NOLINT(bugprone-reserved-identifier,cert-dcl51-cpp): it is libc's

/* Drops what stdio buffers for the host, or a later flush would write it to whatever has the number by then. Flushes
 * and locks no stream: one of fopencookie(3) would call the host's code, which may wait for a lock for ever. */
static void stdio_drop(void)
{
    __fpurge(stdin);
    __fpurge(stdout);
    __fpurge(stderr);
    if (&_IO_list_all != NULL)
        for (FILE *stream = _IO_list_all; stream != NULL; stream = stream->_chain)
            __fpurge(stream);
}

/* Makes standard input /dev/null, and the other two if they are closed. */
static void streams_fill(void)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
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
    stdio_drop();
    process_descriptors_close_but(first, keep, count);
    streams_fill();
}

int process_random(void *bytes, size_t size)
{
    return raw_call(SYS_getrandom, raw_pointer(bytes), (long)size, 0, 0) == (long)size ? 0 : -EAGAIN;
}

void process_seed(uint64_t number)
{
    unsigned short seed[] = {(unsigned short)(number >> 32), (unsigned short)(number >> 48), (unsigned short)number};
    srandom((unsigned)number);
    seed48(seed);
}
