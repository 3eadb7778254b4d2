/* signals.h - signals read from a descriptor. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* All signals that a program can hand on. SIGCHLD is not among them: it is about the program's own children. */
void signals_all(sigset_t *set);

/* Those of them that this process ignores now (nohup, a shell's background). */
void signals_ignored(sigset_t *set);

/* Blocks these signals and returns a non-blocking signalfd for them. Ignores SIGPIPE and SIGXFSZ from now on: write(2)
 * fails instead. Call it after the pool is open, for commands get the mask and the dispositions of that moment.
 * Negative errno. */
int signals_take(const sigset_t *set);

/* Whether a signal comes from a failed write(2) of our own. */
bool signals_is_own(int number, pid_t sender);

#endif
