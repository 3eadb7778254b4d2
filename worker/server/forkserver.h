/* forkserver.h - the process that forks workers, watches them, kills, reaps and reports. One thread, no libuv.
 *
 *     control socket   host: fork, kill, started ↓   hello, born, gone ↑
 *     life pipe        its end-of-file is the keeper's death
 *     host pidfd       the host's death, also while another child of the host holds the socket open; -1: not available
 */
#ifndef FORKSERVER_H
#define FORKSERVER_H

#include "cgroup.h"
#include "process.h"

#include <reclaim/pool.h>
#include <stddef.h>

#define FORKSERVER_HELD_MAX 4

struct forkserver_config {
    size_t slots;
    size_t warm; /* idle workers to keep; 0: only what the host asks for is forked */
    int (*on_start)(void *arg, pool_error_t *error);
    void *on_start_arg;
    const int *held; /* stay open in keeper and fork server, not in workers */
    size_t held_count;
    struct process_origin origin;
    bool threaded;               /* the host had other threads when it opened the pool: see image.h */
    unsigned gap_end;            /* see process_gap_end; the keeper fills it in */
    struct cgroup_place cgroups; /* where to make them; its path empty: nowhere, jobs are sampled */
    bool cgroups_required;       /* it fails where they cannot be made, else it samples and says why */
};

/* The whole life of a fork server, in the child of a fork: never returns. */
_Noreturn void forkserver_main(const struct forkserver_config *config, int control, int life, int host);

#endif
