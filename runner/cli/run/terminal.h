/* terminal.h - the terminal that reclaim shares with its command, and the shell that watches both. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
    int fd;        /* the controlling terminal; -1: none */
    bool is_saved; /* we were in its foreground */
    struct termios attributes;
};

/* Opens it, and saves its attributes. */
void terminal_open(struct terminal *terminal);

/* Restores the attributes if the terminal is still ours: for a command that was killed before it could do so. The
 * caller blocks SIGTTOU. */
void terminal_restore(const struct terminal *terminal);

void terminal_close(struct terminal *terminal);

/* Whether the process is the shell that started us as a job. */
bool terminal_is_shell(pid_t pid);

/* Whether somebody sees that we stop, and can continue us: that shell, or, if the terminal may have stopped us, whoever
 * waits there. */
bool terminal_sees_stop(const struct terminal *terminal, int signal_number);

/* Whether the process descends from this one: the command, or one that it started. */
bool terminal_is_below(pid_t pid);

/* Whether no shell could continue us. The terminal does not stop such a group: setpgid(2), orphaned process groups. */
bool terminal_is_unwatched(void);

/* Raises a signal although the calling thread blocks it; returns when the process, which it stops, is continued. */
void terminal_raise(int signal_number);

#endif
