/* daemon_options.h - the command line of reclaimd. reclaimd(8) explains each option. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "log.h"

#include <limits.h>
#include <stdint.h>

#define OPTIONS_MODULES_MAX 64

struct daemon_options {
    char socket[PATH_MAX], state[PATH_MAX]; /* absolute */
    char log_file[PATH_MAX];                /* absolute; "": standard error */
    enum log_level log_level;
    int64_t workers;                        /* 0: the pool's default */
    int64_t memory_budget;                  /* bytes; 0: the pool's default */
    char *modules[OPTIONS_MODULES_MAX + 1]; /* absolute paths of existing files; ended by NULL */
    size_t module_count;
    int64_t keep_ms, drain_timeout_ms; /* 0: none */
    int64_t queue_max, clients_max, client_jobs_max;
    int64_t message_max, unread_max, output_max; /* bytes */
};

/* Reads the command line (*borrows*). 0; -1: an error, which it has printed; -2: it has printed help or version. Call
 * daemon_options_deinit in any case. */
int daemon_options_read(struct daemon_options *options, int argc, char **argv);
void daemon_options_deinit(struct daemon_options *options);

#endif
