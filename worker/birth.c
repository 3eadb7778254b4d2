#include "birth.h"

#include "descriptor.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_pair(int pair[2])
{
    descriptor_close(&pair[0]);
    descriptor_close(&pair[1]);
}

void birth_fork(struct server *server, struct slot *slot)
{
    int task[2] = {-1, -1}, result[2] = {-1, -1}; /* [0] the host's, [1] the worker's */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, task) < 0 || pipe2(result, O_CLOEXEC) < 0) {
        slot->error = (uint64_t)errno;
        close_pair(task);
        return;
    }
    slot_page_share(slot, true);
    const pid_t pid = fork();
    if (pid == 0) {
        const struct worker_birth birth = {
            .serial = slot->serial,
            .task = task[1],
            .result = result[1],
            .page = slot->page,
            .origin = server->origin,
            .parent = server->pid,
        };
        worker_main(&birth);
    }
    const int error = errno;
    slot_page_share(slot, false);
    descriptor_close(&task[1]);
    descriptor_close(&result[1]);
    if (pid < 0) {
        slot->error = (uint64_t)error;
        close_pair(task);
        close_pair(result);
        return;
    }
    slot->pid = pid;
    slot->host_ends[0] = task[0];
    slot->host_ends[1] = result[0];
}
