#include "process.h"

#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* 32 numbers below this: high enough to be out of the way, low enough for a small descriptor table. */
#define LIFT_TOP  512
#define LIFT_ROOM 32

void process_origin_take(struct process_origin *origin, const sigset_t *mask)
{
    origin->mask = *mask;
    origin->group = getpgrp();
    sigemptyset(&origin->ignored);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction action;
        if (sigaction(s, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaddset(&origin->ignored, s);
    }
}

void process_signals_reset(void)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, s == SIGPIPE || s == SIGTTOU ? SIG_IGN : SIG_DFL);
}

void process_signals_restore(const struct process_origin *origin)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, sigismember(&origin->ignored, s) == 1 ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, &origin->mask, NULL);
}

int64_t process_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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
        floor = top > 2 * LIFT_ROOM ? top - LIFT_ROOM : 3;
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

/* Whatever stdio still holds for the host's descriptors goes to /dev/null, or a later flush would put it into whatever
 * has the number by then. */
static void stdio_drop(int **keep, unsigned count)
{
    const int top = process_descriptor_floor() + LIFT_ROOM;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    __fpurge(stdin);
    __fpurge(stdout);
    __fpurge(stderr);
    if (null < 0)
        return;
    for (int fd = 3; fd < top; fd++)
        if (fd != null && !descriptor_is_kept(fd, keep, count) && fcntl(fd, F_GETFD) >= 0)
            dup2(null, fd);
    fflush(NULL);
    dup2(null, STDIN_FILENO);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
}

void process_descriptors_keep(int **keep, unsigned count)
{
    unsigned first = 3;
    for (unsigned i = 0; i < count; i++)
        if (*keep[i] >= 0)
            process_descriptor_lift(keep[i]);
    stdio_drop(keep, count);
    /* Close the gaps between those kept, in ascending order. */
    for (;;) {
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

void process_seed(void)
{
    unsigned short seed48_values[3];
    unsigned seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed ||
        getrandom(seed48_values, sizeof seed48_values, 0) != sizeof seed48_values) {
        seed = (unsigned)getpid() * 2654435761U ^ (unsigned)process_now_ms();
        for (int i = 0; i < 3; i++)
            seed48_values[i] = (unsigned short)(seed >> (i * 5));
    }
    srandom(seed);
    seed48(seed48_values);
}
