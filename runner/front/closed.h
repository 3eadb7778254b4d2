/* closed.h - standard streams that a program was started without. */
#ifndef CLOSED_H
#define CLOSED_H

#include <stdbool.h>

/* Puts /dev/null where 0, 1 or 2 is closed, so that no file, socket or loop of ours gets such a number: what is printed
 * would go there. To be called before anything is opened. What is read or written there fails with EBADF, as before.
 * Negative errno. */
int closed_fill(void);

/* Whether it was closed then; fd: 0 to 2. */
bool closed_was(int fd);

#endif
