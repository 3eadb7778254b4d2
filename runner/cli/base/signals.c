#include "signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

void signals_all(sigset_t *set)
{
    sigfillset(set);
    sigdelset(set, SIGCHLD);
}

void signals_ignored(sigset_t *set)
{
    sigemptyset(set);
    for (int s = 1; s <= SIGRTMAX; s++) {
        struct sigaction action;
        if (sigaction(s, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaddset(set, s);
    }
}

int signals_take(const sigset_t *set)
{
    sigprocmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

bool signals_is_own(int number, pid_t sender)
{
    return (number == SIGPIPE || number == SIGXFSZ) && sender == getpid();
}
