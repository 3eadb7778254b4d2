/* crash.h - the crash note: what a dying worker leaves in its page, and the words the fork server makes of it. */
#ifndef CRASH_H
#define CRASH_H

#include "page.h"

#include <stddef.h>

/* What an unwinder finds out the first time it keeps, for workers, too. It may take locks: a host that has threads does
 * it before it forks, else the fork server does. */
void crash_prepare(void);

/* In the fork server, once: handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP and SIGSYS on a stack of
 * their own, inherited by every worker. They do nothing but pass the signal on until crash_note_in() was called. */
void crash_install(void);

/* In a worker: crashes of this process are noted in page from now on. */
void crash_note_in(struct page *page);

/* Puts the note into text, NUL-terminated: signal, address, backtrace with symbols, a line each. Returns its length, 0:
 * there is no note. Addresses are looked up, never followed: the page is not trusted. */
size_t crash_describe(const struct page *page, char *text, size_t size);

#endif
