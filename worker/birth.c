#include "birth.h"

#include "descriptor.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

bool birth_prepare(struct server *server, struct slot *slot)
{
    int task[2], result[2]; /* [0] the host's, [1] the worker's */
    const int rc = server->metering.mechanism->prepare(server, slot);
    if (rc < 0) {
        slot->error = (uint64_t)-rc;
        return false;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, task) < 0) {
        slot->error = (uint64_t)errno;
        return false;
    }
    if (pipe2(result, O_CLOEXEC) < 0) {
        slot->error = (uint64_t)errno;
        close(task[0]);
        close(task[1]);
        return false;
    }
    slot->host_ends[0] = task[0];
    slot->host_ends[1] = result[0];
    slot->worker_ends[0] = task[1];
    slot->worker_ends[1] = result[1];
    return true;
}

void birth_fork(struct server *server, struct slot *slot)
{
    const struct worker_birth birth = {
        /* the child has neither server nor slot */
        .serial = slot->serial,   .task = slot->worker_ends[0], .result = slot->worker_ends[1], .page = slot->page,
        .origin = server->origin, .parent = server->pid,        .leaf = slot->meter.leaf,
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
