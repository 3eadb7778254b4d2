/* forkserver.h - the process that forks workers, watches them, kills, reaps and reports. One thread, no libuv. It waits
 * for
 *
 *     control socket   requests of the host; it sends its reports there
 *     life pipe        end-of-file: the keeper is dead
 *     host pidfd       the host is dead, even if a child of it holds the socket open; -1: this kernel has none
 *     signalfd         SIGCHLD
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
    size_t warm; /* idle workers to keep; 0: it forks only those that the host asks for */
    int (*on_start)(void *arg, pool_error_t *error);
    void *on_start_arg;
    void (*on_birth)(void *user); /* in each worker; NULL: none */
    void *hook_user;
    bool fork_handlers;          /* workers are made by fork(3), not _Fork(3) */
    const pool_bytes_t *exclude; /* see image_drop; the keeper reads the host's array, in its image */
    size_t exclude_count;
    const int *held; /* stay open in keeper and fork server, not in workers */
    size_t held_count;
    struct process_origin origin;
    bool threaded;               /* the host has other threads at the fork: see image.h */
    unsigned gap_end;            /* see process_gap_end; the keeper fills it in */
    struct cgroup_place cgroups; /* its path empty: jobs are sampled */
    bool cgroups_required;       /* if they cannot be made it fails; else it samples, and hello says why */
};

/* The whole life of a fork server, in the child of a fork. config is *borrowed*, the descriptors are *taken*. */
_Noreturn void forkserver_main(const struct forkserver_config *config, int control, int life, int host);

#endif
