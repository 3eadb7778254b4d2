/* recover.h - what becomes of the jobs that ran when a daemon died. */
#ifndef RECOVER_H
#define RECOVER_H

#include "daemon.h"

/* In the first turn that can be written: each is interrupted, cancelled if that was asked, or waits again (on_crash:
 * requeue). Negative errno. */
int recover_jobs(struct daemon *daemon);

#endif
