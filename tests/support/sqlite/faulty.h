/* faulty.h - a disk that fails: a VFS below SQLite where the n-th call of a kind gives an error, and where the power
 * can go.
 *
 * A write that fails has written half, in whole sectors (https://sqlite.org/psow.html). A sync that fails loses what it
 * was to write: the kernel takes it for clean, and the next sync succeeds without it
 * (https://lwn.net/Articles/752063/). One thread. */
#ifndef FAULTY_H
#define FAULTY_H

#include <stdbool.h>

enum faulty_call {
    FAULTY_OPEN = 1,
    FAULTY_READ = 2,
    FAULTY_WRITE = 4,
    FAULTY_TRUNCATE = 8,
    FAULTY_SYNC = 16,
    FAULTY_DELETE = 32,
    FAULTY_ALL = 63
};

void faulty_install(void); /* as the default VFS */
void faulty_remove(void);

/* From now on the nth of these calls (a mask) fails with error (EIO, ENOSPC); lasting: and all after it. */
void faulty_arm(unsigned calls, int nth, int error, bool lasting);
bool faulty_disarm(void); /* whether one has failed */

/* From now on, what is on disk is kept apart from what was written, for files that are opened from now on. */
void faulty_power_on(void);
void faulty_power_loss(void); /* they become what was on disk. Close them before, with all calls failing */
void faulty_power_forget(void);

#endif
