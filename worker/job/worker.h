/* worker.h - the process that does one job and dies. */
#ifndef WORKER_H
#define WORKER_H

#include "page.h"
#include "process.h"

#include <stdbool.h>
#include <stdint.h>

/* Its own ends, -1: none; it closes all other descriptors. */
enum worker_channel { WORKER_PIPE, WORKER_SOCKET, WORKER_LEAF /* directory of its cgroup */, WORKER_CHANNELS };

struct worker_birth {
    uint64_t serial;
    int channels[WORKER_CHANNELS];
    int numbers;                  /* the number that its first channel gets; others follow */
    uint64_t tag_most;            /* see sweep_tag */
    unsigned gap_end;             /* see process_gap_end */
    bool has_pids;                /* the cgroup limits processes; else the fork server counts them */
    const struct area_task *task; /* the window, and in it the page: worker/server/birth.c */
    struct page *page;
    size_t window_size;
    const struct process_origin *origin;
    pid_t parent;
    void (*on_birth)(void *user); /* NULL: none */
    void *hook_user;
};

/* The whole life of a worker, in the child of a fork: never returns. */
_Noreturn void worker_main(const struct worker_birth *birth);

#endif
