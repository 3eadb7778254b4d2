#include "birth.h"

#include "descriptor.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* [0] the host's, [1] the worker's. 0 or a negative errno. */
static int make_ends(struct birth_ends *ends)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->task) < 0)
        return -errno;
    if (pipe2(ends->result, O_CLOEXEC) == 0)
        return 0;
    const int error = errno;
    descriptor_close(&ends->task[0]);
    descriptor_close(&ends->task[1]);
    return -error;
}

void birth_stock(struct server *server)
{
    if (!server->has_spare)
        server->has_spare = make_ends(&server->spare) == 0;
}

bool birth_prepare(struct server *server, struct slot *slot)
{
    int rc = server->metering.mechanism->prepare(server, slot);
    if (rc == 0 && !server->has_spare)
        rc = make_ends(&server->spare);
    if (rc < 0) {
        slot->error = (uint64_t)-rc;
        return false;
    }
    server->has_spare = false;
    slot->host_ends[0] = server->spare.task[0];
    slot->host_ends[1] = server->spare.result[0];
    slot->worker_ends[0] = server->spare.task[1];
    slot->worker_ends[1] = server->spare.result[1];
    return true;
}

void birth_fork(struct server *server, struct slot *slot)
{
    const struct worker_birth birth = {
        /* the child has neither server nor slot */
        .serial = slot->serial,         .task = slot->worker_ends[0],
        .result = slot->worker_ends[1], .page = slot->page,
        .origin = server->origin,       .parent = server->pid,
        .leaf = slot->meter.leaf,       .gap_end = server->gap_end,
        .seeds = server->seeds,         .has_pids = server->metering.cgroup.pids,
    };
    slot->page->inherited = server->inherited;
    slot_page_share(slot, true);
    const pid_t pid = process_fork();
    if (pid == 0)
        worker_main(&birth);
    if (pid < 0)
        slot->error = (uint64_t)errno;
    else
        slot->pid = pid;
    slot_page_share(slot, false);
    descriptor_close(&slot->worker_ends[0]);
    descriptor_close(&slot->worker_ends[1]);
}
