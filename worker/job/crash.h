/* crash.h - the crash note: a dying worker leaves it in its page, and the fork server puts it into words. */
#ifndef CRASH_H
#define CRASH_H

#include "page.h"

#include <stddef.h>
#include <sys/types.h>

/* Lets the unwinder fill its caches, which workers inherit. It may take locks: a host with threads calls this before it
 * forks, else the fork server does. */
void crash_prepare(void);

/* In the fork server, once: handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP and SIGSYS on a stack of
 * their own, which workers inherit. Without crash_note_in() they only raise the signal again. */
void crash_install(void);

/* In a worker: notes crashes of the process pid, itself, in page from now on. */
void crash_note_in(struct page *page, pid_t pid);

/* Puts the note into text, NUL-terminated: signal, address, backtrace with symbols, a line each. Returns its length; 0:
 * there is none. Does not trust the page: it looks addresses up and never follows them. */
size_t crash_describe(const struct page *page, char *text, size_t size);

#endif
