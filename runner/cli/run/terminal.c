#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void terminal_open(struct terminal *terminal)
{
    terminal->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    terminal->is_saved = terminal->fd >= 0 && tcgetpgrp(terminal->fd) == getpgrp() &&
                         tcgetattr(terminal->fd, &terminal->attributes) == 0;
}

/* A group of the command's own may have been put in front, and is gone; one that lives is somebody else's. */
static bool is_in_front(const struct terminal *terminal)
{
    const pid_t group = tcgetpgrp(terminal->fd);
    if (group == getpgrp())
        return true;
    return group > 0 && kill(-group, 0) < 0 && errno == ESRCH && tcsetpgrp(terminal->fd, getpgrp()) == 0;
}

void terminal_restore(const struct terminal *terminal)
{
    if (!terminal->is_saved || !is_in_front(terminal))
        return;
    tcsetattr(terminal->fd, TCSANOW, &terminal->attributes);
}

void terminal_close(struct terminal *terminal)
{
    if (terminal->fd >= 0)
        close(terminal->fd);
    terminal->fd = -1;
}

bool terminal_is_shell(pid_t pid)
{
    return pid == getppid() && getsid(pid) == getsid(0) && getpgid(pid) != getpgrp();
}

bool terminal_sees_stop(const struct terminal *terminal, int signal_number)
{
    if (terminal->fd < 0)
        return false;
    return terminal_is_shell(getppid()) || (signal_number != SIGSTOP && tcgetpgrp(terminal->fd) == getpgrp());
}

/* 0: it is gone. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    const size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *name_end = strrchr(text, ')'); /* a name may hold anything */
    return name_end != NULL && sscanf(name_end + 1, " %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

bool terminal_is_below(pid_t pid)
{
    const pid_t self = getpid();
    while (pid > 1 && pid != self)
        pid = parent_of(pid);
    return pid == self;
}

bool terminal_is_unwatched(void)
{
    return getpgrp() == getsid(0);
}

void terminal_raise(int signal_number)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    raise(signal_number);
    pthread_sigmask(SIG_UNBLOCK, &set, &before); /* here it stops */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
