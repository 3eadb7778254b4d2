/* image.h - locks and exit handlers in the fork server's copy of the host's memory.
 *
 * A fork copies the locks that other threads of the host hold at that moment, and nothing here will ever release them:
 * fork(2). glibc's fork(3) repairs its locks of malloc, stdio and the loader, no others (glibc's fork.c). So a lock of
 * libc's is taken in the fork server and in workers only if this file has found it free. */
#ifndef IMAGE_H
#define IMAGE_H

#include <signal.h>

/* Locks of libc's that the library itself takes. */
enum image_lock {
    IMAGE_RANDOM = 1 << 0, /* random(3), srandom(3), rand(3) */
    IMAGE_EXIT = 1 << 1    /* exit(3), atexit(3), on_exit(3) */
};

/* Which of them are held, as IMAGE_ bits. Tries each in a child, which blocks if it is held: some 0.2 ms, and 20 ms
 * more for each that is held. For a process of one thread that blocks SIGCHLD, the one signal in child. */
unsigned image_locks_held(const sigset_t *child);

/* From now on exit(3) and quick_exit(3), in this process and its children, run only handlers that come after this call,
 * flush stdio and end the process: the host's handlers would remove its files. Takes the lock of IMAGE_EXIT. */
void image_keep_exit_handlers_out(void);

#endif
