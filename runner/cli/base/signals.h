/* signals.h - signals read from a descriptor. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Every signal that a program can hand on: all that can be blocked, but SIGCHLD, which is about its own children. */
void signals_all(sigset_t *set);

/* Those of them that this process ignores now (nohup, a shell's background). */
void signals_ignored(sigset_t *set);

/* Blocks these signals and gives a signalfd for them, not blocking. SIGPIPE and SIGXFSZ are ignored from now on, for
 * write(2) tells the same. To be called once the pool is open: commands get the mask and the dispositions of that
 * moment. Negative errno. */
int signals_take(const sigset_t *set);

/* Whether a signal that was read is one that a failed write(2) of our own has brought. */
bool signals_is_own(int number, pid_t sender);

#endif
