/* worker.h - the process that does one job and dies. */
#ifndef WORKER_H
#define WORKER_H

#include "page.h"
#include "process.h"

#include <stdbool.h>
#include <stdint.h>

#define WORKER_CHANNELS 3

struct worker_birth {
    uint64_t serial;
    int task, result;  /* its own ends; it closes all other descriptors */
    int leaf;          /* directory of its cgroup; -1: none */
    int numbers;       /* the number that its first channel gets; two more follow */
    uint64_t tag_most; /* see sweep_tag */
    unsigned gap_end;  /* see process_gap_end */
    bool has_pids;     /* the cgroup limits processes; else the fork server counts them */
    struct page *page;
    const struct process_origin *origin;
    pid_t parent;
    void (*on_birth)(void *user); /* NULL: none */
    void *hook_user;
};

/* The whole life of a worker, in the child of a fork: never returns. */
_Noreturn void worker_main(const struct worker_birth *birth);

#endif
