/* image.h - the copy of the host's memory from which workers are made: locks, exit handlers, what it does not keep.
 *
 * A fork copies the locks that other threads of the host hold at that moment, and nothing in the copy ever releases
 * them: fork(2). glibc's fork(3) repairs its locks of malloc, stdio and the loader, no others (glibc's fork.c). So the
 * keeper of a host with threads tries libc's locks before any job runs; an image in which one is held is not used. */
#ifndef IMAGE_H
#define IMAGE_H

#include <reclaim/pool.h>
#include <signal.h>

/* Has a child take libc's common locks, as jobs will. NULL: it could; else where it waits for ever, or dies:
 * "malloc()". For a process of one thread that has no child and blocks SIGCHLD, the one signal in child. with_handlers:
 * the child is made by fork(3). Some 0.5 ms. A child that is slow, or waits for a directory service, holds nothing, and
 * is given up after a second: only one that sleeps in futex(2), or uses up its CPU time, counts. */
const char *image_lock_held(const sigset_t *child, bool with_handlers);

/* From now on exit(3) and quick_exit(3), in this process and its children, run only handlers that come after this call,
 * and end the process; exit(3) flushes stdio. The host's handlers would remove its files. Takes the lock of exit(3). */
void image_keep_exit_handlers_out(void);

/* Unmaps the whole pages of the ranges (*borrows*; they must not hold the array). Negative errno of the first that
 * fails, and its index in *which. */
int image_drop(const pool_bytes_t *ranges, size_t count, size_t *which);

#endif
