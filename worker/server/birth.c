#include "birth.h"

#include "descriptor.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0 or a negative errno. */
static int make_ends(struct slot_ends *ends)
{
    int task[2], result[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, task) < 0)
        return -errno;
    if (pipe2(result, O_CLOEXEC) < 0) {
        descriptor_close_pair(task);
        return -errno;
    }
    *ends = (struct slot_ends){.host = {task[0], result[0]}, .worker = {task[1], result[1]}};
    return 0;
}

void birth_stock(struct server *server)
{
    if (!server->has_spare)
        server->has_spare = make_ends(&server->spare) == 0;
}

bool birth_prepare(struct server *server, struct slot *slot)
{
    const struct meter_mechanism *mechanism = server->metering.mechanism;
    int rc = mechanism->prepare != NULL ? mechanism->prepare(server, slot) : 0;
    if (rc == 0 && !server->has_spare)
        rc = make_ends(&server->spare);
    if (rc < 0) {
        slot->error = (uint64_t)-rc;
        return false;
    }
    server->has_spare = false;
    slot->ends = server->spare;
    return true;
}

/* Whether a channel has one of the numbers to which a worker would move its channels. */
static bool is_in_the_way(const int *channels, int numbers)
{
    bool found = false;
    for (int i = 0; i < WORKER_CHANNELS; i++)
        found = found || (channels[i] >= numbers && channels[i] < numbers + WORKER_CHANNELS);
    return found;
}

void birth_fork(struct server *server, struct slot *slot)
{
    const struct forkserver_config *config = server->config;
    const int channels[WORKER_CHANNELS] = {slot->ends.worker[0], slot->ends.worker[1], slot->meter.leaf};
    int numbers = process_descriptor_floor();
    while (is_in_the_way(channels, numbers))
        numbers += WORKER_CHANNELS;
    const struct worker_birth birth = {
        /* by value: the child has neither server nor slot */
        .serial = slot->serial,
        .task = channels[0],
        .result = channels[1],
        .leaf = channels[2],
        .numbers = numbers,
        .gap_end = config->gap_end,
        .tag_most = server->tag_most,
        .has_pids = server->metering.cgroup.pids,
        .page = slot->page,
        .origin = &config->origin,
        .parent = server->pid,
        .on_birth = config->on_birth,
        .hook_user = config->hook_user,
    };
    slot->page->inherited = server->inherited;
    process_seed(); /* here, or each worker would have to find the code of that, and to copy three pages */
    slot_page_share(slot, true);
    const pid_t pid = config->fork_handlers ? fork() : process_fork();
    if (pid == 0)
        worker_main(&birth);
    if (pid < 0)
        slot->error = (uint64_t)errno;
    else
        slot->pid = pid;
    slot_page_share(slot, false);
    descriptor_close_pair(slot->ends.worker);
}
