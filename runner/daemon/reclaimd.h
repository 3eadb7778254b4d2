/* reclaimd.h - the daemon's life: opening in an order that lets nothing be lost, the loop, and the end. */
#ifndef RECLAIMD_H
#define RECLAIMD_H

#include "daemon_options.h"
#include "log.h"

/* Runs until it is stopped; listen_fd: a socket from systemd, or -1. All is *borrowed*. Returns the exit code. */
int reclaimd_run(const struct daemon_options *options, struct log *log, int listen_fd);

#endif
