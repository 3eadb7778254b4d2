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

/* Opens it, and remembers how it is. */
void terminal_open(struct terminal *terminal);

/* Puts it back as it was, if it is still ours: for a command that was killed before it could. The caller blocks
 * SIGTTOU. */
void terminal_restore(const struct terminal *terminal);

void terminal_close(struct terminal *terminal);

/* Whether a process is the shell whose job we are. */
bool terminal_is_shell(pid_t pid);

/* Whether a process descends from this one: it is the command, or was started by it. */
bool terminal_is_below(pid_t pid);

/* Whether no shell could say fg. Such a group is not stopped by the terminal: setpgid(2), orphaned process groups. */
bool terminal_is_unwatched(void);

/* Stops this process by a signal that the calling thread blocks, as it would stop one that does not; returns when it
 * is continued. */
void terminal_stop(int signal_number);

#endif
