#include "image.h"

#include "proc.h"
#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROBE_LOOK_MS 2
#define PROBE_ASLEEP  10  /* looks in a row that find the child asleep: all that it can wait for is the lock */
#define PROBE_LOOKS   500 /* then the lock counts as held */

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

static void take_random(void)
{
    srandom(1);
}

static void take_exit(void)
{
    on_exit(leave, NULL);
}

/* Whether a child that takes a lock blocks. */
static bool blocks(void (*take)(void), const sigset_t *child)
{
    const struct timespec pause = {.tv_nsec = PROBE_LOOK_MS * 1000000L};
    const pid_t pid = process_fork();
    if (pid == 0) {
        take();
        _exit(0);
    }
    for (int looks = 0, asleep = 0; pid > 0 && looks < PROBE_LOOKS && asleep < PROBE_ASLEEP; looks++) {
        struct proc_entry entry;
        sigtimedwait(child, NULL, &pause);
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return false;
        asleep = proc_entry_read(pid, &entry) == 0 && entry.state == 'S' ? asleep + 1 : 0;
    }
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return true;
}

unsigned image_locks_held(const sigset_t *child)
{
    return (blocks(take_random, child) ? IMAGE_RANDOM : 0U) | (blocks(take_exit, child) ? IMAGE_EXIT : 0U);
}
